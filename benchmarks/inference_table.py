"""Acceptance figures of inference over several seeds, each beside its honest baseline: the table of `rover-energy infer table`.

    python benchmarks/inference_table.py --problems 3 --seed 0 [--systems cascade tiers]

`--problems` is the number of seeds, counted up from `--seed`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

import common

from rover_energy.inference.figures.figure import SYSTEMS, TITLES, Figure, compute


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 0 when every figure is reached."""
    arguments = common.parser(__doc__, problems=3, quick=1)
    arguments.add_argument("--systems", nargs="*", default=[], help=f"of {', '.join(SYSTEMS)}; default all")
    options = common.parse(arguments, argv)
    if options.quick and not options.systems:
        options.systems = ["tiers", "footprint"]
    seeds = [options.seed + k for k in range(options.problems)]
    names = options.systems or list(SYSTEMS)
    found: list[Figure] = []
    for name in common.progress(names, len(names), "figures"):
        found += compute([name], seeds)
    print(common.table(TITLES, [figure.row() for figure in found], f"{len(seeds)} seeds from {options.seed}"))
    common.write_json(options.json, "inference_table", options.seed, [{**asdict(f), "reached": f.reached} for f in found])
    return 0 if options.quick or all(f.reached for f in found if abs(f.wanted) < float("inf")) else 1


if __name__ == "__main__":
    sys.exit(main())
