"""Which file goes to which reader, and the real terrains."""

import os
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import EXIT_USAGE, InputError
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.raster import terrain_slope
from rover_energy.terrain.surface import Surface

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "terrain"


@pytest.mark.parametrize(
    ("name", "band", "message"),
    [
        ("gone.tif", 1, "file: does not exist; give the path of a terrain file"),
        ("gone.npz", 1, "file: does not exist; give"),
        ("folder.asc", 1, "file: is a folder; give"),
        ("map.png", 1, r"suffix = '\.png': is no known terrain format; give \.tif"),
        ("map", 1, "suffix = '': is no known terrain format"),
        ("grid.asc", 2, r"band = 2: a \.asc file has one band; leave the band at 1"),
    ],
)
def test_paths_that_cannot_be_terrain(tmp_path: Path, name: str, band: int, message: str) -> None:
    (tmp_path / "folder.asc").mkdir()
    (tmp_path / "grid.asc").write_text("ncols 4")
    with pytest.raises(InputError, match=message) as caught:
        load_terrain(tmp_path / name, band=band)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def real(name: str) -> Path:
    pytest.importorskip("rasterio", reason="needs the extra 'terrain'")
    if not (DATA / name).is_file():
        pytest.skip(f"reference data absent: {DATA / name} (set ROVER_ENERGY_DATA)")
    return DATA / name


def test_the_moon_at_aristarchus() -> None:
    """Relief and slopes as the data's own description states them, and the file's own slope band, made by others."""
    path = real("moon_aristarchus_imp.tif")
    terrain = load_terrain(path)
    assert terrain.height.shape == (237, 256)
    assert terrain.cell == pytest.approx(4.764721, rel=1e-9)
    assert np.ptp(terrain.height) == pytest.approx(96.0, abs=0.5)
    slope = np.degrees(terrain_slope(terrain))
    assert np.percentile(slope, [50, 95, 100]) == pytest.approx([5.5, 13.6, 25.6], abs=0.06)
    published = load_terrain(path, band=2).height
    assert np.median(np.abs(published - slope)) < 0.5
    surface = Surface.from_terrain(terrain, 0.4)
    gx, gy = np.meshgrid(terrain.x, terrain.y)
    assert np.median(np.degrees(surface.tilt(gx, gy))) == pytest.approx(5.5, abs=0.1)


def test_the_bands_of_the_moon_differ() -> None:
    rocks = load_terrain(real("moon_aristarchus_imp.tif"), band=3).height
    assert 0.0 < np.nanmin(rocks) < np.nanmax(rocks) < 0.1


def test_the_mars_yard() -> None:
    terrain = load_terrain(real("marsyard2021.tif"))
    assert terrain.height.shape == (500, 500)
    assert terrain.extent == pytest.approx((-23.453, -25.453, 23.453, 21.453))
    assert np.median(np.degrees(terrain_slope(terrain))) == pytest.approx(13.0, abs=0.2)
    surface = Surface.from_terrain(terrain, 0.4)
    gx, gy = np.meshgrid(terrain.x, terrain.y)
    assert 5.0 < np.median(np.degrees(surface.tilt(gx, gy))) < 13.0  # smoothing only calms it
