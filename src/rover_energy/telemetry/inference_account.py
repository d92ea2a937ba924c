"""Networks on the bus, from a bag: receipts against the grants in force, by task and variant."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.accountant import Accountant, plain
from rover_energy.inference.energy import Energy, Provenance
from rover_energy.inference.grants import Grant, Mode
from rover_energy.inference.receipts import Outcome, Receipt
from rover_energy.telemetry.streams import Table

ALL = 10**7  # grants and receipts that are kept: a bag is looked at as a whole


def _seconds(row: Any, name: str) -> float:
    return float(row[f"{name}.sec"]) + 1e-9 * float(row[f"{name}.nanosec"])


class InferenceAccount:
    """Feed it the tables of inference_grant, inference_run and inference_receipt as they come, then ask for `to_mapping`."""

    def __init__(self) -> None:
        self.grants: list[Grant] = []
        self.runs: dict[str, tuple[float, float]] = {}
        self.receipts: list[Receipt] = []
        self.unreadable = 0

    @property
    def seen(self) -> bool:
        """Whether the bag says anything of inference."""
        return bool(self.grants or self.receipts)

    def add_grants(self, table: Table) -> None:
        """Messages InferenceGrant."""
        for rows in table.rows:
            for row in rows.fields:
                mode = int(row["mode"])
                try:
                    self.grants.append(Grant(
                        _seconds(row, "stamp"), _seconds(row, "valid_until"), int(row["sequence"]),
                        Mode(mode) if mode in tuple(Mode) else Mode.FLOOR, float(row["energy"]), float(row["power_limit"]),
                    ))  # fmt: skip
                except InputError:
                    self.unreadable += 1

    def add_runs(self, table: Table) -> None:
        """Messages LoadCommand that announce runs."""
        for rows in table.rows:
            for index, row in zip(rows.index, rows.fields, strict=True):
                if row["enabled"]:
                    self.runs[rows.texts.get("name", "")] = (1e-9 * float(table.time[index]), float(row["power_limit"]))

    def add_receipts(self, table: Table) -> None:
        """Messages InferenceReceipt."""
        for rows in table.rows:
            for row in rows.fields:
                self.receipts.append(_receipt(row, rows.texts))

    def to_mapping(self) -> dict[str, Any] | None:
        """The account as plain data; None when the bag says nothing of inference."""
        if not self.seen:
            return None
        account = Accountant(kept=ALL)
        for grant in self.grants:
            account.on_grant(grant)
        for name, (begun, power) in self.runs.items():
            account.on_run(name, begun, power)
        for receipt in self.receipts:
            account.on_receipt(receipt)
        worst = account.violations()[:1]
        made: dict[str, Any] = plain(account.to_mapping())
        return made | {
            "grants": len(self.grants), "grants_unreadable": self.unreadable, "receipts": len(self.receipts),
            "granted_J": sum(g.energy for g in self.grants),
            "first_violation": [f"{v.kind} {v.taken:.6g} above {v.allowed:.6g} at {v.time:.2f} s" for v in worst],
        }  # fmt: skip


def _receipt(row: Any, texts: dict[str, str]) -> Receipt:
    code, outcome = int(row["provenance.value"]), int(row["outcome"])
    energy = Energy(float(row["energy"]), Provenance(code) if code in tuple(Provenance) else Provenance.UNKNOWN)
    stamp, latency = _seconds(row, "stamp"), float(row["latency"])
    lasted = latency if math.isfinite(latency) and latency > 0.0 else math.nan
    return Receipt(
        stamp, texts.get("request_id", ""), texts.get("task", ""), texts.get("variant", ""),
        Outcome(outcome) if outcome in tuple(Outcome) else Outcome.FAILED, energy, int(row["grant_sequence"]),
        float(row["energy_quoted"]), stamp - lasted, latency, energy.joules / lasted, quality=float(row["quality_estimate"]),
    )  # fmt: skip
