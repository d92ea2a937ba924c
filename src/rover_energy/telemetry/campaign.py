"""Audits of many bags at once, on this machine or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.bag import is_bag, open_bag
from rover_energy.telemetry.extras import need
from rover_energy.telemetry.run_audit import audit_bag
from rover_energy.telemetry.topic_mapping import Mapping

DEEPEST = 6  # folders below the one that was named


@dataclass(frozen=True)
class Job:
    """What every bag of a campaign is audited with."""

    rover: RoverParameters | None = None
    body: str = "moon"
    mapping: Mapping | None = None
    tables: bool = True

    def audit(self, path: Path, tables: Path | None, name: str = "") -> dict[str, Any]:
        """Audit one bag. Raises InputError."""
        return audit_bag(open_bag(path), mapping=self.mapping, rover=self.rover, body=self.body, tables=tables, name=name)


def find_bags(paths: list[Path]) -> list[Path]:
    """Bags among the paths and in the folders below them, each once. Raises InputError when a path holds none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(str(path), "bag", "is not there", "check the path")
        below = [path] if is_bag(path) or path.is_file() else list(_below(path, DEEPEST))
        if not below:
            raise InputError(str(path), "bag", "holds no .mcap and no .db3 file", "give a bag of ROS 2 or a folder of bags")
        found += below
    return list(dict.fromkeys(found))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
            if is_bag(child):
                yield child
            elif depth:
                yield from _below(child, depth - 1)


def judge(result: dict[str, Any]) -> str:
    """clean, broken (a limit of power or energy), missing (windows that could not be judged), unjudged (nothing says what power
    was available) or lost (data of the bag)."""
    c = result["compliance"]
    if result["loss"]["any"]:
        return "lost"
    if c["limits_kept"] is False:
        return "broken"
    if c["missing"] + c["unusable"] + c["disordered"]:
        return "missing"
    return "unjudged" if c["passed"] is None else "clean"


def summary_of(result: dict[str, Any]) -> dict[str, Any]:
    """The figures of a run as one flat row."""
    bag, e, c, loss = result["bag"], result["energy"], result["compliance"], result["loss"]
    drive = result["model"]["loads"].get("drive", {})
    return {
        "bag": bag["name"], "verdict": judge(result), "duration_s": bag["duration"], "messages": bag["messages"],
        "energy_J": e["consumed_J"], "generated_J": e["generated_J"], "peak_power_W": c["peak_W"],
        "least_power_margin_W": c["least_margin_W"], "windows": c["windows"], "windows_over": c["over"],
        "windows_missing": c["missing"] + c["unusable"] + c["disordered"], "seconds_over": c["seconds_over"],
        "over_J": c["joules_over"], "end_charge": result["battery"].get("end_charge"),
        "least_battery_margin_J": result["battery"].get("least_margin_J"),
        "distance_m": (result["motion"] or {}).get("distance_m"), "ledger_closure": e["closure"],
        "model_difference": drive.get("relative"), "lost_bytes": loss["bytes"], "lost_chunks": loss["chunks"],
        "lost_messages": loss["messages"], "faults": len(result["faults"]),
    }  # fmt: skip


def failed_row(name: str, error: str) -> dict[str, Any]:
    """The row of a bag that could not be audited at all."""
    return {"bag": name, "verdict": "failed", "energy_J": None, "messages": None, "error": error}


Writer = Callable[[Path, Job, Path, str], dict[str, Any]]


def audit_into(path: Path, name: str, job: Job, folder: Path, write: Writer) -> dict[str, Any]:
    """One bag of a campaign: written into its own folder, its row returned. An unusable bag becomes a row, too."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return summary_of(write(path, job, folder, name)) | {"bag": name, "path": str(path), "error": None}
    except RoverEnergyError as error:
        return failed_row(name, str(error)) | {"path": str(path)}
    except OSError as error:
        return failed_row(name, f"{path}: {error.strerror or error}") | {"path": str(path)}


def names_of(paths: list[Path]) -> list[str]:
    """A short name for each bag, no two alike: its own, with as many folders before it as that takes."""
    names = [path.resolve().name for path in paths]
    depth = 1
    while len(set(names)) < len(names) and depth < 10:
        depth += 1
        names = ["_".join(path.resolve().parts[-depth:]).strip("/") for path in paths]
    return names


def run_campaign(
    paths: list[Path], job: Job, out: Path, write: Writer, *, workers: int = 2, cluster: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Audit every bag into `out`/bags/NAME; returns one row per bag, in the order of the paths.

    workers : local processes. cluster : address of a Dask scheduler whose workers see the same files, instead. Raises InputError
    when that does not answer, MissingExtraError without Dask.
    """
    names = names_of(paths)
    folders = [out.resolve() / "bags" / name for name in names]
    tasks = list(zip([path.resolve() for path in paths], names, folders, strict=True))
    if workers == 1 and not cluster:
        rows = []
        for path, name, folder in tasks:
            tell(name)
            rows.append(audit_into(path, name, job, folder, write))
        return rows
    distributed = need("distributed", "dask[distributed]", "auditing many bags")
    client = _client(distributed, workers, cluster)
    try:
        futures = [client.submit(audit_into, p, n, job, f, write, pure=False) for p, n, f in tasks]
        places = {future.key: i for i, future in enumerate(futures)}
        rows = [failed_row(name, f"{path}: its worker died") | {"path": str(path)} for path, name, _ in tasks]
        for future in distributed.as_completed(futures):
            i = places[future.key]
            tell(names[i])
            if future.status == "finished":
                rows[i] = future.result()
        return rows
    finally:
        client.close()
        if not cluster:
            client.cluster.close()


def _client(distributed: Any, workers: int, cluster: str) -> Any:
    if not cluster:
        local = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50)
        return distributed.Client(local)
    try:
        return distributed.Client(cluster, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            "command line", "--dask", f"does not answer ({reason})", "give the address of a running scheduler", cluster
        ) from None
