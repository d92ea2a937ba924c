"""Write the report of a traverse: one page that needs no network, and still pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.mission import MissionParameters
from rover_energy.report.columns import read_columns
from rover_energy.report.extras import need
from rover_energy.report.figures import write_figures
from rover_energy.report.limits import limit_use
from rover_energy.report.page import traverse_page, view_of
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface


@dataclass(frozen=True)
class ReportFiles:
    """What was written: the page, and the pictures by name."""

    html: Path
    pictures: dict[str, Path] = field(default_factory=dict)


def write_report(
    out: Path,
    *,
    terrain: Terrain,
    surface: Surface,
    profile: Any,
    certificate: Any,
    plan: Any,
    rover: RoverParameters,
    mission: MissionParameters,
    environment: Environment | None = None,
    keep_outs: Iterable[Any] = (),
    title: str = "Traverse report",
) -> ReportFiles:
    """Write report.html, overview.png, map.png, power.png and battery.png into the directory `out`, which is made if needed.

    Parameters
    ----------
    out : Path
        Directory.
    terrain, surface : Terrain, Surface
        The ground as given and as the rover feels it.
    profile : mapping or dataclass of (n,) arrays
        Columns of profile.csv in SI units, n >= 2, at any rate; peaks survive the thinning for display. Values that are not
        finite are left out of the charts and counted on the page.
    certificate : mapping, or object with `to_mapping()`
        `passed`, `step`, `samples`, `checks`, ...; anything but a true `passed` is shown as failed.
    plan : mapping, or object with `to_mapping()`
        Content of plan.json.
    rover, mission : RoverParameters, MissionParameters
        Limits drawn and parameters listed.
    environment : Environment, optional
        For the shadow and the Sun on the map.
    keep_outs : iterable of shapely polygons or of (n, 2) points [m]
        Drawn besides the terrain's own.
    title : str
        Heading of the page.

    Raises
    ------
    InputError
        The profile lacks a column, or its time or place cannot be drawn, or `out` cannot be written.
    MissingExtraError
        matplotlib is not installed.
    """
    need("matplotlib")
    columns = read_columns(profile)
    folder = make_folder(out)
    obstacles = list(keep_outs)
    page = traverse_page(
        title=title, terrain=terrain, surface=surface, columns=columns, certificate=as_mapping(certificate, "certificate"),
        plan=as_mapping(plan, "plan"), rover=rover, mission=mission, environment=environment, keep_outs=obstacles,
    )  # fmt: skip
    pictures = write_figures(folder, terrain, view_of(columns), limit_use(columns, rover), rover, environment, obstacles, title)
    return ReportFiles(write_page(folder / "report.html", page), pictures)


def as_mapping(value: Any, name: str) -> Mapping[str, Any]:
    """A mapping as it is, or what `to_mapping()` gives. Raises InputError for anything else."""
    if isinstance(value, Mapping):
        return value
    if hasattr(value, "to_mapping"):
        return dict(value.to_mapping())
    raise InputError("report", name, "is not a mapping", f"pass the {name} as read from its file", type(value).__name__)


def make_folder(out: Path) -> Path:
    """The directory, made if needed. Raises InputError when it cannot be."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), "directory", error.strerror or "cannot be made", "choose another directory") from None
    return folder


def write_page(path: Path, text: str) -> Path:
    """Write a page as UTF-8. Raises InputError when it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), "file", error.strerror or "cannot be written", "choose another directory") from None
    return path
