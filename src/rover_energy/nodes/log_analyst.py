"""The log analyst as a node: a rolling log of what topics say, and the action that answers questions about it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.analyst import TASK, Answer, read_analyst
from rover_energy.inference.log_book import LogBook
from rover_energy.inference.log_entries import part_of
from rover_energy.inference.log_questions import read_question
from rover_energy.inference.store import read_store
from rover_energy.nodes import ros
from rover_energy.nodes.inference_settings import AnalystParameters
from rover_energy.nodes.spender import Permit, Spender, Spent

LOOK = 0.05  # [s] of real time
UNIT = 1000.0  # lines that a variant's price is for
LOADS = {"drive": "motors", "turn": "motors"}
CHANNELS = {"wheels": "motors", "motors": "motors", "generation": "array", "imbalance": "battery"}


class LogAnalyst(ros.Part):
    """Thin over `inference.analyst` and `inference.log_book`; one question at a time."""

    name, parameters = "log_analyst", AnalystParameters

    def configure(self) -> None:
        p = self.settings
        if not p.store:
            raise InputError(self.name, "store", "is empty", "make one: rover-energy infer build --out DIR")
        variants = read_store(Path(p.store)).of_task(TASK)
        self.variants = {v.name: v for v in variants}
        self.analyst = read_analyst(Path(p.store).parent / variants[0].artefact)
        self.book = LogBook(p.lines, p.sample)
        self.open, self.handle = False, None
        self.waiting: Any = None
        self.answer: Answer | None = None
        self.problem = ("", "")
        self.taken, self.request = math.nan, ""
        self.spender = Spender(self, TASK)
        for topic in ("power_state", "/diagnostics", "telemetry_anomaly", "compliance", "graph_state"):
            self.subscribe(topic, getattr(self, f"on_{topic.strip('/')}"))
        self.kind = ros.need("rover_energy_interfaces.action").LogQuery
        self.server = self.action_server(self.kind, "log_query", self.execute, lambda: self.active and not self.open)
        self.timer = self.every(LOOK, self.on_timer)

    def deactivate(self) -> None:
        if hasattr(self, "spender"):
            self.spender.close()

    # ------------------------------------------------------------------------------------------------------ the log

    def on_power_state(self, m: Any) -> None:
        """Samples of every part, and loads that are switched."""
        t = ros.seconds(m.header.stamp)
        loads = {load.name: load.power for load in m.loads} if m.validity & m.LOADS_VALID else {}
        self.book.sample(t, "bus", power=math.fsum(loads.values()) if loads else math.nan, available=m.available_power)
        if m.validity & m.BATTERY_VALID:
            self.book.sample(t, "battery", power=m.battery_power, charge=m.state_of_charge, energy=m.battery_energy)
        if m.validity & m.PV_VALID:
            self.book.sample(t, "array", power=m.pv_power)
        if m.validity & m.RTG_VALID:
            self.book.sample(t, "generator", power=m.rtg_power)
        parts: dict[str, float] = {}
        for name, watts in loads.items():
            parts[LOADS.get(name, name)] = parts.get(LOADS.get(name, name), 0.0) + watts
        for part, watts in parts.items():
            self.book.sample(t, part, power=watts)
        self.book.switches(t, {load.name: load.enabled for load in m.loads}, LOADS)
        bad = [name for name in ("RTG", "PV", "BATTERY", "LOADS") if not m.validity & getattr(m, f"{name}_VALID")]
        self.book.change(t, "validity", tuple(bad), "meters", "state", bool(bad), f"not valid: {', '.join(bad) or 'nothing'}")

    def on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            level = int.from_bytes(status.level, "little")
            event = "fault" if level else "state"
            words = f"{status.name}: {status.message}"
            self.book.change(ros.seconds(message.header.stamp), status.name, level, part_of(words), event, level, words)

    def on_telemetry_anomaly(self, m: Any) -> None:
        t, part = ros.seconds(m.header.stamp), CHANNELS.get(m.channel, "bus")
        if self.book.states.get("anomaly") != m.anomaly and m.anomaly:
            self.book.write(t, part, "anomaly", 1, f"{m.channel} by {m.variant}", {"score": m.score})
        self.book.states["anomaly"] = m.anomaly

    def on_compliance(self, m: Any) -> None:
        t = ros.seconds(m.header.stamp)
        for check in m.checks:
            if check.violations:
                part = "bus" if check.name == "power" else part_of(check.name)
                self.book.write(t, part, "over_limit", 2, f"{check.name}: {check.violations} of {m.samples} instants")
        self.book.write(t, "graph", "state", 0 if m.passed else 1, f"drive audited: {m.text}")

    def on_graph_state(self, status: Any) -> None:
        level = int.from_bytes(status.level, "little")
        event = "fault" if level else "state"
        self.book.change(self.now, "graph", (level, status.message), "graph", event, level, status.message)

    # --------------------------------------------------------------------------------------------------- questions

    def on_timer(self) -> None:
        """Wake the question whose run has ended; one that is cancelled stops."""
        if self.waiting is None:
            return
        if self.handle is not None and self.handle.is_cancel_requested:
            self.spender.close()
            self.problem = ("CANCELED", "canceled by the client")
        if not self.spender.busy:
            waiting, self.waiting = self.waiting, None
            waiting.set_result(True)

    async def execute(self, handle: Any) -> Any:
        """LogQuery."""
        self.open, self.handle = True, handle
        self.answer, self.problem, self.taken, self.request = None, ("", ""), math.nan, ""
        try:
            self.begin(handle.request)
            if not self.problem[0]:
                handle.publish_feedback(self.kind.Feedback(stage="waiting", energy=0.0))
                self.waiting = ros.need("rclpy.task").Future()
                await self.waiting
        except InputError as error:
            self.problem = ("INVALID_QUESTION", str(error))
        finally:
            self.open, self.handle = False, None
        return self.finish(handle)

    def begin(self, goal: Any) -> None:
        """Check a question and ask the manager. Raises InputError."""
        read_question(goal.question)
        for name in ("energy_limit", "patience"):
            if not getattr(goal, name) > 0.0:
                raise InputError("LogQuery", name, "is not above 0", "give infinity for no limit", getattr(goal, name))
        log = tuple(self.book.lines)
        if not log:
            self.problem = ("NO_LOG", "nothing has been logged yet: is the power node running?")
            return
        self.request = self.spender.ask(
            amount=max(1.0, len(log) / UNIT), patience=goal.patience, deferrable=goal.deferrable,
            run=lambda permit: self.run(permit, log, goal), refused=self.refused,
        )  # fmt: skip

    def refused(self, code: str, text: str) -> None:
        """No grant carries it in time."""
        self.problem = ("NOT_AFFORDED", f"{code}: {text}")

    def run(self, permit: Permit, log: tuple[str, ...], goal: Any) -> Spent:
        """In the Spender's thread."""
        variant = self.variants[permit.variant]
        level = list(self.analyst.thresholds)[variant.tier - 1]
        try:
            self.answer = self.analyst.ask(log, goal.question, level=level, limit=min(goal.energy_limit, permit.energy))
        except InputError as error:
            self.problem = ("NOT_AFFORDED", str(error))
            return Spent(quality=0.0)
        self.taken = permit.meter.end(permit.mark[0]).joules
        return Spent(quality=self.answer.confidence, quoted=self.answer.expected)

    def finish(self, handle: Any) -> Any:
        """The result, and how the goal ended."""
        code, text = self.problem
        result = self.kind.Result(confidence=math.nan, energy=self.taken, request_id=self.request)
        if self.answer is None or code:
            code, text = (code, text) if code else ("INTERNAL_ERROR", "the run ended without an answer; see the node's log")
            result.error_code, result.error_text = getattr(result, code), text
            ended = handle.canceled if code == "CANCELED" and handle.is_cancel_requested else handle.abort
            ended()
            return result
        a = self.answer
        result.answer, result.confidence, result.evidence, result.tiers = a.text, a.confidence, list(a.evidence), a.tiers
        handle.succeed()
        return result


def main() -> None:
    """Entry point."""
    ros.run(LogAnalyst)


if __name__ == "__main__":
    main()
