"""Reader for the field logs of the skid-steer rover Cuadriga (spaceuma/CAMIS_python, 2019) and the height map of their site.

The logs hold motor currents, no voltage and no mass, so they tell the shape of the demand, not its scale. Slopes come
from the height map along the motion, as a planner would take them, or from the tilted inertial unit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.drive_log import DriveLog
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

Array = NDArray[np.float64]
COLUMNS = 16
FAULT = -999.0
"""Wheel speeds at or below this mark a fault of the encoder (they are logged as -1000)."""
WORST_POSITION_ERROR = 0.5
"""Samples with a larger reported GPS error [m] are not used; with corrections it is 0.01 to 0.05 m."""
LEAST_WHEEL_SPEED = 3.0
"""Both wheels must turn forward faster than this, in the unit of the log (cruise is about 22)."""
YAW_FILTER = 5
POSITION_FILTER = 11
"""Samples of the Savitzky-Golay filters, at 10 Hz: the shortest that hide the steps of 0.1 deg and of 1 cm."""
_PITCH, _YAW = 7, 8


def utm_zone_30(latitude: ArrayLike, longitude: ArrayLike) -> tuple[Array, Array]:
    """Easting and northing [m] on WGS 84 / UTM zone 30 north from degrees.

    Kruger's series to third order in the third flattening (C. F. F. Karney, J. Geodesy 85:475, 2011,
    10.1007/s00190-011-0445-3); better than 1 mm within the zone.
    """
    flattening = 1.0 / 298.257223563
    n = flattening / (2.0 - flattening)
    radius = 6378137.0 / (1.0 + n) * (1.0 + n**2 / 4.0 + n**4 / 64.0)
    alpha = (n / 2.0 - 2.0 * n**2 / 3.0 + 5.0 * n**3 / 16.0, 13.0 * n**2 / 48.0 - 3.0 * n**3 / 5.0, 61.0 * n**3 / 240.0)
    e = math.sqrt(flattening * (2.0 - flattening))
    sine = np.sin(np.radians(np.asarray(latitude, dtype=float)))
    difference = np.radians(np.asarray(longitude, dtype=float) + 3.0)
    conformal = np.sinh(np.arctanh(sine) - e * np.arctanh(e * sine))
    xi, eta = np.arctan2(conformal, np.cos(difference)), np.arcsinh(np.sin(difference) / np.hypot(conformal, np.cos(difference)))
    east, north = eta.copy(), xi.copy()
    for order, coefficient in enumerate(alpha, 1):
        east += coefficient * np.cos(2 * order * xi) * np.sinh(2 * order * eta)
        north += coefficient * np.sin(2 * order * xi) * np.cosh(2 * order * eta)
    return 500000.0 + 0.9996 * radius * east, 0.9996 * radius * north


def read_site(folder: str | Path) -> Terrain:
    """Height map of the site, 200 x 200 nodes at 1 m; the map frame starts at its first node.

    Raises InputError when the file is missing or not a table of numbers.
    """
    path = Path(folder) / "site_dem_1m.csv"
    return Terrain(height=_table(path), x0=0.0, y0=0.0, cell=1.0, name="cuadriga site")


def _table(path: Path) -> Array:
    try:
        return np.loadtxt(path, dtype=float, ndmin=2)
    except (OSError, ValueError):
        raise InputError(str(path), "file", "is missing or not a table of numbers", "check ROVER_ENERGY_DATA") from None


def read_logs(
    folder: str | Path, surface: Surface | None = None, *, footprint: float = 1.0, slope: str = "dem"
) -> list[DriveLog]:
    """Read every log of the folder.

    Parameters
    ----------
    folder : path
        With the logs, `site_dem_1m.csv` and `site_dem_1m_offset.csv`.
    surface : Surface, optional
        The site; by default `read_site` smoothed with `footprint` [m].
    slope : str
        'dem': slope of the surface along the motion. 'imu': pitch of the inertial unit less its mounting angle, which is
        the median difference to the 'dem' slope over all logs; the currents have no part in it.

    Returns
    -------
    list of DriveLog
        Quantity 'current': sum of the magnitudes of the two motor currents [A].

    Raises
    ------
    InputError
        When there is no log, or a file cannot be read.
    """
    if slope not in ("dem", "imu"):
        raise InputError("cuadriga", "slope", "unknown choice", "use dem or imu", slope)
    site = surface if surface is not None else Surface.from_terrain(read_site(folder), footprint)
    origin = _table(Path(folder) / "site_dem_1m_offset.csv").ravel()
    paths = sorted(path for path in Path(folder).glob("*.txt"))
    if not paths:
        raise InputError(str(folder), "*.txt", "no log found", "check ROVER_ENERGY_DATA")
    tables = [_read_rows(path) for path in paths]
    logs = [_build(path.stem, table, bad, site, origin) for path, (table, bad) in zip(paths, tables, strict=True)]
    return logs if slope == "dem" else _with_imu_slope(logs, [table for table, _ in tables])


def _read_rows(path: Path) -> tuple[Array, int]:
    """Complete rows as numbers, time in seconds last, and the count of rows that are not."""
    rows, bad = [], 0
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(str(path), "file", "cannot be read as text", "check the file") from None
    for line in text.splitlines():
        parts = line.split()
        try:
            hours, minutes, seconds = (float(part) for part in parts[-1].split(":"))
            values = [float(part) for part in parts[:-1]]
        except (ValueError, IndexError):
            bad += 1
            continue
        if len(values) == COLUMNS - 1:
            rows.append([*values, 3600.0 * hours + 60.0 * minutes + seconds])
        else:
            bad += 1
    table = np.array(rows)
    if len(rows) < 2 * POSITION_FILTER:
        raise InputError(str(path), "rows", f"only {len(rows)} are complete", "leave the file out")
    later = np.concatenate(([True], np.diff(np.maximum.accumulate(table[:, -1])) > 0.0))
    return table[later], bad + int(np.sum(~later))


def _build(name: str, table: Array, bad: int, site: Surface, origin: Array) -> DriveLog:
    from scipy.signal import savgol_filter

    t = table[:, -1]
    period = float(np.median(np.diff(t)))
    east, north = utm_zone_30(table[:, 9], table[:, 10])
    filtered = [savgol_filter(values, POSITION_FILTER, 2) for values in (east - origin[0], north - origin[1])]
    velocity = [savgol_filter(values, POSITION_FILTER, 2, deriv=1, delta=period) for values in (east, north)]
    speed_flat = np.hypot(*velocity)
    yaw_rate = savgol_filter(np.unwrap(np.radians(table[:, _YAW])), YAW_FILTER, 1, deriv=1, delta=period)
    gradient = site.gradient(*filtered)
    grade = (gradient[0] * velocity[0] + gradient[1] * velocity[1]) / np.maximum(speed_flat, 1e-6)
    speed = speed_flat * np.sqrt(1.0 + grade**2)
    usable, dropped = _usable(table, t, grade)
    return DriveLog(
        name=name, t=t, speed=speed, yaw_rate=yaw_rate, along_slope=np.arctan(grade),
        acceleration=savgol_filter(speed, POSITION_FILTER, 1, deriv=1, delta=period),
        signal=np.abs(table[:, 4]) + np.abs(table[:, 5]), quantity="current", usable=usable,
        dropped={"incomplete or repeated rows": bad, **dropped},
    )  # fmt: skip


def _usable(table: Array, t: Array, grade: Array) -> tuple[NDArray[np.bool_], dict[str, int]]:
    gap = np.diff(t) > 0.3
    near_gap = np.convolve(np.concatenate(([False], gap)) | np.concatenate((gap, [False])), np.ones(POSITION_FILTER), "same") > 0
    reasons = {
        "encoder faults": np.any(table[:, 2:4] <= FAULT, axis=1),
        "position error": ~(table[:, 14] <= WORST_POSITION_ERROR),
        "off the map": ~np.isfinite(grade),
        "near a gap in time": near_gap,
        "not driving forward": (table[:, 0] == 0.0) | np.any(-table[:, 2:4] < LEAST_WHEEL_SPEED, axis=1),
    }
    return ~np.any(list(reasons.values()), axis=0), {name: int(np.sum(mask)) for name, mask in reasons.items()}


def _with_imu_slope(logs: list[DriveLog], tables: list[Array]) -> list[DriveLog]:
    raw = [-np.radians(table[:, _PITCH]) for table in tables]
    pairs = zip(logs, raw, strict=True)
    mounting = np.median(np.concatenate([(pitch - log.along_slope)[log.usable] for log, pitch in pairs]))
    return [replace(log, along_slope=pitch - mounting) for log, pitch in zip(logs, raw, strict=True)]
