"""A Rerun recording of a bag: ground, route coloured by power, the rover's pose, every chart, what was said; with its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.views import scene
from rover_energy.views.extras import need
from rover_energy.views.series import Series
from rover_energy.views.signals import PANELS, POWER, SIGNALS, Signal

PURPOSE = "a Rerun recording"
TIMELINE = "drive"
TOTAL, PURPLE = "Total load", "#8e44ad"
ROUTE_STEP = 0.10  # [m] of way between points of the drawn route
LIFT = 0.05  # [m] above the ground, so that the route is not hidden in it


def entity(signal: Signal) -> str:
    """Path of a signal's series."""
    return f"charts/{_slug(signal.panel)}/{_slug(signal.label)}"


def _slug(text: str) -> str:
    return text.lower().replace(" ", "_")


def write_recording(path: Path, series: Series, *, terrain: Terrain | None, rover: RoverParameters, name: str) -> None:
    """Write an .rrd file. terrain : ground to draw; None: none. name : of the recording. Raises MissingExtraError."""
    rr = need("rerun", PURPOSE)
    recording = rr.RecordingStream("rover_energy", recording_id=name)
    recording.save(str(path), default_blueprint=layout(_duration(series), terrain))
    recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    if terrain is not None:
        mesh = scene.ground(terrain)
        recording.log(
            "world/ground",
            rr.Mesh3D(vertex_positions=mesh.vertices, triangle_indices=mesh.triangles, vertex_colors=mesh.colours), static=True,
        )  # fmt: skip
    _route(rr, recording, series)
    _rover(rr, recording, series, rover)
    _charts(rr, recording, series)
    for time, level, text in series.events:
        recording.set_time(TIMELINE, duration=time)
        recording.log("log", rr.TextLog(text, level={"OK": "INFO", "WARN": "WARN"}.get(level, "ERROR")))
    recording.flush()
    recording.disconnect()


def _duration(series: Series) -> float:
    """Time of the last sample of any chart [s]; at least 1."""
    return max([1.0, *(float(times[-1]) for times, _ in [series.total, *series.signals.values()] if len(times))])


def _route(rr: Any, recording: Any, series: Series) -> None:
    """The way driven, each stretch in the colour of the power that the bus gave there, and the way planned."""
    times, places, _ = series.poses
    if len(places) >= 2:
        kept = scene.thinned(places, ROUTE_STEP)
        points = places[kept] + [0.0, 0.0, LIFT]
        power = np.interp(times[kept], *series.total) if len(series.total[0]) else np.full(len(kept), np.nan)
        low, high = (float(np.nanmin(power)), float(np.nanmax(power))) if np.isfinite(power).any() else (0.0, 1.0)
        colours = scene.colours(0.5 * (power[1:] + power[:-1]), low, high)
        strips = np.stack([points[:-1], points[1:]], axis=1)
        recording.log("world/route", rr.LineStrips3D(strips, colors=colours, radii=rr.Radius.ui_points(3.5)), static=True)
        text = f"Colour of the route: total load, from {low:.0f} W (violet) over green and yellow to {high:.0f} W (red)."
        recording.log("legend", rr.TextDocument(text), static=True)
    _, planned, _ = series.planned
    if len(planned) >= 2 and len(places):
        kept = scene.thinned(planned[:, :2], ROUTE_STEP)
        # a plan is flat: its height is that of the ground where the rover has been nearest
        heights = [places[int(np.argmin(np.sum((places[:, :2] - p) ** 2, axis=1))), 2] for p in planned[kept, :2]]
        points = np.column_stack([planned[kept, :2], np.asarray(heights) + 0.5 * LIFT])
        line = rr.LineStrips3D([points], colors=[[255, 255, 255]], radii=rr.Radius.ui_points(1.0))
        recording.log("world/plan", line, static=True)


def _rover(rr: Any, recording: Any, series: Series, parameters: RoverParameters) -> None:
    boxes = scene.rover(parameters)
    recording.log(
        "world/rover",
        rr.Boxes3D(
            centers=[box.centre for box in boxes], half_sizes=[box.half for box in boxes], colors=[box.colour for box in boxes],
            fill_mode="solid",
        ), static=True,
    )  # fmt: skip
    mark = rr.Points3D([[0.0, 0.0, 1.5]], colors=[[255, 255, 255]], radii=rr.Radius.ui_points(4.0), labels=[parameters.name])
    recording.log("world/rover/mark", mark, static=True)
    times, places, turns = series.poses
    if len(times):
        recording.send_columns(
            "world/rover", indexes=[rr.TimeColumn(TIMELINE, duration=times)],
            columns=rr.Transform3D.columns(translation=places, quaternion=turns),
        )  # fmt: skip


def _charts(rr: Any, recording: Any, series: Series) -> None:
    total = f"charts/{_slug(POWER)}/{_slug(TOTAL)}"
    lines = [(entity(s), s.label, s.colour, s.unit, *series.signals[s]) for s in SIGNALS]
    for path, label, colour, unit, times, values in [*lines, (total, TOTAL, PURPLE, "W", *series.total)]:
        known = np.isfinite(values)
        if not known.any():
            continue
        style = rr.SeriesLines(colors=[_rgb(colour)], names=[f"{label} [{unit}]"], widths=[1.5])
        recording.log(path, style, static=True)
        recording.send_columns(
            path, indexes=[rr.TimeColumn(TIMELINE, duration=times[known])], columns=rr.Scalars.columns(scalars=values[known])
        )


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def layout(duration: float, terrain: Terrain | None = None) -> Any:
    """Scene on the left, charts over the whole drive [s] on the right, words below."""
    rrb, at = need("rerun.blueprint", PURPOSE), need("rerun", PURPOSE).TimeRangeBoundary.absolute
    whole = need("rerun", PURPOSE).TimeRange(start=at(seconds=0.0), end=at(seconds=1.3 * duration))  # room for the legends
    charts = [
        rrb.TimeSeriesView(
            origin=f"charts/{_slug(panel)}", name=panel, axis_x=rrb.TimeAxis(view_range=whole),
            plot_legend=rrb.PlotLegend(rrb.Corner2D.RightTop),
        ) for panel in PANELS
    ]  # fmt: skip
    scene_view = rrb.Spatial3DView(origin="world", name="Drive", background=[24, 26, 31], eye_controls=_eye(rrb, terrain))
    words = rrb.Horizontal(rrb.TextLogView(origin="log", name="Events"), rrb.TextDocumentView(origin="legend", name="Legend"))
    left = rrb.Vertical(scene_view, words, row_shares=[4, 1])
    return rrb.Blueprint(rrb.Horizontal(left, rrb.Vertical(*charts), column_shares=[3, 2]), collapse_panels=True)


def _eye(rrb: Any, terrain: Terrain | None) -> Any:
    """From the south, above the border of the map, at its middle; None leaves it to the viewer."""
    if terrain is None:
        return None
    rows, columns = terrain.height.shape
    wide, deep = terrain.cell * (columns - 1), terrain.cell * (rows - 1)
    x, y, z = terrain.x0 + 0.5 * wide, terrain.y0 + 0.5 * deep, float(np.nanmean(terrain.height))
    reach = max(wide, deep)
    place, target = (x, y - 0.80 * reach, z + 0.65 * reach), (x, y - 0.05 * reach, z)
    return rrb.EyeControls3D(position=place, look_target=target, eye_up=(0, 0, 1))
