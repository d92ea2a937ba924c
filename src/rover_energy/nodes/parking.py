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
from rover_energy.nodes.session import GraphError, Session
from rover_energy.nodes.summary import parts_of, read_bag
from rover_energy.telemetry.audit import Audit

SILENCE = 30.0  # [s] of real time without a window
HORIZON = 43200.0  # [s] of a forecast: a night
FORECASTS = 60.0  # windows between two forecasts, each of which takes as long as hundreds of windows


def parked(nodes: list[Node], window: float) -> list[Node]:
    """The nodes of a drive with long windows [s]; nobody drives, so the simulation waits for every answer of the bus."""
    special: dict[str, dict[str, Any]] = {
        "simulator": {"window": window, "patience": SILENCE},
        "power": {
            "forecast_period": max(10.0, min(FORECASTS * window, 3600.0)), "forecast_horizon": HORIZON, "forecast_light": True,
        },
    }  # fmt: skip
    return [replace(node, parameters={**node.parameters, **special.get(node.name, {})}) for node in nodes]


def park(session: Session, seconds: float, progress: Callable[[float], None] = lambda _: None) -> None:
    """Listen until so much simulated time [s] has gone by. Raises GraphError when the bus falls silent."""
    heard = {"first": math.nan, "last": math.nan, "at": time.monotonic()}

    def on_state(message: Any) -> None:
        now = ros.seconds(message.header.stamp)
        heard["first"] = now if math.isnan(heard["first"]) else heard["first"]
        heard["last"], heard["at"] = now, time.monotonic()
        progress(now - heard["first"])

    def over() -> bool:
        if time.monotonic() - heard["at"] > SILENCE:
            raise GraphError(f"parked: no power_state for {SILENCE:g} s; the logs are in {session.processes.out / 'log'}")
        return heard["last"] - heard["first"] >= seconds

    session.bring_up()
    session.watch("power_state", on_state)
    session.wait(over, math.inf, "parked")


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
