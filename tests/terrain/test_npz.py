"""The package's own terrain format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from rover_energy.errors import InputError
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.npz import write_npz
from rover_energy.terrain.raster import Terrain

HEIGHT = np.arange(20.0).reshape(4, 5)


def test_everything_comes_back(tmp_path: Path) -> None:
    height = HEIGHT.copy()
    height[2, 2] = np.nan
    rocks = (Polygon([(0, 0), (1, 0), (0.5, 1)]), box(3, 3, 4, 5))
    terrain = Terrain(height, 0.1, -1e6, 0.3, "Mons Ümlaut", rocks)
    write_npz(tmp_path / "t.npz", terrain)
    back = load_terrain(tmp_path / "t.npz")
    assert np.array_equal(back.height, height, equal_nan=True)
    assert (back.x0, back.y0, back.cell, back.name) == (0.1, -1e6, 0.3, "Mons Ümlaut")
    assert [a.equals_exact(b, 0.0) for a, b in zip(back.keep_outs, rocks, strict=True)] == [True, True]


def test_the_least_file_by_hand(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", height=HEIGHT.astype(np.int32), cell=2)
    terrain = load_terrain(str(tmp_path / "t.npz"))
    assert (terrain.x0, terrain.y0, terrain.cell, terrain.name, terrain.keep_outs) == (0.0, 0.0, 2.0, "t", ())
    assert np.array_equal(terrain.height, HEIGHT)


def test_rings_of_equal_length(tmp_path: Path) -> None:
    rings = np.array([[[0, 0], [1, 0], [0, 1]], [[2, 2], [4, 2], [2, 4]]], float)
    np.savez(tmp_path / "t.npz", height=HEIGHT, cell=1.0, keep_outs=rings)
    assert [p.area for p in load_terrain(tmp_path / "t.npz").keep_outs] == [0.5, 2.0]


def test_infinite_heights_are_no_data(tmp_path: Path) -> None:
    height = HEIGHT.copy()
    height[0, 0] = -np.inf
    np.savez(tmp_path / "t.npz", height=height, cell=1.0)
    assert load_terrain(tmp_path / "t.npz").no_data.sum() == 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no height": ({"height": None}, "height: is missing; store an array named height"),
    "no cell": ({"cell": None}, "cell: is missing; store"),
    "pickled": ({"keep_outs": np.array([[1, 2], [3]], dtype=object)}, "file: cannot be read as .npz"),
    "text": ({"height": np.array([["a"] * 5] * 5)}, "height: has type <U1, not real numbers"),
    "complex": ({"height": HEIGHT * 1j}, "height: has type complex128"),
    "flat": ({"height": np.zeros(20)}, r"height: has shape \(20,\)"),
    "two cells": ({"cell": np.ones(2)}, r"cell: has shape \(2,\), not one number"),
    "nan cell": ({"cell": np.nan}, "cell = nan: is not a positive length"),
    "all nan": ({"height": HEIGHT * np.nan}, "height: has no valid node at all"),
    "ring shape": ({"keep_outs": np.ones((3, 4))}, r"keep_outs: has shape \(3, 4\); store rows of"),
    "short ring": ({"keep_outs": np.array([[0.0, 0, 0], [0, 1, 1]])}, r"keep_outs\[0\]: has shape \(2, 2\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    change, message = BAD[case]
    arrays = {k: v for k, v in {"height": HEIGHT, "cell": 1.0, **change}.items() if v is not None}
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_terrain(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    write_npz(path, Terrain(np.random.default_rng(0).normal(size=(50, 50))))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for damaged in (b"", b"PK", whole[: len(whole) // 2], whole[:-20], bytes(flipped), b"no archive"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"file: cannot be read as \.npz"):
            load_terrain(path)


def test_a_bare_array_in_disguise_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", HEIGHT)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        load_terrain(tmp_path / "a.npz")


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    ring = Terrain(HEIGHT, keep_outs=(box(0, 0, 3, 3).difference(box(1, 1, 2, 2)),))
    with pytest.raises(InputError, match=r"keep_outs\[0\]: has a hole"):
        write_npz(tmp_path / "t.npz", ring)
    with pytest.raises(InputError, match="suffix"):
        write_npz(tmp_path / "t.dat", Terrain(HEIGHT))
    with pytest.raises(InputError, match="cannot be written"):
        write_npz(tmp_path / "missing" / "t.npz", Terrain(HEIGHT))
