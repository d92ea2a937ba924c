"""The inference manager as a node: networks ask it before they run, and hand in a receipt when they have."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.budget import Budget
from rover_energy.inference.energy import Provenance
from rover_energy.inference.manager import Manager, Start
from rover_energy.inference.receipts import Outcome, Request
from rover_energy.inference.store import Store, read_store
from rover_energy.inference.variant import Variant
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import demand_message, grant_of, receipt_message, receipt_of
from rover_energy.nodes.inference_settings import ManagerParameters, floor_of

TICK = 0.1  # [s]


class InferenceManager(ros.Part):
    """Thin over `inference.manager`: messages, services and the clock."""

    name, parameters = "inference_manager", ManagerParameters

    def configure(self) -> None:
        p = self.settings
        if not p.store:
            raise InputError("inference_manager", "store", "is empty", "name a file with variants")
        whole = read_store(Path(p.store))
        self.store = Store.of((v for v in whole if runs_here(v)), whole.source)
        budget = Budget(floor_of(p))
        self.manager = Manager(
            self.store, budget, horizon=p.period, margin=p.margin, slack=p.slack, lead=p.lead, patience=2.0 * TICK
        )
        self.due = -math.inf
        self.send = {name: self.publisher(name) for name in ("inference_demand", "inference_receipt", "inference_stop")}
        self.subscribe("inference_grant", self.on_grant)
        self.subscribe("inference_receipt", self.on_receipt)
        services = ros.need("rover_energy_interfaces.srv")
        self.services = [
            self.ros.create_service(services.ReserveInference, "reserve_inference", self.on_reserve),
            self.ros.create_service(services.Quote, "quote", self.on_quote),
        ]
        self.timer = self.ros.create_timer(TICK, self.on_timer)

    def on_grant(self, message: Any) -> None:
        if not self.active:
            return
        try:
            grant = grant_of(message)
        except InputError as error:
            self.ros.get_logger().error(str(error))
            return
        self.stop(self.manager.receive(grant, self.now))

    def on_reserve(self, request: Any, response: Any) -> Any:
        """May this run now?"""
        if not self.active:
            return refuse(response, "NOT_ACTIVE", "the manager is not active: activate it")
        now = self.now
        try:
            deadline = now + request.patience
            made = Request(request.request_id, request.task, now, request.amount, deadline, request.weight, request.deferrable)
        except InputError as error:
            return refuse(response, "INVALID_REQUEST", str(error))
        if not any(v.priced for v in self.store if v.task == request.task):
            known = ", ".join(self.store.tasks)
            return refuse(response, "UNKNOWN_TASK", f"no metered variant does {request.task}; known: {known}")
        if request.request_id in self.manager.running:
            return refuse(response, "INVALID_REQUEST", f"{request.request_id} runs already; use a new name")
        start = self.manager.ask(made, now)
        self.flush()
        if isinstance(start, str):
            return refuse(response, "NO_GRANT" if self.manager.budget.grant is None else "TRY_LATER", f"{request.task}: {start}")
        response.variant, response.energy, response.power = start.variant.name, start.energy, start.variant.peak_power
        response.duration, response.floor = start.until - now, start.floor
        return response

    def on_receipt(self, message: Any) -> None:
        """True up. Receipts of refused or lost runs come from here and are no news."""
        receipt = receipt_of(message)
        if receipt.name in self.manager.running and receipt.outcome is not Outcome.REFUSED:
            self.manager.finish(receipt.name, receipt.energy, self.now, outcome=receipt.outcome)
            self.manager.receipts.clear()

    def on_quote(self, request: Any, response: Any) -> Any:
        """What would it cost?"""
        for name in ("energy_p10", "energy_p50", "energy_p90", "power", "duration"):
            setattr(response, name, math.nan)
        if request.load not in ("", "inference"):
            return refuse(response, "UNKNOWN_LOAD", f"{request.load}: this node quotes for inference only")
        if not 0.0 < request.amount < math.inf:
            return refuse(response, "INVALID_REQUEST", f"amount = {request.amount:g}: give units of work above 0")
        try:
            variant = self.quoted(request.task, request.variant, request.amount)
        except InputError as error:
            return refuse(response, "UNKNOWN_TASK", str(error))
        if not variant.priced:
            return refuse(response, "NO_MODEL", f"{variant.name} is unmetered; meter it first")
        median, high = variant.energy_of(request.amount), variant.energy_high_of(request.amount)
        spread = (high - median) * 1.2816 / 1.6449  # from 95 % to 90 % of a normal law
        response.energy_p10, response.energy_p50, response.energy_p90 = max(0.0, median - spread), median, median + spread
        response.power, response.duration = variant.peak_power, variant.seconds_of(request.amount)
        self.manager.budget.advance(self.now)
        response.affordable = response.energy_p90 <= self.manager.budget.energy_left
        response.variant_chosen, response.provenance.value = variant.name, int(variant.provenance)
        return response

    def quoted(self, task: str, name: str, amount: float) -> Variant:
        """The named variant, or the best one of a task that the grant affords, or its cheapest. Raises InputError."""
        if name:
            return self.store[name]
        ladder = self.store.of_task(task or (self.store.tasks[0] if len(self.store.tasks) == 1 else task))
        if not ladder:
            raise InputError(self.store.source, "task", "has no metered variant", "meter one", task)
        fitting = [v for v in ladder if v.energy_high_of(amount) <= self.manager.budget.energy_left]
        return max(fitting, key=lambda v: v.quality) if fitting else ladder[0]

    def on_timer(self) -> None:
        """Stop what must stop, give up what is lost, say what is wanted."""
        if not self.active:
            return
        now = self.now
        self.stop(self.manager.to_stop(now))
        self.manager.abandon(now, self.settings.grace)
        self.flush()
        if now >= self.due:
            self.due = now + self.settings.period
            self.send["inference_demand"](demand_message(self.manager.demand(now)))

    def stop(self, runs: list[Start]) -> None:
        """Tell networks to stop."""
        for run in runs:
            command = ros.message_class("rover_energy_interfaces/msg/LoadCommand")(
                issuer=self.name, name=run.request.name, enabled=False, power_limit=0.0, lifetime=self.settings.period,
                priority=255,
            )  # fmt: skip
            command.header.stamp = ros.stamp_of(self.now)
            self.send["inference_stop"](command)

    def flush(self) -> None:
        """Publish the manager's own receipts: of what was refused or lost."""
        for receipt in self.manager.receipts:
            self.send["inference_receipt"](receipt_message(receipt))
        self.manager.receipts.clear()


def runs_here(variant: Variant) -> bool:
    """Not one that is a count of operations for hardware that is not here."""
    return bool(variant.artefact) or variant.provenance is not Provenance.OPERATION_COUNT


def refuse(response: Any, code: str, text: str) -> Any:
    """A response with its error."""
    response.error_code, response.error_text = getattr(response, code), text
    return response


def main() -> None:
    """Entry point."""
    ros.run(InferenceManager)


if __name__ == "__main__":
    main()
