"""What runs cost each other: whoever comes while another run holds the power must wait, and may be too late."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def held_against(count: float, seconds: Array, period: float, slack: Array) -> Array:
    """Chance that a run is under way which still lasts longer than a newcomer can wait [-], (newcomer's, runner's options).

    Runs that begin at random, `count` in a period [s], each of `seconds` (m,); the newcomer waits at most `slack` (n,) [s].
    Of the runs that are seen at a random instant, the rest still to come is spread evenly over their length.
    """
    return np.minimum(1.0, count / period * np.maximum(0.0, seconds[None, :] - slack[:, None]))


def expected_worths(
    counts: Sequence[float], full: Sequence[Array], fallback: Sequence[float], seconds: Sequence[Array],
    powers: Sequence[Array], slacks: Sequence[Array], *, limit: float, period: float,
) -> Array:  # fmt: skip
    """Worth of every combination of one option per task, with what they take from each other, shape (options of task 0, ...).

    A request finds its option's power free unless a run of one other task, or runs of two others together, leave too
    little of it for longer than the request can wait; then it is worth its fallback. The others are taken to be
    independent of each other.

    Parameters
    ----------
    counts : sequence of float
        Runs of each task in a period.
    full, seconds, powers, slacks : sequence of ndarray
        Per task and option: worth when all runs find their power; length [s]; peak power [W]; time a request can wait
        before that option is too late [s].
    fallback : sequence of float
        Worth per task when none does.
    limit, period : float
        Power that all runs share [W]; [s].
    """
    n = len(full)
    total = np.zeros([len(f) for f in full])

    def along(values: Array, *axes: int) -> Array:
        """Values as part of the whole table: their axes in its order, all others broadcast."""
        order = np.argsort(axes)
        shape = [1] * n
        for axis in axes:
            shape[axis] = total.shape[axis]
        return values.transpose(order).reshape(shape)

    for i in range(n):
        alone = {j: held_against(counts[j], seconds[j], period, slacks[i]) for j in range(n)}
        free = np.ones_like(total)
        crowd = {j: (powers[i][:, None] + powers[j][None, :] > limit) & (powers[j] > 0.0)[None, :] for j in range(n)}
        for j in range(n):
            free = free * (1.0 - (along(alone[j] * crowd[j], i, j) if j != i else along(np.diagonal(alone[i] * crowd[i]), i)))
        for j in range(n):
            for k in range(j + 1, n):
                if i not in (j, k):
                    three = powers[i][:, None, None] + powers[j][None, :, None] + powers[k][None, None, :] > limit
                    pairs = powers[j][:, None] + powers[k][None, :] <= limit
                    only = three & ~crowd[j][:, :, None] & ~crowd[k][:, None, :] & pairs[None, :, :]
                    both = alone[j][:, :, None] * alone[k][:, None, :] * only
                    free = free * (1.0 - along(both, i, j, k))
        total = total + free * along(full[i], i) + (1.0 - free) * fallback[i]
    return total
