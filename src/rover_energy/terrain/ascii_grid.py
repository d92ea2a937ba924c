"""Terrain from and to an Esri ASCII grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.loading import check_node_count, square_cell, terrain_from_file
from rover_energy.terrain.raster import Terrain

_KEYS = {"ncols", "nrows", "xllcorner", "xllcenter", "yllcorner", "yllcenter", "cellsize", "dx", "dy", "nodata_value"}
_DEFAULT_NODATA = -9999.0  # the format's own, where the header has none


def read_ascii_grid(path: Path) -> Terrain:
    """Read an Esri ASCII grid of heights [m].

    Header keys in any case and order: ncols, nrows, xllcorner or xllcenter, yllcorner or yllcenter, cellsize (or equal dx and
    dy), NODATA_value (-9999 if absent). Then nrows lines of ncols heights, north to south. `corner` is the outer corner of the
    south-west cell, `center` its middle; nodes are cell centres. NODATA, nan and inf become NaN.

    Raises InputError when a key is missing, a value is not a number, the count of heights is wrong, or the grid is unusable.
    """
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InputError(str(path), "file", f"cannot be read ({error.strerror})", "check the file") from None
    except UnicodeDecodeError:
        raise InputError(str(path), "file", "is not an ASCII grid", "give an Esri ASCII grid as plain text") from None
    header, body = _split_header(path, text)
    columns, rows = _whole(path, header, "ncols"), _whole(path, header, "nrows")
    check_node_count(path, columns, rows)
    cell = _cell(path, header, max(columns, rows))
    x0, y0 = _first_node(path, header, "x", cell), _first_node(path, header, "y", cell)
    height = _heights(path, body, columns, rows)
    nodata = header.get("nodata_value", _DEFAULT_NODATA)
    height[(height == nodata) | ~np.isfinite(height)] = np.nan
    return terrain_from_file(path, height[::-1], x0, y0, cell)


def write_ascii_grid(path: str | Path, terrain: Terrain) -> None:
    """Write the heights as an Esri ASCII grid that `read_ascii_grid` reads back without loss.

    Raises InputError when the terrain has keep-outs, which the format cannot hold, or the file cannot be written.
    """
    if terrain.keep_outs:
        raise InputError(
            str(path), "keep_outs", "cannot be held by an ASCII grid", "write .npz, or drop them with dataclasses.replace",
            len(terrain.keep_outs),
        )  # fmt: skip
    rows, columns = terrain.height.shape
    lines = [
        f"ncols {columns}", f"nrows {rows}", f"xllcenter {terrain.x0!r}", f"yllcenter {terrain.y0!r}",
        f"cellsize {terrain.cell!r}", f"NODATA_value {_DEFAULT_NODATA!r}",
    ]  # fmt: skip
    filled = np.where(terrain.no_data, _DEFAULT_NODATA, terrain.height)
    lines += [" ".join(map(repr, row)) for row in filled[::-1].tolist()]
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")
    except OSError as error:
        raise InputError(str(path), "file", f"cannot be written ({error.strerror})", "give a writable path") from None


def _split_header(path: Path, text: str) -> tuple[dict[str, float], str]:
    header: dict[str, float] = {}
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        words = text[position:end].split()
        if words and words[0].lower() not in _KEYS:
            break
        if words:
            key = words[0].lower()
            if len(words) != 2 or key in header:
                raise InputError(str(path), key, "is not given once with one value", "write the header as: key value")
            header[key] = _number(path, key, words[1])
        position = end + 1
    return header, text[position:]


def _number(path: Path, key: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(str(path), key, "is not a number", "correct the header", word) from None


def _required(path: Path, header: dict[str, float], key: str) -> float:
    if key not in header:
        raise InputError(str(path), key, "is missing from the header", f"add a line: {key} value")
    return header[key]


def _whole(path: Path, header: dict[str, float], key: str) -> int:
    value = _required(path, header, key)
    if not (1.0 <= value <= 1e9) or value != int(value):
        raise InputError(str(path), key, "is not a count of cells", "give a whole number from 4", value)
    return int(value)


def _cell(path: Path, header: dict[str, float], nodes: int) -> float:
    if "cellsize" in header:
        return square_cell(path, header["cellsize"], header["cellsize"], nodes)
    if "dx" in header or "dy" in header:
        return square_cell(path, _required(path, header, "dx"), _required(path, header, "dy"), nodes)
    return _required(path, header, "cellsize")


def _first_node(path: Path, header: dict[str, float], axis: str, cell: float) -> float:
    corner, centre = f"{axis}llcorner", f"{axis}llcenter"
    if centre in header and corner in header:
        raise InputError(str(path), corner, f"is given together with {centre}", "keep one of the two")
    if centre in header:
        return header[centre]
    return _required(path, header, corner) + 0.5 * cell


def _heights(path: Path, body: str, columns: int, rows: int) -> FloatArray:
    words = body.split()
    if len(words) != columns * rows:
        raise InputError(
            str(path), "heights", f"{len(words)} values where {rows} rows of {columns} need {columns * rows}",
            "get an undamaged copy or correct ncols and nrows",
        )  # fmt: skip
    try:
        return np.array(words, dtype=np.float64).reshape(rows, columns)
    except ValueError as error:
        raise InputError(str(path), "heights", f"hold something else than numbers ({error})", "correct the file") from None
