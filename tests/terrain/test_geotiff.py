"""GeoTIFFs written by rasterio are read back where they were put."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.terrain import loading
from rover_energy.terrain.loading import load_terrain

rasterio = pytest.importorskip("rasterio", reason="needs the extra 'terrain'")
from rasterio.transform import Affine  # noqa: E402

MOON = "+proj=stere +lat_0=-90 +R=1737400 +units=m +no_defs"
NORTH_UP = Affine(2.0, 0.0, 100.0, 0.0, -2.0, 500.0)  # north-west outer corner at (100, 500)


def write(path: Path, data: np.ndarray, transform: Affine = NORTH_UP, crs: str | None = MOON, **profile: Any) -> Path:
    bands = data if data.ndim == 3 else data[None]
    options = {"driver": "GTiff", "height": bands.shape[1], "width": bands.shape[2], "count": len(bands), "dtype": bands.dtype}
    scales, offsets, units = (profile.pop(k, None) for k in ("scales", "offsets", "units"))
    mask = profile.pop("mask", None)
    if transform is not None:
        options["transform"] = transform
    with rasterio.open(path, "w", crs=crs, **options, **profile) as dataset:
        dataset.write(bands)
        if scales:
            dataset.scales, dataset.offsets = scales, offsets
        if units:
            dataset.units = units
        if mask is not None:
            dataset.write_mask(mask)
    return path


@pytest.fixture
def heights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


def test_nodes_are_pixel_centres_and_rows_run_north(tmp_path: Path, heights: np.ndarray) -> None:
    terrain = load_terrain(write(tmp_path / "a.tif", heights))
    assert (terrain.x0, terrain.y0, terrain.cell, terrain.name) == (101.0, 487.0, 2.0, "a")
    assert np.array_equal(terrain.height, heights[::-1].astype(float))
    with rasterio.open(tmp_path / "a.tif") as dataset:  # rasterio's own opinion of where pixel (row 1, column 3) is
        x, y = dataset.xy(1, 3)
    assert terrain.height[round((y - terrain.y0) / 2.0), round((x - terrain.x0) / 2.0)] == heights[1, 3]


def test_south_up_is_read_as_it_lies(tmp_path: Path, heights: np.ndarray) -> None:
    path = write(tmp_path / "a.tiff", heights, Affine(2.0, 0.0, 100.0, 0.0, 2.0, 500.0))
    terrain = load_terrain(path)
    assert terrain.y0 == 501.0
    assert np.array_equal(terrain.height, heights.astype(float))


def test_without_coordinate_system(tmp_path: Path, heights: np.ndarray) -> None:
    assert load_terrain(write(tmp_path / "a.tif", heights, crs=None)).cell == 2.0


def test_any_band(tmp_path: Path, heights: np.ndarray) -> None:
    path = write(tmp_path / "a.tif", np.stack([heights, heights + 10, heights + 20]))
    assert np.array_equal(load_terrain(path, band=3).height, (heights + 20)[::-1].astype(float))


@pytest.mark.parametrize("nodata", [-9999.0, -np.inf, np.nan, -3.4028234663852886e38])
def test_nodata_becomes_nan(tmp_path: Path, heights: np.ndarray, nodata: float) -> None:
    heights[2, 3] = nodata
    heights[4, 1] = np.inf
    terrain = load_terrain(write(tmp_path / "a.tif", heights, nodata=nodata))
    assert np.argwhere(terrain.no_data).tolist() == [[2, 1], [4, 3]]


def test_mask_becomes_nan(tmp_path: Path, heights: np.ndarray) -> None:
    mask = np.full(heights.shape, 255, np.uint8)
    mask[0, 0] = 0
    terrain = load_terrain(write(tmp_path / "a.tif", heights, mask=mask))
    assert np.argwhere(terrain.no_data).tolist() == [[6, 0]]


def test_scale_and_offset_of_integers(tmp_path: Path) -> None:
    counts = np.arange(35, dtype=np.int16).reshape(7, 5)
    terrain = load_terrain(write(tmp_path / "a.tif", counts, scales=(0.5,), offsets=(10.0,), nodata=3))
    assert terrain.height[0, 4] == 0.5 * 34 + 10.0
    assert np.isnan(terrain.height[6, 3])


FLAT = np.zeros((8, 8), np.float32)
BAD = {
    "degrees": (
        {"crs": "EPSG:4326", "transform": Affine(1e-5, 0, 10, 0, -1e-5, 50)},
        1,
        r"coordinate system: is in degrees; project",
    ),
    "feet": ({"crs": "EPSG:2263"}, 1, "coordinate system = .*foot.*: is not in metres; reproject"),
    "rotated": ({"transform": Affine(2, 0.1, 0, 0.1, -2, 0)}, 1, "georeference: is rotated, sheared or mirrored; resample"),
    "mirrored": ({"transform": Affine(-2, 0, 0, 0, -2, 0)}, 1, "georeference: is rotated, sheared or mirrored; resample"),
    "oblong": ({"transform": Affine(2, 0, 0, 0, -2.5, 0)}, 1, "cell: is not square, 2 x 2.5 m; resample"),
    "no georeference": ({"transform": None, "crs": None}, 1, "georeference: is missing, so the cell size is unknown; set it"),
    "no such band": ({}, 2, r"band = 2: the file has bands 1 \.\. 1; choose"),
    "band zero": ({}, 0, r"band = 0: the file has bands 1 \.\. 1; choose"),
    "unit of feet": ({"units": ("ft",)}, 1, "unit of band 1 = 'ft': is not metres; convert"),
    "all no data": ({"nodata": 0.0}, 1, "height: has no valid node at all; check"),
}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("case", BAD)
def test_unusable_files_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    options, band, message = BAD[case]
    path = write(tmp_path / "bad.tif", FLAT, **options)
    with pytest.raises(InputError, match=message) as caught:
        load_terrain(path, band=band)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("marker", [-9999.0, -32768.0, 3e38])
def test_undeclared_markers_do_not_become_ground(tmp_path: Path, marker: float) -> None:
    data = FLAT.copy()
    data[3, 3] = marker
    with pytest.raises(InputError, match=r"height = .*: is not within .* declared nodata value"):
        load_terrain(write(tmp_path / "m.tif", data))


def test_complex_band_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="band = 1: does not hold real numbers"):
        load_terrain(write(tmp_path / "c.tif", FLAT.astype(np.complex64)))


def test_too_few_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"height: has shape \(3, 8\), fewer than 4 x 4 nodes; give a larger grid"):
        load_terrain(write(tmp_path / "s.tif", FLAT[:3]))


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32)
    path = write(tmp_path / "t.tif", data)
    whole = path.read_bytes()
    for share in (0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=r"file: cannot be read as a GeoTIFF .*; get an undamaged copy"):
            load_terrain(path)


def test_another_format_in_disguise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.tif"
    path.write_text("no image")
    with pytest.raises(InputError, match="cannot be read as a GeoTIFF"):
        load_terrain(path)


def test_a_mosaic_of_a_whole_moon_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAXIMUM_NODES", 63)
    with pytest.raises(InputError, match="size: 8 x 8 nodes exceed 63; cut out"):
        load_terrain(write(tmp_path / "big.tif", FLAT))


def test_without_rasterio_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", FLAT)
    real_import = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "rasterio":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"rasterio; install it with: pip install 'rover-energy\[terrain\]'"):
        load_terrain(path)
