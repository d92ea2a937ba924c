"""Everything that is drawn over time, read from a bag in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.recording import Recording, stamp_of
from rover_energy.views.signals import SIGNALS, Signal, absolute, namespace_of, read, total_power

FloatArray = NDArray[np.float64]
EVENTS = ("/diagnostics", "compliance", "trajectory")
LEVELS = ("OK", "WARN", "ERROR", "STALE")


@dataclass
class Series:
    """Times count from the start of the bag, by the messages' own stamps [s].

    signals : by signal, (times, values) in its unit. total : (times, sum of all loads [W]). poses : (times, positions (n, 3) [m],
    orientations (n, 4) as x, y, z, w) of odom; planned : the same of reference. events : (time, level, text).
    """

    signals: dict[Signal, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    total: tuple[FloatArray, FloatArray] = (np.zeros(0), np.zeros(0))
    poses: tuple[FloatArray, FloatArray, FloatArray] = (np.zeros(0), np.zeros((0, 3)), np.zeros((0, 4)))
    planned: tuple[FloatArray, FloatArray, FloatArray] = (np.zeros(0), np.zeros((0, 3)), np.zeros((0, 4)))
    events: list[tuple[float, str, str]] = field(default_factory=list)


def collect(bag: Recording, progress: Callable[[float], None] | None = None) -> Series:
    """Read a bag."""
    space = namespace_of([stream.topic for stream in bag.streams])
    by_topic: dict[str, list[Signal]] = {}
    for signal in SIGNALS:
        by_topic.setdefault(absolute(signal.topic, space), []).append(signal)
    power, odom, reference = (absolute(name, space) for name in ("power_state", "odom", "reference"))
    events = {absolute(name, space): name for name in EVENTS}
    rows: dict[Signal, list[tuple[float, float]]] = {signal: [] for signal in SIGNALS}
    total: list[tuple[float, float]] = []
    poses: dict[str, list[tuple[float, ...]]] = {odom: [], reference: []}
    series, length = Series(), max(1, bag.end - bag.start)
    for number, (sample, message) in enumerate(bag.messages(topics={*by_topic, *events})):
        time = 1e-9 * (stamp_of(message, sample.time) - bag.start)
        for signal in by_topic.get(sample.topic, ()):
            rows[signal].append((time, signal.scale * read(message, signal.path)))
        if sample.topic == power:
            total.append((time, total_power(message)))
        elif sample.topic in poses:
            p, q = message.pose.pose.position, message.pose.pose.orientation
            poses[sample.topic].append((time, p.x, p.y, p.z, q.x, q.y, q.z, q.w))
        elif sample.topic in events:
            series.events += [(time, *told) for told in told_by(events[sample.topic], message)]
        if progress is not None and number % 500 == 0:
            progress((sample.time - bag.start) / length)
    series.signals = {signal: _columns(found) for signal, found in rows.items()}
    series.total = _columns(total)
    series.poses, series.planned = _poses(poses[odom]), _poses(poses[reference])
    return series


def told_by(topic: str, message: Any) -> list[tuple[str, str]]:
    """(level, text) of a message that tells people something."""
    if topic == "/diagnostics":
        return [(level_of(s.level), f"{s.name}: {s.message}") for s in message.status]
    if topic == "compliance":
        return [("OK" if message.passed else "ERROR", f"compliance: {message.text}")]
    return [("OK", f"trajectory {message.plan_id}: {message.duration:.1f} s, {len(message.pieces)} pieces")]


def level_of(value: Any) -> str:
    """Level of a DiagnosticStatus: rclpy has it as a byte, rosbags as a number. What is not known counts as STALE."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    return LEVELS[number] if 0 <= number < len(LEVELS) else "STALE"


def _columns(rows: list[tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
    table = np.asarray(rows, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _poses(rows: list[tuple[float, ...]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    table = np.asarray(rows, dtype=float).reshape(-1, 8)
    return table[:, 0], table[:, 1:4], table[:, 4:8]
