"""Messages that tell about energy, as columns: PowerState, BatteryState, Odometry, JointState, Twist, single numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.telemetry.bag import Piece, Topic
from rover_energy.telemetry.cdr import Decoder, Rows
from rover_energy.telemetry.message_types import Group, Primitive, Tree, full_name, message_tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STAMP = ("header.stamp.sec", "header.stamp.nanosec")
STRANGE = 60_000_000_000  # [ns] between stamp and time of recording from which the stamp is not believed
ITEM = re.compile(r"(\w+)\[(\d+)\]\.(\w+)")

POWER = (
    "rtg_power", "pv_power", "battery_power", "shunt_power", "available_power", "battery_energy", "battery_capacity",
    "state_of_charge", "battery_floor", "battery_temperature", "discharge_limit", "charge_limit", "residual", "validity",
    "rtg_provenance.value", "pv_provenance.value", "battery_provenance.value",
)  # fmt: skip
LOAD = ("power", "energy", "enabled", "valid")
BATTERY = ("voltage", "current", "charge", "capacity", "percentage", "temperature", "power_supply_status", "present")
POSE = ("position.x", "position.y", "position.z", "orientation.x", "orientation.y", "orientation.z", "orientation.w")
#: bits of PowerState.validity
VALID = {"rtg": 1, "pv": 2, "battery": 4, "loads": 8, "balanced": 16}

#: kind of stream -> message types that carry it and the fields that are read
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "power": (
        ("rover_energy_interfaces/msg/PowerState",),
        (*POWER, *(f"loads[].{name}" for name in ("name", *LOAD)), "loads[].provenance.value"),
    ),
    "battery": (("sensor_msgs/msg/BatteryState",), BATTERY),
    "motion": (
        ("nav_msgs/msg/Odometry",),
        (*(f"pose.pose.{name}" for name in POSE), "twist.twist.linear.x", "twist.twist.linear.y", "twist.twist.angular.z"),
    ),
    "joints": (("sensor_msgs/msg/JointState",), ("name[]", "velocity", "effort")),
    "command": (
        ("geometry_msgs/msg/TwistStamped", "geometry_msgs/msg/Twist"),
        ("twist.linear.x", "twist.angular.z", "linear.x", "angular.z"),
    ),
    "cap": (("rover_energy_interfaces/msg/LoadCommand",), ("name", "power_limit", "lifetime", "enabled")),
    "diagnostics": (
        ("diagnostic_msgs/msg/DiagnosticArray",), ("status[].level", "status[].name", "status[].message"),
    ),
    "grant": (
        ("rover_energy_interfaces/msg/InferenceGrant",),
        ("stamp.sec", "stamp.nanosec", "valid_until.sec", "valid_until.nanosec", "sequence", "mode", "energy", "power_limit"),
    ),
    "receipt": (
        ("rover_energy_interfaces/msg/InferenceReceipt",),
        ("stamp.sec", "stamp.nanosec", "grant_sequence", "request_id", "task", "variant", "outcome", "energy_quoted", "energy",
         "latency", "quality_estimate", "provenance.value"),
    ),
    "scalar": (("std_msgs/msg/Float32", "std_msgs/msg/Float64"), ("data",)),
}  # fmt: skip


@dataclass
class Table:
    """Messages of one topic from one piece of the bag, in the order of the file.

    time : (n,), when it was measured where the message says so, else when it was recorded [ns]. columns : (n,) or
    (n, k) by field. rows : the same by layout, with the texts.
    """

    time: Ints
    columns: dict[str, Floats] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)


def kind_of(type_name: str) -> str:
    """The kind of stream that a message type carries; empty for none that is read."""
    return next((kind for kind, (types, _) in KINDS.items() if full_name(type_name) in types), "")


class Stream:
    """One topic, decoded piece by piece.

    kind : of `KINDS`, or "scalar" with `fields` for one number of any message. Raises TypeProblemError.
    """

    def __init__(self, topic: Topic, kind: str, fields: tuple[str, ...] = ()) -> None:
        self.topic, self.kind = topic, kind
        tree = message_tree(topic.schema.name, topic.schema.encoding, topic.schema.data)
        self.stamped = has_stamp(tree)
        wanted = (*KINDS[kind][1], *fields, *(STAMP if self.stamped else ()))
        self.decoder = Decoder(tree, frozenset(wanted))
        self.why_recorded = "" if self.stamped else "its messages carry no stamp"
        self._judged = False

    def read(self, piece: Piece) -> Table:
        """What a piece holds of the topic."""
        chosen = piece.of(self.topic.name)
        rows = self.decoder.decode(piece.segment, chosen)
        index = np.concatenate([r.index for r in rows]) if rows else np.zeros(0, dtype=np.int64)
        order = np.argsort(index, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(order.size)
        table = Table(piece.segment.log_time[index[order]], {}, [])
        at = 0
        for r in rows:
            where = place[at : at + r.index.size]
            at += r.index.size
            for name in r.fields.dtype.names or ():
                _put(table.columns, name, r.fields[name], where, index.size)
            table.rows.append(Rows(where, r.fields, r.texts))
        self._times(table)
        return table

    def _times(self, table: Table) -> None:
        seconds, rest = (table.columns.pop(name, None) for name in STAMP)
        if seconds is None or rest is None or not table.time.size:
            return
        stamps = seconds.astype(np.int64) * 1_000_000_000 + rest.astype(np.int64)
        if not self._judged:
            self._judge(stamps, table.time)
        if not self.why_recorded:
            table.time = stamps

    def _judge(self, stamps: Ints, recorded: Ints) -> None:
        """Decide once whether the stamps of this topic can be believed."""
        self._judged = True
        if stamps.size > 1 and np.all(stamps == 0):
            self.why_recorded = "its stamps are zero"
        elif stamps.size > 2 and np.all(stamps == stamps[0]):
            self.why_recorded = "its stamps stand still"
        elif abs(float(np.median(stamps - recorded))) > STRANGE:
            self.why_recorded = "its stamps are of another clock than the recording"


def _put(columns: dict[str, Floats], name: str, values: Any, where: Ints, size: int) -> None:
    numbers = np.asarray(values, dtype=np.float64)
    column = columns.get(name)
    if column is None:
        columns[name] = column = np.full((size, *numbers.shape[1:]), np.nan)
    if column.shape[1:] != numbers.shape[1:]:
        width = min(column.shape[1], numbers.shape[1]) if column.ndim == numbers.ndim == 2 else 0
        column[where, :width] = numbers[:, :width] if width else column[where, :width]
        return
    column[where] = numbers


def has_stamp(tree: Tree) -> bool:
    """Whether the messages begin with a std_msgs/Header."""
    header = dict(tree.fields).get("header") if isinstance(tree, Group) else None
    stamp = dict(header.fields).get("stamp") if isinstance(header, Group) else None
    return isinstance(stamp, Group) and {"sec", "nanosec"} <= {name for name, _ in stamp.fields}


def number_fields(tree: Tree, name: str = "") -> list[str]:
    """Paths of the single numbers of a message type."""
    if isinstance(tree, Primitive):
        return [name]
    if not isinstance(tree, Group):
        return []
    return [path for part, kind in tree.fields for path in number_fields(kind, f"{name}.{part}" if name else part)]


def loads_of(table: Table) -> dict[str, dict[str, Floats]]:
    """Loads of PowerState messages by name: `power`, `energy`, `enabled`, `valid`, `provenance`, (n,) each; NaN without it."""
    found: dict[str, dict[str, Floats]] = {}
    size = table.time.size
    for rows in table.rows:
        names = {key[: -len(".name")]: text for key, text in rows.texts.items() if key.endswith(".name")}
        for prefix, name in names.items():
            own = found.setdefault(name, {part: np.full(size, np.nan) for part in (*LOAD, "provenance")})
            for part in (*LOAD, "provenance"):
                field_name = f"{prefix}.{part}.value" if part == "provenance" else f"{prefix}.{part}"
                own[part][rows.index] = rows.fields[field_name]
    return found
