"""Figures of the footprint ledger: published values and the identities that they rest on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.footprint import CarbonRow, Computation, carbon_shares, green_algorithms, water_on_site

HOUR = 3600.0
#: computation and its published footprint [kWh], with the constants of v3.0
PUBLISHED = (
    (Computation(seconds=12 * HOUR, cores=2, core_power=4.4, memory=23.0), 0.3251196),
    (Computation(seconds=HOUR, cores=4, core_power=1.6, memory=4.0, pue=1.0), 0.00789),
    (Computation(seconds=12 * HOUR, cores=12, core_power=15.8, memory=64.0), 3.9955968),
)
#: wet-bulb temperature [F] and water on site [L/kWh] of the published code
WATER = ((50.0, 3.12), (60.0, 3.7932), (70.0, 4.656), (80.0, 6.144))


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    energy = max(abs(green_algorithms(c).kilowatt_hours / kwh - 1.0) for c, kwh in PUBLISHED)
    water = max(abs(water_on_site((f - 32.0) / 1.8 + 273.15) / litres - 1.0) for f, litres in WATER)
    identity = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        rows = [CarbonRow(str(i), *(float(v) for v in rng.lognormal((5.0, 11.0, 5.5), (1.0, 1.0, 0.5)))) for i in range(200)]
        pairs = [
            (r.carbon, green_algorithms(
                Computation(seconds=r.seconds, cores=0, gpus=1, gpu_power=r.power, pue=1.0, carbon_intensity=r.intensity)
            ).carbon) for r in rows
        ]  # fmt: skip
        error = max(abs(a / b - 1.0) for a, b in pairs)
        identity.append(max(error, abs(sum(carbon_shares(rows).values()) - 1.0)))
    kind = "arithmetic"
    return [
        Figure("Green Algorithms", "largest relative error to published values", (energy,), 1e-6, False, kind),
        Figure("Counting Carbon", "C = P t I and its shares, largest relative error", tuple(identity), 1e-9, False, kind),
        Figure("water", "largest relative error to the published code", (water,), 2e-3, False, kind),
    ]
