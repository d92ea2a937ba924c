"""`rover-energy infer`: networks on the bus: their variants, their figures, a sol of grants, footprints of training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet, check_number
from rover_energy.cli.ask import ask
from rover_energy.cli.fuel_cell import fuel_cell
from rover_energy.cli.learn import learn
from rover_energy.errors import EXIT_FAILED, InputError

app = typer.Typer(
    help="Neural networks as loads on the bus: variants, grants, figures.", no_args_is_help=True, rich_markup_mode="markdown"
)
app.command()(ask)
app.command()(learn)
app.command("fuel-cell")(fuel_cell)

Seeds = Annotated[str, typer.Option("--seeds", help="Seeds of everything random, comma-separated", metavar="N,N,...")]
Store = Annotated[Path, typer.Argument(help="YAML or JSON file with variants", metavar="FILE")]


def read_seeds(text: str) -> list[int]:
    """Seeds from '0,1,2'. Raises InputError."""
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(SOURCE, "--seeds", "is not a list of whole numbers", "write for example 0,1,2", text) from None
    if not all(0 <= seed < 2**31 for seed in seeds) or len(set(seeds)) != len(seeds):
        raise InputError(SOURCE, "--seeds", "holds a seed twice or out of 0 .. 2147483647", "give each once", text)
    return seeds


@app.command()
def table(
    systems: Annotated[list[str] | None, typer.Argument(help="Which systems; default all", metavar="SYSTEM")] = None,
    seeds: Seeds = "0,1,2",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compute the acceptance figures, each over the seeds and beside its honest baseline, and print them as one table.

    Whatever needs a network is trained here and now: all systems over three seeds take the better part of an hour.

    **Example:** rover-energy infer table cascade tiers --seeds 0,1,2

    **Exit codes:** 0 every figure is reached, 1 one is not, 2 usage.
    """
    from dataclasses import asdict

    from rover_energy.cli.output import Console, table
    from rover_energy.inference.figures.figure import SYSTEMS, TITLES, comparable, compute

    console, chosen, numbers = Console(as_json=as_json, quiet=quiet), list(systems or []), read_seeds(seeds)
    with console.progress(len(chosen) or len(SYSTEMS)) as step:
        found = compute(chosen, numbers, step)
    data = [{**asdict(figure), "reached": figure.reached} for figure in found]
    text = table(TITLES, [figure.row() for figure in found], left=2)
    papers = "\n".join(("what the papers show, and whether it can be compared:", *comparable(found)))
    console.result({"seeds": numbers, "figures": data}, f"seeds: {seeds}\n{text}\n\n{papers}")
    bounded = [figure for figure in found if abs(figure.wanted) < float("inf")]
    if not all(figure.reached for figure in bounded):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def store(file: Store, task: Annotated[str, typer.Option("--task", help="Only this task")] = "", as_json: AsJson = False) -> None:
    """Check a store of variants and its artefacts, and list it.

    **Example:** rover-energy infer store variants.yaml

    **Exit codes:** 0 clean, 2 unusable store.
    """
    from rover_energy.cli.output import Console, table
    from rover_energy.inference.store import read_store
    from rover_energy.parameters import to_mapping

    made = read_store(file)
    if task:
        made.of_task(task)
    chosen = [v for v in made if not task or v.task == task]
    fronts = {v.name for t in made.tasks for v in made.front(t)}
    titles = ("variant", "task", "precision", "quality", "energy [J]", "peak [W]", "latency [s]", "bytes", "provenance", "front")
    rows = [
        (
            v.name + (" (floor)" if v.floor else ""), v.task, v.precision,
            f"{v.quality:.3f} [{v.quality_low:.3f}, {v.quality_high:.3f}]", f"{v.energy:.3g}" if v.priced else "unmetered",
            f"{v.peak_power:.3g}", f"{v.latency:.3g}", str(v.size), v.energy_provenance, "yes" if v.name in fronts else "",
        )
        for v in chosen
    ]  # fmt: skip
    Console(as_json=as_json).result({"variants": [to_mapping(v) for v in chosen]}, table(titles, rows, left=3))


@app.command()
def sol(
    seed: Annotated[int, typer.Option("--seed", help="Of light, drives, requests and variants", metavar="N")] = 0,
    hours: Annotated[float, typer.Option("--hours", help="Length, from midnight [h]")] = 24.66,
    share: Annotated[float, typer.Option("--share", help="Of the usual grants, 0 to 1")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Play a generated sol of sun, shadow, drives, grants and requests, and audit what was taken.

    **Example:** rover-energy infer sol --seed 3 --share 0.1

    **Exit codes:** 0 nothing was above its grant, 1 something was, 2 usage.
    """
    check_number(seed, "--seed", 0, 2**31 - 1, "")
    check_number(hours, "--hours", 0.2, 1000.0, "h")
    check_number(share, "--share", 0.0, 1.0, "")

    from rover_energy.cli.output import Console
    from rover_energy.inference.figures.sol_figures import sol_facts

    facts = sol_facts(seed, seconds=3600.0 * hours, share=share)
    Console(as_json=as_json).result({"seed": seed, **facts})
    if facts["violations"]:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def footprint(
    file: Annotated[Path, typer.Argument(help="YAML file with computations: [{name, seconds, cores, ...}]", metavar="FILE")],
    version: Annotated[str, typer.Option("--constants", help="Version of the constants: v1.0, v2.2 or v3.0")] = "v3.0",
    as_json: AsJson = False,
) -> None:
    """Energy and carbon of training on the ground, by Green Algorithms with pinned constants.

    **Example:** rover-energy infer footprint trainings.yaml --constants v3.0

    **Exit codes:** 0 clean, 2 unusable input.
    """
    from rover_energy.cli.output import Console, table
    from rover_energy.inference.footprint import ATTRIBUTION, Computation, GroundLedger
    from rover_energy.parameters import from_mapping, read_yaml

    data = read_yaml(file)
    if not isinstance(data, dict) or not isinstance(data.get("computations"), list):
        raise InputError(str(file), "computations", "is not a list", "write 'computations: [{name: ..., seconds: ...}]'")
    ledger = GroundLedger(version)
    for i, entry in enumerate(data["computations"]):
        ledger.add(from_mapping(Computation, entry, str(file), f"computations[{i}]."))
    made = ledger.to_mapping()
    rows = [(c["name"], f"{c['kWh']:.6g}", f"{c['carbon_g']:.6g}", f"{c['tree_months']:.4g}") for c in made["computations"]]
    rows.append(("total", f"{made['kWh']:.6g}", f"{made['carbon_g']:.6g}", ""))
    text = table(("computation", "kWh", "g CO2e", "tree-months"), rows, left=1)
    Console(as_json=as_json).result(made, f"{text}\nconstants {version}: {ATTRIBUTION}")


@app.command()
def build(
    out: Annotated[Path, typer.Option("--out", help="Folder for variants.yaml and the networks", metavar="DIR")],
    seed: Annotated[int, typer.Option("--seed", help="Of data and training", metavar="N")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Only the smallest terrain classifier, in seconds")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train all networks, compress them, meter every variant on this machine and write the store with its model cards.

    The same seed gives the same data, weights and qualities; energies are metered anew. They are processor time times a declared
    power, or counted operations times published energies; each says which.

    **Example:** rover-energy infer build --seed 0 --out variants

    **Exit codes:** 0 clean, 2 unusable input or torch is missing.
    """
    check_number(seed, "--seed", 0, 2**31 - 1, "")

    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder
    from rover_energy.inference.learning.build import STEPS, build_store

    console = Console(as_json=as_json, quiet=quiet)
    with ResultFolder(out) as results, console.progress(STEPS) as step:
        made = build_store(results.staging, seed, step, quick=quick)
        results.publish(last="variants.yaml")
    console.result({"file": str(out / "variants.yaml"), "variants": [v.name for v in made]})
