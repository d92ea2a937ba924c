"""A rover that stands: whole sols of light, loads and battery through the nodes, in long windows of the meter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.drive_messages import sample_audit
from rover_energy.nodes.graph import Node
from rover_energy.nodes.inference_graph import KINDS, LEAD
from rover_energy.nodes.session import GraphError, Session
from rover_energy.nodes.summary import parts_of, read_bag
from rover_energy.telemetry.audit import Audit

SILENCE = 30.0  # [s] of real time without a window
LONGEST = 60.0  # [s]: windows where networks run
DIGEST, WAITS = 3600.0, 30000.0  # [s] between two questions to the log analyst, and for which one may wait for surplus
QUESTION = "what was the highest power of the array"
HORIZON = 43200.0  # [s] of a forecast: a night
FORECASTS = 60.0  # windows between two forecasts, each of which takes as long as hundreds of windows


def parked(nodes: list[Node], window: float) -> list[Node]:
    """The nodes of a drive with long windows [s]; nobody drives, so the simulation waits for every answer of the bus.

    Networks are granted, asked and answer once a window, and at most once a second: what is less than a window apart is at once
    for them. Each window waits until they have computed, so that the machine's load changes nothing.
    """
    period = max(1.0, window)
    networks = [kind.name for kind in KINDS if any(node.name == kind.name for node in nodes)]
    often = {"period": period, "lockstep": True}
    special: dict[str, dict[str, Any]] = {
        "simulator": {"window": window, "patience": SILENCE, **({"networks": ",".join(networks)} if networks else {})},
        "power": {
            "forecast_period": max(10.0, min(FORECASTS * window, 3600.0)), "forecast_horizon": HORIZON, "forecast_light": True,
            "grant_period": period, "release": min(period, 60.0),
        },
        "inference_manager": {"period": period, "lead": min(max(LEAD, window), 60.0), "grace": min(3.0 * period, 600.0)},
        "terrain_classifier": often, "telemetry_sentinel": often, "energy_map_predictor": {**often, "patience": 1e6},
        "log_analyst": {"sample": period, "lockstep": True}, "learning_planner": {"lockstep": True},
    }  # fmt: skip
    return [replace(node, parameters={**node.parameters, **special.get(node.name, {})}) for node in nodes]


class Digests:
    """Asks the log analyst once an hour for something that can wait for surplus; one question at a time."""

    def __init__(self, session: Session) -> None:
        self.kind = ros.need("rover_energy_interfaces.action").LogQuery
        self.client = ros.need("rclpy.action").ActionClient(session.ros, self.kind, "log_query")
        session.clients.append(self.client)
        self.due, self.open, self.asked, self.answered = -math.inf, False, 0, 0

    def look(self, now: float) -> None:
        """Ask when it is time [s]."""
        if self.open or now < self.due or not self.client.server_is_ready():
            return
        self.due, self.open, self.asked = now + DIGEST, True, self.asked + 1
        goal = self.kind.Goal(question=QUESTION, energy_limit=math.inf, patience=WAITS, deferrable=True)
        self.client.send_goal_async(goal).add_done_callback(self._accepted)

    def _accepted(self, future: Any) -> None:
        handle = future.result()
        if handle is not None and handle.accepted:
            handle.get_result_async().add_done_callback(self._ended)
        else:
            self.open = False

    def _ended(self, future: Any) -> None:
        result = future.result()
        self.open = False
        self.answered += result is not None and result.result.error_code == result.result.NONE


def park(session: Session, seconds: float, progress: Callable[[float], None] = lambda _: None) -> Digests | None:
    """Listen until so much simulated time [s] has gone by; the questions asked meanwhile, where there is a log analyst.

    Raises GraphError when the bus falls silent.
    """
    digests = Digests(session) if any(node.name == "log_analyst" for node in session.processes.nodes) else None
    heard = {"first": math.nan, "last": math.nan, "at": time.monotonic()}

    def on_state(message: Any) -> None:
        now = ros.seconds(message.header.stamp)
        heard["first"] = now if math.isnan(heard["first"]) else heard["first"]
        heard["last"], heard["at"] = now, time.monotonic()
        progress(now - heard["first"])
        if digests is not None:
            digests.look(now)

    def over() -> bool:
        if time.monotonic() - heard["at"] > SILENCE:
            raise GraphError(f"parked: no power_state for {SILENCE:g} s; the logs are in {session.processes.out / 'log'}")
        return heard["last"] - heard["first"] >= seconds

    session.bring_up()
    session.watch("power_state", on_state)
    session.wait(over, math.inf, "parked")
    return digests


def summarise_parking(bag: Path, window: float, real_seconds: float) -> dict[str, Any]:
    """What the bus did meanwhile: windows, energies [Wh], state of charge."""
    states, audit = read_bag(bag, ("power_state",))["power_state"], Audit(longest=1.5 * window)
    for state in states:
        sample_audit(audit, state)
    charge = [state.state_of_charge for state in states if math.isfinite(state.state_of_charge)]
    first, last = (ros.seconds(states[i].header.stamp) if states else math.nan for i in (0, -1))
    return {
        "parked_s": last - first,
        "windows": audit.windows,
        "windows_over": audit.over,
        "windows_missing": audit.missing,
        "consumed_Wh": audit.energy / 3600.0,
        "generated_Wh": audit.generated / 3600.0,
        "peak_power_W": audit.peak_power,
        "least_power_margin_W": audit.least_margin,
        "least_battery_margin_J": audit.least_battery_margin,
        "state_of_charge_first": charge[0] if charge else math.nan,
        "state_of_charge_least": min(charge, default=math.nan),
        "state_of_charge_last": charge[-1] if charge else math.nan,
        "compliance": audit.passed,
        "real_time_s": real_seconds,
        "bag": str(bag),
        "bags_unfinished": parts_of(bag)[1],
    }
