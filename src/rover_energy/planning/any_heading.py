"""Headings at which to arrive where any will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from rover_energy.planning.front_end import find_path
from rover_energy.planning.search import SearchFailure
from rover_energy.planning.world import World

COUNT = 12  # headings that are told apart


def arrival_headings(
    world: World, start: Sequence[float], place: Sequence[float], go_on: Callable[[], bool] = lambda: True
) -> Iterator[float]:
    """Headings at a goal [rad], the most promising first; each is worked out when it is asked for.

    The bearing from the start comes first, as it is mostly the cheapest. It may have no path, where a rock stands just before
    the goal; so it is followed by all others that have one, by the cost of their searched path.

    Parameters
    ----------
    world : World
    start : (3,) sequence
        x [m], y [m], heading [rad].
    place : (2,) sequence
        x [m], y [m] of the goal.
    go_on : callable
        Asked before each search; when it says no, no more headings are searched.

    Raises
    ------
    InputError
        A pose is not finite.
    """
    bearing = math.atan2(float(place[1]) - float(start[1]), float(place[0]) - float(start[0]))
    yield bearing
    ranked = []
    for k in range(1, COUNT):
        if not go_on():
            break
        heading = math.remainder(bearing + 2.0 * math.pi * k / COUNT, 2.0 * math.pi)
        try:
            ranked.append((find_path(world.cost_map, start, (place[0], place[1], heading)).cost, heading))
        except SearchFailure:
            continue
    yield from (heading for _, heading in sorted(ranked))
