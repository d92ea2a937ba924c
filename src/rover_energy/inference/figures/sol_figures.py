"""Figures of grants and manager as a whole, over a generated sol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rover_energy.inference.accountant import quote_error, violations
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.receipts import Outcome
from rover_energy.inference.sol import SOL, TASKS, Sol, SolResult, random_store, world, write_script
from rover_energy.inference.sol_oracle import fixed_stores, upper_bound

PART = 0.5 * SOL  # [s] over which the fixed choices are compared, from midnight to noon


def hazards_in_time(result: SolResult) -> float:
    """Share of the hazard requests that were answered within their deadline [%]."""
    asked = [r for r in result.receipts if r.task == "hazard"]
    patience = TASKS["hazard"][2]
    return 100.0 * sum(r.outcome is Outcome.COMPLETED and r.latency <= patience for r in asked) / max(1, len(asked))


def sol_facts(seed: int, *, seconds: float = SOL, share: float = 1.0) -> dict[str, Any]:
    """What one sol came to, against the bound of all schedules."""
    p, store = world(seconds=seconds, grant_share=share), random_store(seed)
    script = write_script(p, seed)
    result = Sol.of(p, script, store).run()
    bound = upper_bound(script, result.grants, store, p.floor, p.policy.period)
    found = violations(result.grants, result.receipts, p.floor)
    return {
        "requests": len(script.requests), "violations": len(found), "worth": result.worth, "bound": bound,
        "worth_of_bound_percent": 100.0 * result.worth / bound, "hazards_in_time_percent": hazards_in_time(result),
        "deferrable_on_surplus_percent": 100.0 * result.surplus_share, "unserved_J": result.unserved,
        "taken_J": sum(r.energy.joules for r in result.receipts if r.energy.metered), "quote_error": quote_error(result.receipts),
    }  # fmt: skip


def against_fixed(seed: int) -> float:
    """Worth of the manager over that of the best choice of one variant per task [-]."""
    p, store = world(seconds=PART), random_store(seed)
    script = write_script(p, seed)
    own = Sol.of(p, script, store).run().worth
    return own / max(Sol.of(p, script, fixed).run().worth for _, fixed in fixed_stores(store))


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    found = [sol_facts(seed) for seed in seeds]
    cut = [sol_facts(seed, share=0.1) for seed in seeds]
    kind = "generated world"
    column = {name: tuple(float(f[name]) for f in found) for name in found[0]}
    above = tuple(float(f["violations"] + c["violations"]) for f, c in zip(found, cut, strict=True))
    return [
        Figure("grants", "windows of 60 s or instants above a grant, two sols", above, 0.0, False, kind),
        Figure("grants", "worth of the bound of all schedules [%]", column["worth_of_bound_percent"], 90.0, True, kind),
        Figure("grants", "worth over the best fixed choice", tuple(map(against_fixed, seeds)), 1.0, True, kind),
        Figure(
            "grants", "hazards in time with a tenth of the grants [%]", tuple(c["hazards_in_time_percent"] for c in cut), 99.0,
            True, kind,
        ),
        Figure("grants", "deferrable energy taken on surplus [%]", column["deferrable_on_surplus_percent"], 50.0, True, kind),
        Figure("grants", "energy that the bus could not serve [J]", column["unserved_J"], 0.0, False, kind),
    ]  # fmt: skip
