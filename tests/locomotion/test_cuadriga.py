"""Reader of the field logs: projection against a series-free integral, faults, the frame of the height map, bad files."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from rover_energy.errors import InputError
from rover_energy.locomotion.cuadriga import read_logs, read_site, utm_zone_30
from rover_energy.terrain.surface import Surface

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).parents[2] / "../shared/data")) / "cuadriga"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"reference data not found at {DATA}; set ROVER_ENERGY_DATA")
LATITUDE, LONGITUDE = 36.716, -4.489


def test_the_central_meridian_has_the_length_of_the_ellipse() -> None:
    a, f = 6378137.0, 1.0 / 298.257223563
    e2 = f * (2.0 - f)
    arc = quad(lambda p: a * (1.0 - e2) / (1.0 - e2 * math.sin(p) ** 2) ** 1.5, 0.0, math.radians(LATITUDE), epsabs=1e-9)[0]
    east, north = utm_zone_30(LATITUDE, -3.0)
    assert east == pytest.approx(500000.0, abs=1e-6)
    assert north == pytest.approx(0.9996 * arc, abs=1e-3)


def test_the_projection_is_conformal_and_has_the_radii_of_the_ellipsoid() -> None:
    # Metres per degree along parallel and meridian from the ellipsoid's radii; the map scales both by one factor and turns.
    a, f, step = 6378137.0, 1.0 / 298.257223563, 1e-5
    e2, sine = f * (2.0 - f), math.sin(math.radians(LATITUDE))
    meridian = a * (1.0 - e2) / (1.0 - e2 * sine**2) ** 1.5 * math.radians(2.0 * step)
    parallel = a / math.sqrt(1.0 - e2 * sine**2) * math.cos(math.radians(LATITUDE)) * math.radians(2.0 * step)
    up = np.subtract(utm_zone_30(LATITUDE + step, LONGITUDE), utm_zone_30(LATITUDE - step, LONGITUDE)) / meridian
    right = np.subtract(utm_zone_30(LATITUDE, LONGITUDE + step), utm_zone_30(LATITUDE, LONGITUDE - step)) / parallel
    assert np.hypot(*up) == pytest.approx(np.hypot(*right), rel=1e-6)
    assert up @ right == pytest.approx(0.0, abs=1e-6)
    # Point scale of the transverse Mercator: 0.9996 (1 + (E - 500 km)^2/(2 R^2) + ...).
    offset = float(utm_zone_30(LATITUDE, LONGITUDE)[0]) - 500000.0
    assert np.hypot(*up) == pytest.approx(0.9996 * (1.0 + (offset / 0.9996) ** 2 / (2.0 * 6.37e6**2)), rel=1e-6)


@needs_data
def test_faults_are_counted_and_never_used() -> None:
    logs = {log.name: log for log in read_logs(DATA)}
    assert len(logs) == 22
    assert logs["slopeTest06"].dropped["encoder faults"] == 44
    assert logs["slopeTest08"].dropped["encoder faults"] == 45
    for log in logs.values():
        assert log.quantity == "current"
        assert np.all(np.isfinite(log.along_slope[log.usable]))
        assert np.all(log.signal >= 0.0)


@needs_data
def test_the_map_lies_under_the_tracks_and_no_mirrored_map_does() -> None:
    # The inertial unit's pitch has seen the same slopes; only the right order of rows and columns agrees with it.
    def agreement(height: np.ndarray) -> float:
        from dataclasses import replace

        site = read_site(DATA)
        surface = Surface.from_terrain(replace(site, height=height), 1.0)
        mapped, felt = read_logs(DATA, surface), read_logs(DATA, surface, slope="imu")
        used = np.concatenate([log.usable for log in mapped])
        pair = [np.concatenate([log.along_slope for log in logs])[used] for logs in (mapped, felt)]
        return float(np.corrcoef(pair)[0, 1])

    height = read_site(DATA).height
    right = agreement(height)
    assert right > 0.65
    assert right > max(agreement(height.T), agreement(height[::-1]), agreement(height[:, ::-1])) + 0.3


@needs_data
def test_site_is_the_published_grid() -> None:
    site = read_site(DATA)
    assert site.height.shape == (200, 200)
    assert site.cell == 1.0


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"site_dem_1m\.csv"):
        read_site(tmp_path)
    np.savetxt(tmp_path / "site_dem_1m.csv", np.zeros((20, 20)))
    np.savetxt(tmp_path / "site_dem_1m_offset.csv", [[0.0, 0.0]])
    with pytest.raises(InputError, match="no log found"):
        read_logs(tmp_path)
    (tmp_path / "run.txt").write_text("not a log\n")
    with pytest.raises(InputError, match="only 0 are complete"):
        read_logs(tmp_path)
    with pytest.raises(InputError, match="slope"):
        read_logs(tmp_path, slope="guess")
