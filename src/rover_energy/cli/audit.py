"""`rover-energy audit`: bags in, ledger, compliance, report and tables out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, OutFolder, Quiet, check_number

if TYPE_CHECKING:
    from rover_energy.cli.output import Console

LOST, BROKEN = "lost", "broken"


def audit(
    bags: Annotated[
        list[Path], typer.Argument(help="Bags: folders of rosbag2, .mcap or .db3 files; or folders of bags", metavar="BAG...")
    ],
    out: OutFolder,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="Folder of the plan that was driven: its rover.yaml and mission.yaml", metavar="DIR"),
    ] = None,
    rover: Annotated[
        Path | None,
        typer.Option("--rover", help="rover.yaml, for the model and the limits of motion; else none is told", metavar="FILE"),
    ] = None,
    mission: Annotated[
        Path | None, typer.Option("--mission", help="mission.yaml: the body whose gravity counts", metavar="FILE")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--map", help="YAML file that says which topic means what (see docs/formats.md)", metavar="FILE"),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes for many bags", metavar="N")] = 2,
    cluster: Annotated[
        str,
        typer.Option(
            "--dask",
            help="Address of a running Dask scheduler that shares this disk; without it local processes",
            metavar="ADDRESS",
        ),
    ] = "",
    tables: Annotated[bool, typer.Option(help="Write the Parquet tables")] = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read bags, whole or damaged, and say what was spent, on what, and whether a limit was broken. Needs no ROS.

    One bag gives report.html, audit.json and tables/ (Parquet). Several bags, or folders of bags, give that for each in bags/,
    and runs.parquet and archive.duckdb over all of them.

    **Example:** rover-energy audit drive/bag --plan traverse --out morning

    **Exit codes:** 0 everything was read and every limit was kept, 1 a limit of power or energy was broken, 2 unusable input,
    3 done, but bytes or messages of a bag were lost or windows are missing (and counted).
    """
    check_number(workers, "--workers", 1, 256, "")

    from rover_energy.cli.output import Console
    from rover_energy.telemetry.campaign import Job, find_bags

    console = Console(as_json=as_json, quiet=quiet)
    job = Job(*descriptions(plan, rover, mission, mapping), tables=tables)
    found = find_bags(bags)
    if len(found) == 1 and len(bags) == 1 and found[0] == bags[0]:
        _one(console, found[0], job, out)
    else:
        _many(console, found, job, out, workers, cluster)


def descriptions(plan: Path | None, rover: Path | None, mission: Path | None, mapping: Path | None) -> tuple[Any, str, Any]:
    """Rover or None, body, mapping. Raises InputError."""
    from rover_energy.errors import InputError
    from rover_energy.mission import MissionParameters
    from rover_energy.parameters import load_yaml
    from rover_energy.rover import RoverParameters
    from rover_energy.telemetry.topic_mapping import read_mapping

    if plan is not None:
        if not plan.is_dir():
            raise InputError(str(plan), "--plan", "is not a folder", "give one written by rover-energy plan")
        rover, mission = rover or plan / "rover.yaml", mission or plan / "mission.yaml"
    described = load_yaml(RoverParameters, rover) if rover is not None else None
    body = load_yaml(MissionParameters, mission).site.body if mission is not None else "moon"
    return described, body, read_mapping(mapping) if mapping is not None else None


def _one(console: Console, path: Path, job: Any, out: Path) -> None:
    from rover_energy.cli.output import plain

    result, summary = audit_into(console, path, job, out)
    console.result(plain(summary), "\n".join(_lines(result, out)))
    _end(console, str(summary["verdict"]), result["loss"])


def audit_into(console: Console, path: Path, job: Any, out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Audit one bag into a folder; the whole result and its summary."""
    from rover_energy.cli.results import ResultFolder
    from rover_energy.telemetry.campaign import judge, summary_of

    with ResultFolder(out) as results, console.progress(2) as step:
        step("reading")
        result = write_audit(path, job, results.staging)
        step("writing")
        _move_tables(results.staging, out)
        results.publish(last="audit.json")
    return result, summary_of(result) | {"verdict": judge(result), "report": str(out / "report.html")}


def write_audit(path: Path, job: Any, folder: Path, name: str = "") -> dict[str, Any]:
    """Audit one bag and write everything about it into a folder; `name` stands for it in the tables."""
    import json

    from rover_energy.cli.output import plain
    from rover_energy.report.audit_page import audit_page, read_picture

    result = job.audit(path, folder / "tables" if job.tables else None, name)
    data: dict[str, Any] = plain(result)
    (folder / "audit.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    place = path if path.is_dir() else path.parent
    (folder / "report.html").write_text(audit_page(data, picture=read_picture(place)), encoding="utf-8")
    return data


def _move_tables(staging: Path, out: Path) -> None:
    """A folder of an earlier audit gives way to the new one."""
    import shutil

    if (staging / "tables").is_dir() and (out / "tables").exists():
        shutil.rmtree(out / "tables")


def _lines(result: dict[str, Any], out: Path) -> list[str]:
    """What people want to know at once."""
    from rover_energy.cli.output import facts
    from rover_energy.telemetry.campaign import summary_of

    shown = {key: value for key, value in summary_of(result).items() if key not in ("faults", "bag")}
    lines = [facts(shown)]
    lines += [f"{fault['severity']:<8} {fault['subject']}: {fault['text']}" for fault in result["faults"][:12]]
    return [*lines, f"open {out / 'report.html'} in a browser"]


def _end(console: Console, verdict: str, loss: dict[str, Any]) -> None:
    from rover_energy.errors import EXIT_FAILED, EXIT_LOSS

    if verdict == LOST:
        console.say(f"rover-energy: done with loss: {loss['words']}; see audit.json")
        raise typer.Exit(EXIT_LOSS)
    if verdict == "missing":
        console.say("rover-energy: done with loss: windows of the power meter are missing or could not be judged; see audit.json")
        raise typer.Exit(EXIT_LOSS)
    if verdict == BROKEN:
        console.say("rover-energy: a limit of power or energy was broken; the report says when and by how much")
        raise typer.Exit(EXIT_FAILED)


def _many(console: Console, found: list[Path], job: Any, out: Path, workers: int, cluster: str) -> None:
    from rover_energy.errors import EXIT_FAILED, EXIT_LOSS
    from rover_energy.telemetry.archive import build_archive
    from rover_energy.telemetry.campaign import run_campaign

    with console.progress(len(found)) as step:
        runs = run_campaign(found, job, out, write_audit, workers=workers, cluster=cluster, tell=step)
    build_archive(out, runs)
    kinds = ("clean", "unjudged", BROKEN, LOST, "missing", "failed")
    count = {kind: sum(run["verdict"] == kind for run in runs) for kind in kinds}
    console.result({"bags": len(runs), **count, "energy_J": sum(run["energy_J"] or 0.0 for run in runs),
                    "messages": sum(run["messages"] or 0 for run in runs), "archive": str(out / "archive.duckdb")})  # fmt: skip
    for run in runs:
        if run["verdict"] == "failed":
            console.say(f"rover-energy: {run['error']}")
    if count[LOST] + count["missing"] + count["failed"]:
        raise typer.Exit(EXIT_LOSS)
    if count[BROKEN]:
        raise typer.Exit(EXIT_FAILED)
