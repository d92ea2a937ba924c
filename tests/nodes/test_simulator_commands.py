"""What the simulated motor drivers make of commands that come late, out of order or from the future."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import needs_ros

pytestmark = needs_ros


def drivers(time: float) -> Any:
    """The part as far as commands concern it, at a simulated time [s]."""
    from rover_energy.nodes.settings import SimulatorParameters
    from rover_energy.nodes.simulator_node import Simulator
    from rover_energy.simulation.run import Driver

    part = Simulator.__new__(Simulator)
    part.settings, part.time, part.commanded, part.driver = SimulatorParameters(), time, -math.inf, Driver()
    part.heard, part.lost = {}, {}
    return part


def command(time: float, speed: float) -> Any:
    whole, rest = divmod(round(time * 1e9), 10**9)
    twist = SimpleNamespace(linear=SimpleNamespace(x=speed), angular=SimpleNamespace(z=0.0))
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=whole, nanosec=rest)), twist=twist)


def test_a_late_answer_does_not_take_back_a_later_one() -> None:
    """A sensor that repeats itself provokes answers with its old stamp beside the stop that the bus's clock provoked."""
    part = drivers(2.04)
    part.on_command(command(2.00, 0.3))
    part.on_command(command(2.04, 0.0))
    part.on_command(command(2.00, 0.3))
    assert part.driver.command.speed == 0.0
    assert part.heard["cmd_vel"] == pytest.approx(2.04), "the simulation has its answer and goes on"


def test_a_stamp_from_the_future_does_not_outlast_the_watchdog() -> None:
    part = drivers(2.0)
    part.on_command(command(900.0, 0.3))
    assert part.commanded == 2.0
    part.time = 2.04
    part.on_command(command(2.04, 0.1))
    assert part.driver.command.speed == 0.1


def test_after_it_was_given_up_any_command_counts() -> None:
    part = drivers(2.0)
    part.on_command(command(2.0, 0.3))
    part.commanded = -math.inf
    part.on_command(command(1.9, 0.2))
    assert part.driver.command.speed == 0.2
