"""What a plan meets on the raw ground, looked at before the drive: a rover that would get stuck on its way does not leave.

Plans are made on a surface smoothed over the footprint. On rough ground the wheels lean the body further than that surface does,
which turns the array and may topple the rover; the map shows it, see `stance`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from rover_energy.control.command import Stop, StopReason
from rover_energy.control.reference import ROW, Reference
from rover_energy.control.stance import stance_at
from rover_energy.control.watch import LEANING
from rover_energy.terrain.raster import Terrain


def foreseen_power_stop(reference: Reference, *, constant: float, battery: float, margin: float) -> Stop | None:
    """The stop that a lack of power will make, or None.

    Parameters
    ----------
    reference : Reference
        With the supply on the raw ground, if that is known.
    constant : float
        Loads but motion [W].
    battery : float
        What the battery may add at most [W].
    margin : float
        Kept below what is available [W]; what does not leave even this leaves nothing to drive with.
    """
    room = reference.table[ROW["supply_power"]] + battery - constant
    least = int(np.argmin(room))
    if room[least] >= margin:
        return None
    told = f"foreseen: {room[least]:.1f} W for motion at {least * reference.step:.1f} s of the plan, {margin:.1f} are needed"
    return Stop(StopReason.POWER, 0.0, told, foreseen=True)


def foreseen_tilt_stop(reference: Reference, terrain: Terrain, wheels: ArrayLike, *, tilt: float) -> Stop | None:
    """The stop that the body's lean over its six wheels will make, or None.

    Parameters
    ----------
    reference : Reference
    terrain, wheels
        As for `stance.stance_at`.
    tilt : float
        Most lean at which the rover is not stopped [rad].
    """
    x, y, heading = (reference.table[ROW[name]] for name in ("x", "y", "heading"))
    stance = stance_at(terrain, wheels, x, y, heading)
    lean = np.arctan(np.hypot(stance.forward, stance.leftward))
    # What `Watch` lets pass, because it is over so soon, is no reason either.
    lean = ndimage.minimum_filter1d(lean, max(1, round(LEANING / reference.step)), mode="nearest")
    most = int(np.argmax(lean))
    if lean[most] <= tilt:
        return None
    told = f"foreseen: {lean[most]:.3f} rad at {most * reference.step:.1f} s of the plan, {tilt:.3f} are allowed"
    return Stop(StopReason.TILT, 0.0, told, foreseen=True)
