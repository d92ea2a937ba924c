"""Many seeded problems: accepted, refused, fallen back, and what a second evaluator says of every accepted plan.

Every plan is written as `plan.json` would be and judged by `evaluator.py`, which shares nothing with the planner. Refused
problems are searched again, long and by two methods (`feasibility.py`); the success rate counts the problems that have a
solution.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from common import parse, parser, progress, quantiles, table, write_json
from evaluator import Ground, Opinion, opinion
from feasibility import evidence
from problems import MARS_WORLDS, SETTINGS, Problem, make_problem, problems, world_names

from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.worker import SolverProcess

SLOW = 0.5  # [s] of a whole plan, worth a look


@dataclass
class Result:
    """What became of one problem."""

    key: str
    setting: str
    seconds: float
    status: str  # "optimal", "feasible", "fallback" or the reason of the refusal
    constraint: str = ""
    detail: str = ""
    duration: float = 0.0
    certified_peak: float = 0.0
    opinion: Opinion | None = None
    feasible: str = ""

    @property
    def accepted(self) -> bool:
        return self.status in ("optimal", "feasible", "fallback")


class Judge:
    """Second opinions, with the filtered ground of each world kept."""

    def __init__(self) -> None:
        self._grounds: dict[tuple[int, int], Ground] = {}

    def __call__(self, problem: Problem, plan: PlannedTraverse) -> Opinion:
        world = problem.world
        key = (id(world.terrain), id(world.environment))
        if key not in self._grounds:
            self._grounds[key] = Ground.of(world.terrain, world.environment, world.rover.footprint, world.keep_outs)
        data = json.loads(json.dumps(plan.to_plan(world).to_mapping()))
        return opinion(data, self._grounds[key], problem.goal)


def attempt(problem: Problem, solver: SolverProcess, judge: Judge) -> Result:
    """Plan one problem and have the plan judged."""
    began = time.perf_counter()
    try:
        plan = plan_traverse(problem.world, problem.start, problem.goal, solver=solver, seconds=20.0)
    except Refusal as refusal:
        spent = time.perf_counter() - began
        return Result(problem.key, problem.setting, spent, refusal.reason, refusal.binding.constraint, str(refusal)[:300])
    except Exception as error:  # whatever else comes out is a defect of the planner, to be counted
        spent = time.perf_counter() - began
        return Result(problem.key, problem.setting, spent, "error", type(error).__name__, str(error)[:300])
    spent = time.perf_counter() - began
    notes = "; ".join(plan.facts.get("notes", []))
    return Result(
        problem.key, problem.setting, spent, plan.status, detail=notes[:300], duration=plan.duration,
        certified_peak=plan.certificate.peak_power, opinion=judge(problem, plan),
    )  # fmt: skip


def run(chosen: Iterable[Problem], total: int, *, seconds: float) -> list[Result]:
    """All problems; refused ones are searched with OMPL for so many seconds."""
    judge, results = Judge(), []
    with SolverProcess() as solver:
        warm: set[str] = set()
        for problem in progress(chosen, total, "campaign"):
            if problem.setting not in warm:  # compiles and loads what it needs, which is not to be timed
                warm.add(problem.setting)
                attempt(problem, solver, judge)
            result = attempt(problem, solver, judge)
            if not result.accepted:
                result.feasible = evidence(problem, seconds=seconds)
            results.append(result)
    return results


def summary(results: Sequence[Result]) -> str:
    """The table by setting, the worst of all, and the lists."""
    rows = [_row(s, [r for r in results if r.setting == s]) for s in dict.fromkeys(r.setting for r in results)]
    columns = (
        "setting",
        "problems",
        "optimal",
        "fallback",
        "refused",
        "of these feasible",
        "success %",
        "faults",
        "ms median",
        "ms 95 %",
    )
    parts = [table(columns, [*rows, _row("all", results)], "campaign: success is of the problems with a known solution")]
    parts += [_worst([r for r in results if r.opinion is not None])]
    reasons = Counter(f"{r.status} ({r.constraint})" for r in results if not r.accepted)
    parts += ["refusals by reason: " + (", ".join(f"{name} {count}" for name, count in reasons.most_common()) or "none")]
    for title, chosen in (
        ("accepted, but broken by the second opinion", [r for r in results if r.opinion is not None and r.opinion.faults]),
        ("refused, but feasible", [r for r in results if r.feasible]),
        ("fallback", [r for r in results if r.status == "fallback"]),
        (f"slower than {SLOW} s", [r for r in results if r.seconds > SLOW]),
    ):
        parts += [f"{title}: {len(chosen)}", *(f"  {_line(r)}" for r in chosen)]
    return "\n".join(parts)


def _row(name: str, results: Sequence[Result]) -> list[Any]:
    accepted = [r for r in results if r.accepted]
    lost = sum(bool(r.feasible) for r in results)
    success = 100.0 * len(accepted) / max(1, len(accepted) + lost)
    broken = sum(bool(r.opinion and r.opinion.faults) for r in accepted)
    fallback = sum(r.status == "fallback" for r in accepted)
    times = quantiles([1e3 * r.seconds for r in accepted])
    return [
        name, len(results), len(accepted) - fallback, fallback, len(results) - len(accepted), lost, success, broken, *times[:2],
    ]  # fmt: skip


def _worst(results: Sequence[Result]) -> str:
    """Largest of each excess over all accepted plans."""
    opinions = [(r.key, r.opinion, r.certified_peak) for r in results if r.opinion is not None]
    if not opinions:
        return "no plan was accepted"
    rows: list[tuple[str, float, str, str]] = []
    for name in opinions[0][1].excess:
        key, o, _ = max(opinions, key=lambda item: item[1].excess[name])
        rows.append((f"{name} over its limit", o.excess[name], "%", key))
    singles = {
        "battery below its floor": ("below_floor", "J"), "energy over its budget": ("over_budget", "%"),
        "ledger": ("ledger", "relative"), "goal missed by": ("goal_error", "m, rad"), "jump at a joint": ("jump", "SI"),
        "into a keep-out": ("keep_out", "m"),
    }  # fmt: skip
    for title, (field, unit) in singles.items():
        key, o, _ = max(opinions, key=lambda item: getattr(item[1], field))
        rows.append((title, getattr(o, field), unit, key))
    key, o, peak = max(opinions, key=lambda item: abs(item[1].peak_power - item[2]))
    rows.append(("peak against the certificate's", abs(o.peak_power - peak), "W", key))
    samples = sum(o.samples for _, o, _ in opinions)
    return table(("worst of all accepted plans", "value", "unit", "problem"), rows, f"second opinion: {samples} instants")


def _line(result: Result) -> str:
    faults = ", ".join(result.opinion.faults) if result.opinion else ""
    found = f"feasible by {result.feasible}" if result.feasible else ""
    return " | ".join(
        part for part in (result.key, result.status, f"{result.seconds:.2f} s", faults, found, result.detail) if part
    )


def main(argv: Sequence[str] | None = None) -> list[Result]:
    """Command line."""
    arguments = parser(__doc__, problems=500, quick=6)
    arguments.add_argument("--ompl-seconds", type=float, default=10.0, help="for each OMPL run on a refused problem")
    arguments.add_argument("--only", metavar="WORLD/SETTING/NUMBER", nargs="+", help="these problems again, by their names")
    arguments.add_argument("--worlds", nargs="+", default=None, help="of: generated-N, marsyard, aristarchus")
    arguments.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    options = parse(arguments, argv)
    worlds = options.worlds or (MARS_WORLDS[:1] if options.quick else world_names())
    if options.only:
        chosen: Iterable[Problem]
        named = [key.split("/") for key in options.only]
        chosen, total = (make_problem(w, s, int(n), options.seed) for w, s, n in named), len(named)
    else:
        chosen, total = problems(options.problems, options.seed, settings=options.settings, worlds=worlds), options.problems
    results = run(chosen, total, seconds=min(1.0, options.ompl_seconds) if options.quick else options.ompl_seconds)
    print(summary(results))
    write_json(options.json, "campaign", options.seed, [asdict(r) for r in results])
    return results


if __name__ == "__main__":
    main()
