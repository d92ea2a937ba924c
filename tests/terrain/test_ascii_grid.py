"""Esri ASCII grids: the format's variants, loss-free writing, damaged files."""

from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import box

from rover_energy.errors import InputError
from rover_energy.terrain.ascii_grid import write_ascii_grid
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.raster import Terrain

BODY = "\n".join(" ".join(str(10 * j + i) for i in range(5)) for j in range(4))  # first line is the northernmost
HEADER = "ncols 5\nnrows 4\nxllcorner 100\nyllcorner 200\ncellsize 2\nNODATA_value -9999\n"


def put(tmp_path: Path, text: str, name: str = "g.asc") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_corner_and_rows(tmp_path: Path) -> None:
    terrain = load_terrain(put(tmp_path, HEADER + BODY))
    assert (terrain.x0, terrain.y0, terrain.cell, terrain.name) == (101.0, 201.0, 2.0, "g")
    assert terrain.height[0].tolist() == [30, 31, 32, 33, 34]
    assert terrain.height[3].tolist() == [0, 1, 2, 3, 4]


def test_centre_capitals_order_and_line_breaks(tmp_path: Path) -> None:
    text = "CELLSIZE 2.0\nXLLCENTER 100\nyllcenter 200\nNROWS 4\nNCOLS 5\n" + BODY.replace(" ", "\n")
    terrain = load_terrain(put(tmp_path, text, "g.GRD"))
    assert (terrain.x0, terrain.y0) == (100.0, 200.0)
    assert terrain.height[3, 4] == 4.0


@pytest.mark.parametrize("word", ["-9999", "nan", "inf", "-9999.000"])
def test_no_data(tmp_path: Path, word: str) -> None:
    terrain = load_terrain(put(tmp_path, HEADER + BODY.replace("23", word)))
    assert np.argwhere(terrain.no_data).tolist() == [[1, 3]]


def test_default_nodata_value(tmp_path: Path) -> None:
    text = HEADER.replace("NODATA_value -9999\n", "") + BODY.replace("23", "-9999")
    assert load_terrain(put(tmp_path, text)).no_data.sum() == 1


def test_equal_dx_and_dy_are_a_cell(tmp_path: Path) -> None:
    assert load_terrain(put(tmp_path, HEADER.replace("cellsize 2", "dx 2\ndy 2") + BODY)).cell == 2.0


def test_rasterio_reads_what_is_written(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="needs the extra 'terrain'")
    height = np.random.default_rng(0).normal(size=(6, 8))
    height[1, 2] = np.nan
    write_ascii_grid(tmp_path / "w.asc", Terrain(height, 3.25, -7.5, 0.5))
    with rasterio.open(tmp_path / "w.asc") as dataset:
        band = dataset.read(1, masked=True)
        assert dataset.xy(5, 0) == (3.25, -7.5)
    assert np.array_equal(band.mask, np.isnan(height)[::-1])
    assert np.allclose(band.filled(0.0), np.nan_to_num(height)[::-1], rtol=1e-6)


def test_written_grids_come_back_to_the_last_bit(tmp_path: Path) -> None:
    height = np.random.default_rng(0).normal(size=(6, 8)) * 1e3
    height[1, 2] = np.nan
    terrain = Terrain(height, 1.0 / 3.0, 1e6 + 0.1, 0.1)
    write_ascii_grid(tmp_path / "w.asc", terrain)
    back = load_terrain(tmp_path / "w.asc")
    assert np.array_equal(back.height, height, equal_nan=True)
    assert (back.x0, back.y0, back.cell) == (terrain.x0, terrain.y0, terrain.cell)


def test_keep_outs_are_not_dropped_in_silence(tmp_path: Path) -> None:
    terrain = Terrain(np.zeros((5, 5)), keep_outs=(box(0, 0, 1, 1),))
    with pytest.raises(InputError, match=r"keep_outs = 1: cannot be held by an ASCII grid; write \.npz"):
        write_ascii_grid(tmp_path / "w.asc", terrain)


def test_unwritable_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file: cannot be written"):
        write_ascii_grid(tmp_path / "missing" / "w.asc", Terrain(np.zeros((5, 5))))


BAD = {
    "truncated": (HEADER + BODY[:-3], r"heights: 19 values where 4 rows of 5 need 20; get an undamaged copy"),
    "too long": (HEADER + BODY + " 1", "heights: 21 values where"),
    "a word": (HEADER + BODY.replace("23", "x23"), "heights: hold something else than numbers .*; correct"),
    "no ncols": (HEADER.replace("ncols 5\n", "") + BODY, "ncols: is missing from the header; add a line"),
    "no cellsize": (HEADER.replace("cellsize 2\n", "") + BODY, "cellsize: is missing from the header"),
    "no corner": (HEADER.replace("xllcorner 100\n", "") + BODY, "xllcorner: is missing from the header"),
    "both corners": (HEADER.replace("cellsize", "xllcenter 1\ncellsize") + BODY, "xllcorner: is given together with xllcenter"),
    "twice": (HEADER + "ncols 5\n" + BODY, "ncols: is not given once with one value"),
    "no number": (HEADER.replace("cellsize 2", "cellsize two") + BODY, "cellsize = 'two': is not a number; correct"),
    "negative cell": (HEADER.replace("cellsize 2", "cellsize -2") + BODY, "cell.*: is not a positive length"),
    "nan cell": (HEADER.replace("cellsize 2", "cellsize nan") + BODY, "cell.*: is not a positive length"),
    "half a column": (HEADER.replace("ncols 5", "ncols 4.5") + BODY, r"ncols = 4\.5: is not a count of cells"),
    "nan rows": (HEADER.replace("nrows 4", "nrows nan") + BODY, "nrows = nan: is not a count of cells"),
    "huge": (HEADER.replace("nrows 4", "nrows 100000000") + BODY, "size: 5 x 100000000 nodes exceed"),
    "oblong": (HEADER.replace("cellsize 2", "dx 2\ndy 3") + BODY, "cell: is not square, 2 x 3 m; resample"),
    "nan corner": (HEADER.replace("xllcorner 100", "xllcorner nan") + BODY, "x0, y0.*: is not finite"),
    "too few": ("ncols 3\nnrows 4\nxllcorner 0\nyllcorner 0\ncellsize 1\n" + "0 " * 12, r"height: has shape \(4, 3\)"),
    "another marker": (HEADER + BODY.replace("23", "-32768"), r"height = -32768\.0: is not within -9500 .. 25000 m; mark"),
    "all no data": (HEADER + "-9999 " * 20, "height: has no valid node at all; check"),
    "empty": ("", "ncols: is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    path = put(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        load_terrain(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.asc"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="file: is not an ASCII grid; give"):
        load_terrain(path)
