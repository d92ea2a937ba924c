"""Picture of one problem of energy_map.py: what the rover sees, the true soil, the predicted soil and the plans.

    python benchmarks/energy_map_picture.py --seed 0 --problem 0 --out docs/images/energy_map.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import energy_map
import numpy as np

from rover_energy.inference.learning.export import Session
from rover_energy.planning.worker import SolverProcess

COLOURS = {"firm": "#c43c39", "predicted": "#1f77b4", "oracle": "#111111"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--problem", type=int, default=0)
    arguments.add_argument("--network", type=Path, default=None, help="ONNX file instead of training one here")
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    network = Session(options.network) if options.network else energy_map.trained(options.seed, quick=False)
    world, maps, ends, scene = energy_map.problem(options.problem, options.seed, network)
    with SolverProcess() as solver:
        plans = {arm: energy_map.planned(arm, world, maps, ends, solver)[0] for arm in COLOURS}
    states = {arm: plan.trajectory.evaluate(np.linspace(0.0, plan.duration, 400)) for arm, plan in plans.items()}
    draw(options.out, maps, scene, states)


def draw(out: Path, maps: Any, scene: Any, states: Any) -> None:
    """Three maps side by side; the plans on the true soil."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    side = scene.terrain.cell * (len(scene.image) - 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
    extent = (0.0, side, 0.0, side)
    shown = {"origin": "lower", "extent": extent}
    axes[0].imshow(scene.image, cmap="gray", **shown)
    soil = {"vmin": 1.0, "vmax": 3.2, "cmap": "YlOrBr", **shown}
    axes[1].imshow(maps["predicted"].factor, **soil)
    last = axes[2].imshow(scene.factor, **soil)
    titles = ("image (with heights: all that is known)", "predicted resistance / firm", "true resistance / firm, and plans")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xlabel="x [m]")
    axes[0].set_ylabel("y [m]")
    for arm, state in states.items():
        axes[2].plot(state.x, state.y, color=COLOURS[arm], lw=2.0, ls="--" if arm == "oracle" else "-", label=arm)
    axes[2].legend(loc="lower left", title="planned with soil")
    figure.colorbar(last, ax=axes[1:], label="factor", shrink=0.85)
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main()
