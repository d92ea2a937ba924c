"""What a picture shows of the rover beside its running gear: array, generator, mast, antenna, grousers. Nothing has mass."""

from __future__ import annotations

import math
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from rover_energy.power.pv import PvParameters
from rover_energy.simulation.geometry import WHEELS, FloatArray, RoverGeometry

_FOIL, _DECK, _METAL, _DARK, _CELL, _PLATE, _LENS = (
    "0.86 0.62 0.20 1", "0.86 0.86 0.84 1", "0.62 0.64 0.67 1", "0.20 0.20 0.21 1", "0.05 0.08 0.26 1", "0.72 0.73 0.75 1",
    "0.05 0.06 0.10 1",
)  # fmt: skip
_GROUSERS = 18  # on each wheel
_CELLS = (7, 4)  # drawn along and across the array
_UPRIGHT = 0.3  # [rad] of panel pitch above which the array stands on its edge beside the deck


def fit(root: Element, geometry: RoverGeometry, pv: PvParameters) -> None:
    """Add everything to the bodies of a model by `mjcf.rover_mjcf`, and take its plain array away."""
    base = root.find(".//body[@name='base']")
    assert base is not None
    body, panel = [geom for geom in base.findall("geom") if geom.get("type") == "box"]
    base.remove(panel)
    body.set("rgba", _FOIL)
    length, width, height = geometry.body_box
    top = geometry.centre_of_mass + height / 2.0
    _box(base, (0.0, 0.0, top + 0.03 * height), (1.06 * length, 1.06 * width, 0.10 * height), _DECK)
    _box(base, (0.0, 0.0, top - 0.97 * height), (1.02 * length, 1.02 * width, 0.06 * height), _METAL)
    _array(base, geometry, pv, top + 0.08 * height)
    _generator(base, geometry)
    _mast(base, geometry, top + 0.08 * height)
    _antenna(base, geometry, top + 0.08 * height)
    for wheel in WHEELS:
        tyre = root.find(f".//body[@name='wheel_{wheel}']")
        assert tyre is not None
        _grousers(tyre, geometry)


def _array(base: Element, g: RoverGeometry, pv: PvParameters, top: float) -> None:
    """Plate with cells, of the array's own area and attitude: flat over the deck, or upright on the side to which it leans."""
    lean, aside = math.sin(pv.panel_pitch), pv.panel_azimuth
    normal = np.array([lean * math.cos(aside), lean * math.sin(aside), math.cos(pv.panel_pitch)])
    across_axis = np.array([math.sin(aside), -math.cos(aside), 0.0])  # level, along the plate's long side
    up_axis = np.cross(normal, across_axis)
    long = min(math.sqrt(pv.area * 1.8), 1.6 * g.wheel_base)
    short = pv.area / long
    away = np.array([math.cos(aside), math.sin(aside), 0.0])
    upright = abs(pv.panel_pitch) > _UPRIGHT
    reach = 0.5 * (g.body_box[1] if abs(away[1]) > 0.7 else g.body_box[0])
    rise = 0.5 * short * abs(up_axis[2])
    centre = np.array([0.0, 0.0, top + 0.10 * g.wheel_radius])
    centre = centre + (0.55 * reach * away + np.array([0.0, 0.0, rise]) if upright else np.zeros(3))
    axes = _axes(across_axis, up_axis)
    _box(base, tuple(centre), (long, short, 0.02), _PLATE, axes)
    columns, rows = _CELLS
    for i in range(columns):
        for j in range(rows):
            across = ((i + 0.5) / columns - 0.5) * long * 0.98
            up = ((j + 0.5) / rows - 0.5) * short * 0.97
            place = centre + across * across_axis + up * up_axis + 0.012 * normal
            _box(base, tuple(place), (0.93 * long / columns, 0.93 * short / rows, 0.008), _CELL, axes)
    for side in (-0.3, 0.3):  # struts down to the deck
        foot = centre + side * long * across_axis
        start = np.array([foot[0] * 0.8, foot[1] * 0.8, top])
        _rod(base, start, foot - 0.25 * short * up_axis * upright, 0.02, _METAL)


def _generator(base: Element, g: RoverGeometry) -> None:
    """Radioisotope generator: a finned cylinder that leans out over the back."""
    length, _, height = g.body_box
    start = np.array([-0.5 * length, 0.0, g.centre_of_mass + 0.05 * height])
    axis = np.array([-math.cos(0.45), 0.0, math.sin(0.45)])
    size = 1.5 * height
    _rod(base, start, start + 0.25 * size * axis, 0.06, _METAL)
    a, b = start + 0.2 * size * axis, start + 1.1 * size * axis
    _rod(base, a, b, 0.24 * height, _DARK, kind="cylinder")
    side, up = np.array([0.0, 1.0, 0.0]), np.cross(axis, np.array([0.0, 1.0, 0.0]))
    for k in range(8):
        angle = math.pi / 8.0 + k * math.pi / 4.0
        out = math.cos(angle) * side + math.sin(angle) * up
        centre = 0.5 * (a + b) + 0.40 * height * out
        _box(base, tuple(centre), (0.86 * float(np.linalg.norm(b - a)), 0.36 * height, 0.012), _METAL, _axes(axis, out))


def _mast(base: Element, g: RoverGeometry, top: float) -> None:
    """Mast with a pair of cameras, front right."""
    length, width, height = g.body_box
    foot = np.array([0.40 * length, -0.34 * width, top])
    head = foot + np.array([0.0, 0.0, 2.4 * height])
    _rod(base, foot, head, 0.045, _METAL, kind="cylinder")
    _box(base, tuple(head + np.array([0.02, 0.0, 0.05])), (0.14, 0.30, 0.11), _DECK)
    for y in (-0.09, 0.09):
        eye = head + np.array([0.09, y, 0.05])
        _rod(base, eye, eye + np.array([0.035, 0.0, 0.0]), 0.07, _LENS, kind="cylinder")


def _antenna(base: Element, g: RoverGeometry, top: float) -> None:
    """Dish on a post, rear right."""
    length, width, height = g.body_box
    foot = np.array([-0.36 * length, -0.36 * width, top])
    head = foot + np.array([0.0, 0.0, 0.9 * height])
    look = np.array([0.35, -0.45, 0.82])
    look /= np.linalg.norm(look)
    _rod(base, foot, head, 0.03, _METAL)
    _rod(base, head, head + 0.015 * look, 0.30, _DECK, kind="cylinder")
    _rod(base, head, head + 0.12 * look, 0.012, _METAL)
    _rod(base, head + 0.11 * look, head + 0.13 * look, 0.05, _DARK, kind="cylinder")


def _grousers(wheel: Element, g: RoverGeometry) -> None:
    """Cleats across the tyre, in place of the crossed boards that only make turning visible."""
    for old in [geom for geom in wheel.findall("geom") if geom.get("type") == "box"]:
        wheel.remove(old)
    r = g.wheel_radius
    for k in range(_GROUSERS):
        angle = 2.0 * math.pi * k / _GROUSERS
        out = np.array([math.sin(angle), 0.0, math.cos(angle)])
        axes = _axes(np.array([0.0, 1.0, 0.0]), out)
        _box(wheel, tuple(0.985 * r * out), (0.96 * g.wheel_width, 0.05 * r, 0.035 * r), _METAL, axes)
    for k in range(6):  # spokes
        angle = math.pi * k / 3.0
        out = np.array([math.sin(angle), 0.0, math.cos(angle)])
        for side in (-1.0, 1.0):
            at = np.array([0.0, side * 0.505 * g.wheel_width, 0.0])
            _rod(wheel, at + 0.4 * r * out, at + 0.9 * r * out, 0.07 * r, _METAL)


def _axes(x: FloatArray, y: FloatArray) -> str:
    return " ".join(f"{v:.9g}" for v in (*x, *y))


def _box(
    body: Element, at: tuple[float, ...], size: tuple[float, float, float], colour: str, axes: str = "1 0 0 0 1 0"
) -> None:
    SubElement(body, "geom", type="box", pos=_text(*at), size=_text(*(0.5 * v for v in size)), xyaxes=axes, contype="0",
               conaffinity="0", mass="0", rgba=colour)  # fmt: skip


def _rod(body: Element, start: FloatArray, end: FloatArray, thickness: float, colour: str, *, kind: str = "capsule") -> None:
    SubElement(body, "geom", type=kind, fromto=_text(*start, *end), size=_text(0.5 * thickness), contype="0", conaffinity="0",
               mass="0", rgba=colour)  # fmt: skip


def _text(*values: float) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)
