"""What networks took on a drive, from its bag: receipts against grants and against the bus, answers in time."""

from __future__ import annotations

import math
from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.accountant import Accountant, in_force, quote_error
from rover_energy.inference.grants import FloorReserve, Grant, Mode
from rover_energy.inference.receipts import Outcome, Receipt
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import grant_of, receipt_of
from rover_energy.nodes.summary import read_bag

TOPICS = ("inference_grant", "inference_run", "inference_receipt", "terrain_classes", "power_state")
ALL = 10**7


def summarise_inference(bag: Path, *, hazard: str = "terrain_class", deadline: float = 1.0) -> dict[str, Any]:
    """The account of a drive.

    `violations`: windows and instants above the grants. `drawn_J`: what the bus carried, beside `receipts_J`. `late`: answers
    of the task `hazard` that came after `deadline` [s]; `in_time`: share of its requests that had an answer by then.
    `runs_by_mode`: completed runs of each task by the mode of the grant in which they began.
    """
    found = read_bag(bag, TOPICS)
    account, refused_grants = Accountant(FloorReserve(), kept=ALL), 0
    for message in found["inference_grant"]:
        try:
            account.on_grant(grant_of(message))
        except InputError:
            refused_grants += 1
    for message in found["inference_run"]:
        if message.enabled:
            account.on_run(message.name, ros.seconds(message.header.stamp), message.power_limit)
    for message in found["inference_receipt"]:
        account.on_receipt(receipt_of(message))
    loads = [load for m in found["power_state"] for load in m.loads if load.name == "inference"]
    done = [r for r in account.receipts if r.outcome is Outcome.COMPLETED]
    mine = [r for r in done if r.task == hazard]
    asked = [r for r in account.receipts if r.task == hazard]
    late = sum(not r.latency <= deadline for r in mine)
    modes = [grant.mode for grant in account.grants]
    return {
        "grants": len(modes), "grants_by_mode": {mode.name.lower(): modes.count(mode) for mode in Mode},
        "unreadable_grants": refused_grants, "violations": len(account.violations()), "unmetered": account.total.unmetered,
        "outcomes": {outcome.name.lower(): count for outcome, count in account.outcomes.items()},
        "provenance": account.total.weakest.name.lower(), "quote_error": quote_error(tuple(account.receipts)),
        "receipts_J": account.total.known, "drawn_J": loads[-1].energy - loads[0].energy if loads else math.nan,
        "peak_window_W": max((load.power for load in loads), default=math.nan),
        "answers": len(mine), "classes_published": len(found["terrain_classes"]),
        "late": late, "in_time": (len(mine) - late) / len(asked) if asked else math.nan, **gaps(mine, found["power_state"]),
        "runs_by_mode": by_mode(tuple(account.grants), done),
        "quality": float(np.mean([r.quality for r in mine])) if mine else math.nan,
        "variants_used": {name: sum(r.variant == name for r in mine) for name in sorted({r.variant for r in mine})},
    }  # fmt: skip


def by_mode(grants: tuple[Grant, ...], runs: list[Receipt]) -> dict[str, dict[str, int]]:
    """Runs of each task by the mode in force when they began; "none": there was no valid grant."""
    force = in_force(grants)
    begun = [f.begun for f in force]
    counts: dict[str, dict[str, int]] = {}
    for run in runs:
        k = bisect_right(begun, run.begun) - 1
        name = force[k].grant.mode.name.lower() if k >= 0 and run.begun < force[k].until else "none"
        mine = counts.setdefault(run.task, {})
        mine[name] = mine.get(name, 0) + 1
    return counts


def gaps(answers: list[Any], states: list[Any]) -> dict[str, float]:
    """Longest time without an answer [s], from the first one to the end of the bag."""
    if not answers or not states:
        return {"longest_gap_s": math.nan}
    times = [r.stamp for r in answers] + [ros.seconds(states[-1].header.stamp)]
    return {"longest_gap_s": float(np.max(np.diff(times)))}
