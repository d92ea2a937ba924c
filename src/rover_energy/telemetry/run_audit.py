"""The audit of a bag: every message read once, put into accounts, and stated as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.bodies import body_named
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.audit_findings import findings
from rover_energy.telemetry.bag import Bag, Piece, Topic
from rover_energy.telemetry.inference_account import InferenceAccount
from rover_energy.telemetry.message_types import TypeProblemError
from rover_energy.telemetry.parquet_tables import Tables
from rover_energy.telemetry.power_account import PowerAccount
from rover_energy.telemetry.run_accounts import Battery, Joints, Motion, PowerStates, Scalar, Shared, Switches
from rover_energy.telemetry.stream_health import TopicHealth
from rover_energy.telemetry.streams import Stream, Table, kind_of, number_fields
from rover_energy.telemetry.topic_mapping import KIND, Mapping, Source, guess

Floats = NDArray[np.float64]
LEVELS = {0: "info", 1: "warning", 2: "error", 3: "error"}


class RunAudit:
    """Feed it the pieces of a bag, then ask for the `result`.

    bag : for its path and its loss. mapping : of topics to roles. rover : for the model's predictions and the limits of motion,
    or None. body : whose gravity counts. tables : where to write rows, or None.
    """

    def __init__(
        self, bag: Bag, *, mapping: Mapping | None = None, rover: RoverParameters | None = None, body: str = "moon",
        tables: Tables | None = None,
    ) -> None:  # fmt: skip
        self.bag, self.mapping, self.rover = bag, mapping or Mapping(), rover
        self.zero: int | None = None
        self.shared = Shared(self._seconds, rover, body_named(body).gravity, dict(self.mapping.limits), tables)
        self.health: dict[str, TopicHealth] = {}
        self.streams: dict[str, Stream | None] = {}
        self.parts: dict[str, Any] = {}
        self.sources: dict[str, Source] = {}
        self.pair = PowerAccount()
        self.end = 0.0
        self.levels: dict[str, int] = {}
        self.caps = Switches(self.shared)
        self.inference = InferenceAccount()

    def _seconds(self, time: NDArray[np.int64]) -> Floats:
        """Seconds from the beginning of the bag."""
        return (time - (self.zero or 0)).astype(np.float64) * 1e-9

    def run(self, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Read the whole bag. `progress` is told the messages so far."""
        for piece in self.bag.pieces():
            self.add(piece)
            progress(self.bag.messages)
        return self.result()

    def add(self, piece: Piece) -> None:
        """One piece of the bag."""
        segment = piece.segment
        if self.zero is None and len(segment):
            self.zero = int(segment.log_time.min())
        topics = {topic.name: topic for topic in piece.topics.values()}
        waiting = []
        for name, topic in sorted(topics.items()):
            chosen = piece.of(name)
            t = self._seconds(segment.log_time[chosen])
            self.end = max(self.end, float(t.max()))
            health = self.health.setdefault(name, TopicHealth(name, topic.schema.name))
            stream = self._stream(topic)
            if stream is not None:
                before = stream.decoder.undecodable
                table = stream.read(piece)
                waiting.append((name, table))
                self._undecodable(name, stream.decoder.undecodable - before)
                t = self._seconds(table.time) if not stream.why_recorded else t
            health.add(t, segment.size[chosen])
        for name, table in sorted(waiting, key=lambda item: self._turn(item[0])):
            if table.time.size:
                self._hand_on(name, table)

    def _turn(self, name: str) -> tuple[int, str]:
        """Voltages come before the currents that need them."""
        return int(self.sources[name].role == "current"), name

    def _undecodable(self, name: str, count: int) -> None:
        if count:
            self.bag.loss.undecodable += count
            self.bag.loss.note(f"{name}: messages that do not fit their type")

    def _stream(self, topic: Topic) -> Stream | None:
        """The stream of a topic; None for one that says nothing about energy, or cannot be read."""
        if topic.name not in self.streams:
            try:
                self.streams[topic.name] = self._new_stream(topic)
            except TypeProblemError as problem:
                self.streams[topic.name] = None
                self.bag.remarks.append(f"{topic.name} is not read: {problem}")
        return self.streams[topic.name]

    def _new_stream(self, topic: Topic) -> Stream | None:
        source = self.mapping.source(topic.name)
        kind = kind_of(topic.schema.name)
        if source is None:
            source = guess(topic.name, kind)
            if source is None or self.mapping.has(source.role):
                return None
        elif source.role in KIND:
            if kind != KIND[source.role]:
                self.bag.remarks.append(
                    f"{topic.name} is mapped to {source.role}, but its type {topic.schema.name} is not of that kind"
                )
                return None
        else:
            kind = "scalar"
        if topic.encoding != "cdr":
            raise TypeProblemError(f"its messages are written in {topic.encoding!r}, not in cdr")
        fields = (source.field,) if kind == "scalar" else ()
        stream = Stream(topic, kind, fields)
        if kind == "scalar" and source.field not in number_fields(stream.decoder.tree):
            raise TypeProblemError(f"{topic.schema.name} has no number {source.field!r}")
        part = self._part(source, kind)
        if self._second(part):
            self.bag.remarks.append(f"{topic.name} is left out: another topic stands for the {source.role} already; "
                                    "name the right one in a mapping file")  # fmt: skip
            return None
        self.sources[topic.name], self.parts[topic.name] = source, part
        return stream

    def _second(self, part: Any) -> bool:
        """Whether a topic would be mixed up with an earlier one of its kind, as with two robots in one bag."""
        if isinstance(part, Motion):
            return any(isinstance(p, Motion) and p.source.role == part.source.role for p in self.parts.values())
        return (
            isinstance(part, PowerStates)
            and part.main
            and any(isinstance(p, PowerStates) and p.main for p in self.parts.values())
        )

    def _part(self, source: Source, kind: str) -> Any:
        makers = {"power": PowerStates, "battery": Battery, "motion": Motion, "joints": Joints}
        if kind in makers:
            return makers[kind](source, self.shared)
        return Scalar(source, self.shared, source.field) if kind == "scalar" else None

    def _hand_on(self, name: str, table: Table) -> None:
        part, source = self.parts[name], self.sources[name]
        if part is not None:
            part.add(table)
            if source.role == "current":
                self._volts_times_amperes(part)
        elif source.role == "diagnostics":
            self._diagnostics(table)
        elif source.role == "cap":
            self._cap(table)
        elif source.role in ("grant", "run", "receipt"):
            getattr(self.inference, f"add_{source.role}s")(table)

    def _volts_times_amperes(self, current: Scalar) -> None:
        """Power from a voltage and a current topic, at the times of the current."""
        volts = next((p for p in self.parts.values() if isinstance(p, Scalar) and p.source.role == "voltage"), None)
        if volts is None or not volts.held[0].size:
            return
        t, amps = current.held
        power = np.interp(t, *volts.held) * amps
        limit = np.full(t.shape, self.shared.limits.get("power", np.nan))
        fresh = t > self.pair.last if not math.isnan(self.pair.last) else np.ones(t.shape, dtype=bool)
        self.pair.add(t[fresh], {"available_power": limit[fresh]}, {"volts times amperes": power[fresh]})
        self.shared.trace("volts times amperes").add(t[fresh], {"total_power": power[fresh]})

    def _diagnostics(self, table: Table) -> None:
        """Changes of the level of each status."""
        for rows in table.rows:
            times = self._seconds(table.time[rows.index])
            for key, name in rows.texts.items():
                if not key.endswith("].name"):
                    continue
                prefix = key[: -len(".name")]
                for time, level in zip(times, rows.fields[f"{prefix}.level"], strict=True):
                    self._level(float(time), name, int(level), rows.texts.get(f"{prefix}.message", ""))

    def _level(self, time: float, name: str, level: int, text: str) -> None:
        if self.levels.get(name, 0) != level:
            self.shared.event(time, "diagnostics", f"{name}: {text}", severity=LEVELS.get(level, "error"))
        self.levels[name] = level

    def _cap(self, table: Table) -> None:
        """Power caps that reach zero."""
        t, columns = self._seconds(table.time), table.columns
        self.caps.watch(t, "cap of the motors", (columns["power_limit"] > 0.0).astype(np.float64), "above zero", "at zero")

    def result(self) -> dict[str, Any]:
        """Everything as plain data, in seconds from the beginning of the bag, SI units."""
        return findings(self)


def audit_bag(
    bag: Bag, *, mapping: Mapping | None = None, rover: RoverParameters | None = None, body: str = "moon",
    tables: Path | None = None, name: str = "", progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """The audit of a bag as plain data; with `tables` also as Parquet in that folder, where `name` stands for the bag."""
    if tables is None:
        return RunAudit(bag, mapping=mapping, rover=rover, body=body).run(progress)
    with Tables(tables, name or bag.path.name) as written:
        return RunAudit(bag, mapping=mapping, rover=rover, body=body, tables=written).run(progress)
