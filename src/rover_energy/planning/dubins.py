"""Shortest curves of bounded curvature between two poses, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WORDS = ("LSL", "RSR", "LSR", "RSL", "RLR", "LRL")
_SIGN = {"L": 1.0, "S": 0.0, "R": -1.0}
_TURN = 2.0 * math.pi


def dubins_words(start: Sequence[float], goal: Sequence[float], radius: float) -> NDArray[np.float64]:
    """All Dubins words between two poses.

    Parameters
    ----------
    start, goal : (3,) sequences
        x [m], y [m], heading [rad].
    radius : float
        Turning radius [m].

    Returns
    -------
    (6, 3, 2) array
        Curvature [1/m] and length [m] of the three pieces of each of `WORDS`; lengths infinite where a word does not exist.

    Notes
    -----
    Dubins (1957), doi:10.2307/2372560; closed forms after Shkel & Lumelsky (2001), doi:10.1016/S0921-8890(00)00127-5.
    """
    dx, dy = goal[0] - start[0], goal[1] - start[1]
    bearing, d = math.atan2(dy, dx), math.hypot(dx, dy) / radius
    a, b = start[2] - bearing, goal[2] - bearing
    table = np.empty((len(WORDS), 3, 2))
    for w, word in enumerate(WORDS):
        table[w, :, 0] = [_SIGN[letter] / radius for letter in word]
        table[w, :, 1] = [radius * part for part in _parts(word, d, a, b)]
    return table


def _parts(word: str, d: float, a: float, b: float) -> tuple[float, float, float]:
    """Lengths of the pieces over the radius; d over the radius, headings from the line between the positions."""
    sign = _SIGN[word[0]]
    sa, sb, ca, cb, cab = math.sin(a), math.sin(b), math.cos(a), math.cos(b), math.cos(a - b)
    missing = (math.inf, math.inf, math.inf)
    if word[1] == "S" and word[0] == word[2]:
        square = 2.0 + d * d - 2.0 * cab + sign * 2.0 * d * (sa - sb)
        angle = math.atan2(sign * (cb - ca), d + sign * (sa - sb))
        return _wrap(sign * (angle - a)), math.sqrt(max(0.0, square)), _wrap(sign * (b - angle))
    if word[1] == "S":
        square = d * d - 2.0 + 2.0 * cab + sign * 2.0 * d * (sa + sb)
        if square < 0.0:
            return missing
        middle = math.sqrt(square)
        angle = math.atan2(-sign * (ca + cb), d + sign * (sa + sb)) - math.atan2(-sign * 2.0, middle)
        return _wrap(sign * (angle - a)), middle, _wrap(sign * (angle - b))
    cosine = (6.0 - d * d + 2.0 * cab + sign * 2.0 * d * (sb - sa)) / 8.0
    if abs(cosine) > 1.0:
        return missing
    middle = _TURN - math.acos(cosine)
    first = _wrap(sign * (math.atan2(sign * (cb - ca), d + sign * (sa - sb)) - a) + middle / 2.0)
    return first, middle, _wrap(sign * (b - a) - first + middle)


def _wrap(angle: float) -> float:
    """To [0, 2 pi), with a whole turn by rounding counted as none."""
    angle %= _TURN
    return 0.0 if angle > _TURN - 1e-9 else angle
