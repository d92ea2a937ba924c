"""`rover-energy infer ask`: a question about what happened, answered from a bag by the log analyst."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from rover_energy.cli.arguments import SOURCE, AsJson, Quiet
from rover_energy.errors import EXIT_FAILED, EXIT_LOSS, InputError


def ask(
    bag: Annotated[Path, typer.Argument(help="Folder of a rosbag2, .mcap or .db3 file, or audit.json of one", metavar="BAG")],
    question: Annotated[str, typer.Argument(help="One English sentence", metavar="QUESTION")],
    store: Annotated[
        Path | None,
        typer.Option("--store", help="variants.yaml with the analyst; without it every module works at its high tier"),
    ] = None,
    joules: Annotated[float, typer.Option("--joules", help="Most that it may take [J]; with --store", metavar="J")] = math.inf,
    level: Annotated[str, typer.Option("--level", help="What is good enough: saving, balanced or full")] = "full",
    plan: Annotated[Path | None, typer.Option("--plan", help="Folder of the plan that was driven", metavar="DIR")] = None,
    lines: Annotated[Path | None, typer.Option("--lines", help="Write the event log, too", metavar="FILE")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Answer a question about a recorded drive: powers, charge, loads, limits, stalls, faults, as the audit finds them.

    Understood are: highest, lowest, average, latest and first values, energies, values at a time, how often and when something
    happened, what happened; each since, until or between times in seconds from the beginning of the bag.

    **Example:** rover-energy infer ask drive/bag "what was the highest power of the motors since 20 s"

    **Exit codes:** 0 answered, 1 the log does not say, 2 usage, unusable input or a question about nothing in the log,
    3 answered, but parts of the bag are lost.
    """
    if not joules > 0.0:
        raise InputError(SOURCE, "--joules", "is not above 0 J", "give the most that the answer may take", joules)
    if math.isfinite(joules) and store is None:
        raise InputError(SOURCE, "--joules", "needs --store", "name the store with the analyst, or leave --joules out")

    from rover_energy.cli.output import Console
    from rover_energy.inference.analyst import UNTAUGHT
    from rover_energy.inference.log_entries import entries_of_audit
    from rover_energy.inference.log_questions import read_question

    console = Console(as_json=as_json, quiet=quiet)
    read_question(question)
    analyst = UNTAUGHT if store is None else taught(store)
    if level not in analyst.thresholds:
        raise InputError(SOURCE, "--level", "is unknown", f"use one of {', '.join(analyst.thresholds)}", level)
    with console.progress(1) as step:
        step("reading")
        audit = read_audit(bag, plan)
    log = [entry.line() for entry in entries_of_audit(audit)]
    if lines is not None:
        try:
            lines.write_text("\n".join(log) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(str(lines), "--lines", error.strerror or "cannot be written", "check the path") from None
    found = analyst.ask(log, question, level=level, limit=joules)
    known = math.isfinite(found.value)
    data = {
        "question": question, "answer": found.text, "value": found.value if known else None, "confidence": found.confidence,
        "evidence": list(found.evidence), "tiers": found.tiers, "lines": len(log), "energy_J": found.energy,
        "energy_provenance": "cpu_time_model", "lost": audit["loss"]["any"],
    }  # fmt: skip
    console.result(data, "\n".join([found.text, *(f"  {line}" for line in found.evidence)]))
    if audit["loss"]["any"]:
        console.say("rover-energy: parts of the bag are lost, so the answer may miss something; see rover-energy audit")
        raise typer.Exit(EXIT_LOSS)
    if not known:
        raise typer.Exit(EXIT_FAILED)


def taught(store: Path) -> Any:
    """The analyst of a store. Raises InputError when there is none."""
    from rover_energy.inference.analyst import TASK, read_analyst
    from rover_energy.inference.store import read_store

    path = store / "variants.yaml" if store.is_dir() else store
    made = read_store(path)
    return read_analyst(path.parent / made.of_task(TASK)[0].artefact)


def read_audit(path: Path, plan: Path | None) -> dict[str, Any]:
    """The audit of a bag, or one that was written before. Raises InputError."""
    if path.suffix == ".json":
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                str(path), "audit", f"cannot be read ({error})", "give a bag, or audit.json of rover-energy audit"
            ) from None
        if not isinstance(data, dict) or not {"series", "events", "compliance", "topics", "faults", "loss"} <= set(data):
            raise InputError(str(path), "audit", "is no audit", "give a bag, or audit.json of rover-energy audit")
        return data

    from rover_energy.cli.audit import descriptions
    from rover_energy.telemetry.bag import open_bag
    from rover_energy.telemetry.run_audit import audit_bag

    rover, body, _ = descriptions(plan, None, None, None)
    return audit_bag(open_bag(path), rover=rover, body=body)
