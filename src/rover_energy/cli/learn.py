"""`rover-energy infer learn`: a better network for a place within a budget of joules, by labels or by distillation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, check_number
from rover_energy.errors import EXIT_LOSS, InputError

METHODS = ("auto", "annotate", "distil")


def learn(
    out: Annotated[Path, typer.Option("--out", help="Folder for variants.yaml, the network and its account", metavar="DIR")],
    budget: Annotated[float, typer.Option("--budget", help="Most that labels and computing may take [J]", metavar="J")],
    task: Annotated[str, typer.Option("--task", help="What to learn")] = "terrain_class",
    label_energy: Annotated[
        float, typer.Option("--label-energy", help="Price of one label: downlink, uplink, listening [J]", metavar="J")
    ] = 30.0,
    method: Annotated[str, typer.Option("--method", help="auto, annotate or distil")] = "auto",
    school: Annotated[
        Path | None, typer.Option("--school", help="Teacher, student and curves; default: made in DIR/school", metavar="DIR")
    ] = None,
    ground: Annotated[
        Path | None, typer.Option("--ground", help="Patches of the place (.npz); default: a generated place", metavar="FILE")
    ] = None,
    grant: Annotated[
        float, typer.Option("--grant", help="Stop when computing has taken so much in this run, the state kept [J]", metavar="J")
    ] = math.inf,
    slices: Annotated[float, typer.Option("--slice", help="Energy of one slice of work [J]", metavar="J")] = 6.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the place, and of training", metavar="N")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Learn at a place: ask for labels, distil from a larger network, or both, whichever promises most within the budget.

    Work is done in slices; after each its state is on disk, and the same command goes on from there. Joules of computing are
    processor time times a declared power, those of labels their declared price; account.json holds both, apart.

    **Example:** rover-energy infer learn --task terrain_class --budget 2000 --label-energy 30 --out learnt

    **Exit codes:** 0 clean, 1 no way does anything within the budget, 2 usage or torch is missing, 3 the grant ended first.
    """
    check_number(seed, "--seed", 0, 2**31 - 1, "")
    check_number(budget, "--budget", 1e-3, 1e12, "J")
    check_number(label_energy, "--label-energy", 0.0, 1e9, "J")
    check_number(grant, "--grant", 1e-3, math.inf, "J")
    check_number(slices, "--slice", 0.1, 1e6, "J")
    if method not in METHODS:
        raise InputError(SOURCE, "--method", "is unknown", f"use one of {', '.join(METHODS)}", method)

    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder
    from rover_energy.inference.distil_or_annotate import Method
    from rover_energy.inference.learning.distil import Goal, Job
    from rover_energy.inference.learning.school import FILES, build_learning, generated_ground, read_ground, read_school

    goal = Goal(task, Method.NONE if method == "auto" else Method(method), budget, label_energy, seed)
    console, folder = Console(as_json=as_json, quiet=quiet), school or out / "school"
    place = generated_ground(seed) if ground is None else read_ground(ground)
    if school is None and not (folder / FILES["curves"]).exists():
        console.say(f"training teacher and student in the simulator, on the ground, into {folder}")
        with ResultFolder(folder) as results, console.progress(2) as step:
            build_learning(results.staging, seed, step)
            results.publish(last=FILES["curves"])
    job = Job(goal, read_school(folder), place, out)
    spent, count = 0.0, max(1, round(job.decision.energy / slices))
    with console.progress(count) as step:
        while job.learnt is None and spent < grant:
            step(f"{job.stage}, {job.energy:.0f} of {budget:g} J")
            spent += job.slice(min(slices, grant - spent))
    console.result(facts(job))
    if job.learnt is None:
        console.say(f"stopped while {job.stage}: the grant of {grant:g} J is used up; the same command goes on")
        raise typer.Exit(EXIT_LOSS)


def facts(job: Any) -> dict[str, Any]:
    """What was done, or how far it is."""
    decision, learnt = job.decision, job.learnt
    known = {
        "method": decision.method.value, "labels": decision.labels, "expected_quality": decision.quality,
        "expected_energy_J": decision.energy, "break_even_label_J": decision.break_even, "energy_J": job.energy,
        **{f"{p.name.lower()}_J": joules for p, joules in job.total.joules.items()}, "stage": job.stage,
        "done": learnt is not None,
    }  # fmt: skip
    if learnt is None:
        return known
    return {
        **known, "variant": learnt.variant.name, "quality_before": learnt.quality_before, "quality": learnt.variant.quality,
        "cut_short": learnt.short, "file": str(job.folder / "variants.yaml"),
    }  # fmt: skip
