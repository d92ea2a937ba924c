"""Still pictures and the terrain's report."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rover_energy.environment.scene import Environment
from rover_energy.report import terrain_report, write_report, write_terrain_report
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface


def test_pictures_have_ink_in_the_colours_of_the_palette(traverse: Any, tmp_path: Path) -> None:
    files = write_report(tmp_path / "new" / "folder", title="Pictures", **traverse.arguments())
    assert set(files.pictures) == {"overview", "map", "power", "battery"}
    sizes = {}
    for name, path in files.pictures.items():
        image = np.asarray(Image.open(path).convert("RGB")).astype(int)
        sizes[name] = image.shape
        assert path.name == f"{name}.png"
        assert image.std() > 10.0
    assert sizes["overview"][1] == 2600
    power = np.asarray(Image.open(files.pictures["power"]).convert("RGB")).reshape(-1, 3).tolist()
    assert power.count([0x00, 0x72, 0xB2]) > 10_000  # driving
    assert power.count([0xCC, 0x79, 0xA7]) > 1_000  # inference


@pytest.fixture(autouse=True)
def _coarse_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terrain_report, "PIXELS", 450)


@pytest.fixture(scope="module", name="slope")
def slope_fixture() -> Terrain:
    """A plane that falls 0.2 per metre towards north, a corner without data."""
    _, y = np.meshgrid(np.arange(0.0, 30.01, 0.5), np.arange(0.0, 20.01, 0.5))
    height = -0.2 * y
    height[:8, :8] = np.nan
    return Terrain(height, 0.0, 0.0, 0.5, "a <plane>")


def test_terrain_report_states_the_slope_of_a_plane(slope: Terrain, tmp_path: Path) -> None:
    scene = Environment.constant(1.62, 0.0, np.radians(30.0), 1361.0, terrain=slope)
    files = write_terrain_report(tmp_path, terrain=slope, surface=Surface.from_terrain(slope, 0.0), environment=scene)
    html = files.html.read_text(encoding="utf-8")
    degrees = float(np.degrees(np.arctan(0.2)))
    assert f"<dd>{degrees:.1f}°</dd>" in html
    assert "<dt>Relief</dt><dd>4<small>" in html
    assert "a &lt;plane&gt;" in html
    assert {"map-relief", "map-slope", "map-light"} <= set(re.findall(r'id="([a-z-]+)"', html))
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert files.pictures["terrain"].stat().st_size > 20_000


def test_unknown_ground_is_transparent_on_the_slope_map(slope: Terrain, tmp_path: Path) -> None:
    files = write_terrain_report(tmp_path, terrain=slope, surface=Surface.from_terrain(slope, 0.0))
    html = files.html.read_text(encoding="utf-8")
    assert "map-light" not in html
    uri = re.search(r'id="map-slope".*?href="data:image/png;base64,([^"]+)"', html, re.DOTALL)
    assert uri
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.group(1)))))
    assert image.shape[1] == 450
    assert image[-5, 5, 3] == 0  # south-west corner
    assert image[5, 5, 3] == 255
    assert len(np.unique(image[50:125, 50:-50, :3].reshape(-1, 3), axis=0)) <= 3  # one slope, one colour


def test_darkness_is_dark(slope: Terrain, tmp_path: Path) -> None:
    files = write_terrain_report(
        tmp_path, terrain=slope, surface=Surface.from_terrain(slope, 0.0), environment=Environment.dark(1.62)
    )
    assert "<dt>Sunlit ground</dt><dd>0<small>" in files.html.read_text(encoding="utf-8")
