"""What a replay came to, as files: the same bytes for the same bag, plan and part of it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rover_energy.nodes.replay_node import Outcome
from rover_energy.telemetry.bag_loss import Loss

LEVELS = ("OK", "WARN", "ERROR", "STALE")
SUMMARY, DIAGNOSTICS = "replay.json", "diagnostics.jsonl"


def plain(value: Any) -> Any:
    """A message of rclpy or of rosbags as plain data: names and values, levels as numbers, null for what is not finite."""
    fields = getattr(value, "get_fields_and_field_types", None) or getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        names = fields() if callable(fields) else [name for name in fields if not name.startswith("__") and not name.isupper()]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, bytes):
        return int.from_bytes(value, "little")
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return [plain(item) for item in value]


def summary(outcome: Outcome, *, rover: str, loss: Loss) -> dict[str, Any]:
    """The figures. rover : where its description is from. loss : of the bag. Times count from the start of the bag [s]."""
    said = [(time, topic.rpartition("/")[2], message) for time, _, topic, message in outcome.said]
    recorded = [(time, topic.rpartition("/")[2], message) for time, topic, message in outcome.recorded]
    return {
        "duration_s": 1e-9 * (outcome.end - outcome.start),
        "rover": rover,
        "loss": loss.to_mapping(),
        "messages": dict(sorted(outcome.played.items())),
        "left_out": dict(sorted(outcome.left_out.items())),
        "compliance": _last(said, "compliance"),
        "recorded_compliance": _last(recorded, "compliance"),
        "diagnostics": _levels([message for _, name, message in said if name == "diagnostics"]),
        "recorded_diagnostics": _levels([message for _, name, message in recorded if name == "diagnostics"]),
    }


def _last(messages: list[tuple[int, str, Any]], name: str) -> Any:
    """The last message of a topic; None when there is none."""
    found = [message for _, topic, message in messages if topic == name]
    return plain(found[-1]) if found else None


def _levels(arrays: list[Any]) -> dict[str, dict[str, int]]:
    """How often each status had each level."""
    counts: dict[str, Counter[str]] = {}
    for array in arrays:
        for status in array.status:
            counts.setdefault(status.name, Counter())[LEVELS[int(plain(status.level)) & 3]] += 1
    return {name: {level: count[level] for level in LEVELS if count[level]} for name, count in sorted(counts.items())}


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    """Every status of every period."""
    return [
        {"time_s": 1e-9 * (time - outcome.start), **plain(status)}
        for time, _, topic, message in outcome.said
        if topic.rpartition("/")[2] == "diagnostics"
        for status in message.status
    ]


def write(folder: Path, outcome: Outcome, figures: Mapping[str, Any]) -> None:
    """Both files."""
    dump: dict[str, Any] = {"allow_nan": False, "ensure_ascii": False}
    (folder / SUMMARY).write_text(json.dumps(figures, indent=1, **dump) + "\n", encoding="utf-8")
    text = "".join(json.dumps(line, **dump) + "\n" for line in lines(outcome))
    (folder / DIAGNOSTICS).write_text(text, encoding="utf-8")


def verdict(figures: Mapping[str, Any]) -> str:
    """In one line, for people."""
    report, before = figures["compliance"], figures["recorded_compliance"]
    if report is None:
        return "no power_state in this part of the bag: nothing to judge"
    kept = "kept" if report["passed"] else "NOT kept"
    then = "" if before is None else "; during the drive it was " + ("kept" if before["passed"] else "NOT kept")
    return f"limits {kept}: {report['text']}{then}"
