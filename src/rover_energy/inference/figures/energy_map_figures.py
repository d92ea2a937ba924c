"""Figures of the maps: what nonlocality is worth for sunlight and for soft soil, and what the exact sunlight costs instead."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rover_energy.inference.energy_maps import CONFIDENCE
from rover_energy.inference.figures.figure import Figure
from rover_energy.inference.learning import maps, unet
from rover_energy.inference.learning.export import Session
from rover_energy.inference.learning.graphs import write_unet
from rover_energy.inference.tasks import irradiance_maps, soil_maps

KINDS = {"unet": 0, "1x1": 1, "3x3": 3, "7x7": 7}


def light(seed: int) -> dict[str, float]:
    """R2 and F1 of the shade for each network; joules of the U-Net and of the exact sweep, one map."""
    data = maps.maps_of(irradiance_maps.make_maps, seed)
    found: dict[str, float] = {}
    for name, cells in KINDS.items():
        network = maps.light_network(data, seed, cells)
        answers = unet.apply(network, data.test_x)
        found[name] = irradiance_maps.explained(answers, data.test_y)
        found[f"shade {name}"] = irradiance_maps.shadow_score(answers, data.test_y)
        if cells == 0:
            with TemporaryDirectory() as folder:
                write_unet(network, irradiance_maps.CHANNELS, Path(folder) / "light.onnx")
                session = Session(Path(folder) / "light.onnx")
            found["joules"] = maps.metered(partial(session, np.ascontiguousarray(data.test_x[:1]))).energy.joules
    ground = irradiance_maps.make_ground(np.random.default_rng(seed))
    elevation = irradiance_maps.LOWEST
    found["exact"] = maps.metered(lambda: irradiance_maps.exact_irradiance(ground, elevation)).energy.joules
    return found


def soil(seed: int) -> dict[str, float]:
    """R2 of each network, and how much of the ground lies below the U-Net's upper estimate."""
    data = maps.maps_of(soil_maps.make_maps, seed)
    found: dict[str, float] = {}
    for name, cells in KINDS.items():
        answers = unet.apply(maps.soil_network(data, seed, cells), data.test_x)
        found[name] = irradiance_maps.explained(maps.resistance(answers[:, :1]), maps.resistance(data.test_y))
        if cells == 0:
            found["cover"] = float(np.mean(data.test_y[:, 0] <= np.maximum(answers[:, 0], answers[:, 1])))
    return found


def figures(seeds: Sequence[int]) -> list[Figure]:
    """Rows of the table."""
    lit, ground = [light(seed) for seed in seeds], [soil(seed) for seed in seeds]
    column = {name: tuple(f[name] for f in lit) for name in lit[0]}
    patch = {name: tuple(f[name] for f in ground) for name in ground[0]}
    above = {name: tuple(u - v for u, v in zip(column["unet"], column[name], strict=True)) for name in KINDS}
    below = {name: tuple(u - v for u, v in zip(patch["unet"], patch[name], strict=True)) for name in KINDS}
    ratio = tuple(u / v for u, v in zip(column["joules"], column["exact"], strict=True))
    paper, whatever, cpu = "ERA5 gravity waves: other data, the same three degrees of nonlocality", float("inf"), "measured"
    return [
        Figure("irradiance map", "R2 of the Attention U-Net", column["unet"], 0.85, True, cpu, column["7x7"], "7x7", paper),
        Figure("irradiance map", "R2 above 3x3", above["3x3"], 0.08, True, cpu, column["3x3"], "3x3", paper),
        Figure("irradiance map", "R2 above 1x1", above["1x1"], 0.2, True, cpu, column["1x1"], "1x1", paper),
        Figure("irradiance map", "F1 of the shade", column["shade unet"], whatever, True, cpu, column["shade 7x7"], "7x7"),
        Figure("irradiance map", "joules over the exact sweep", ratio, whatever, False, cpu, column["exact"], "exact [J]"),
        Figure("soil map", "R2 of the Attention U-Net", patch["unet"], 0.85, True, "generated world", patch["7x7"], "7x7"),
        Figure("soil map", "R2 above 3x3", below["3x3"], 0.08, True, "generated world", patch["3x3"], "3x3"),
        Figure("soil map", "R2 above 1x1", below["1x1"], 0.2, True, "generated world", patch["1x1"], "1x1"),
        Figure(
            "soil map", f"ground below the {CONFIDENCE:g} estimate", patch["cover"], CONFIDENCE - 0.02, True, "generated world"
        ),
    ]
