"""What all benchmarks share: arguments, the header with machine and versions, a progress bar, statistics, tables.

Every script takes `--problems`, `--seed`, `--json` and `--quick`, prints one table, and needs no more than numpy for that.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
PACKAGES = ("numpy", "scipy", "casadi", "shapely", "toppra", "ompl")
BAR = 30  # characters


def parser(description: str | None, *, problems: int, quick: int) -> argparse.ArgumentParser:
    """Arguments that every benchmark has. `quick` is the number of problems with --quick."""
    result = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    result.add_argument("--problems", type=int, default=None, help=f"how many problems (default {problems}, quick {quick})")
    result.add_argument("--seed", type=int, default=0, help="seed of everything random (default 0)")
    result.add_argument("--json", type=Path, default=None, metavar="FILE", help="also write the results to a file")
    result.add_argument("--quick", action="store_true", help="few problems and short peers: shows that it runs")
    result.set_defaults(usual=problems, quick_problems=quick)
    return result


def parse(arguments: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parsed arguments with `problems` filled in; the header is printed."""
    options = arguments.parse_args(argv)
    if options.problems is None:
        options.problems = options.quick_problems if options.quick else options.usual
    if not options.problems >= 1:
        arguments.error("--problems must be 1 or more")
    print(header(options.seed), flush=True)
    return options


def machine() -> dict[str, Any]:
    """Processor, cores, load and versions of what the figures depend on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "absent"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"processor": processor(), "cores": os.cpu_count(), "load": round(load, 2), "versions": versions}


def processor() -> str:
    """Name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def header(seed: int) -> str:
    """One paragraph that says where and with what the figures were measured."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"machine: {facts['processor']}, {facts['cores']} cores, load {facts['load']:.2f} at the start"
        f" (figures in ms mean little above 0.5 per core)\nversions: {versions}\nseed: {seed}"
    )


def progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items, with a bar on standard error when that is a terminal."""
    began, shown = time.monotonic(), sys.stderr.isatty()
    for done, item in enumerate(items):
        if shown:
            filled = BAR * done // max(total, 1)
            bar = "#" * filled + "." * (BAR - filled)
            print(f"\r{label} [{bar}] {done}/{total} {time.monotonic() - began:.0f} s", end="", file=sys.stderr, flush=True)
        yield item
    if shown:
        print(f"\r{' ' * (len(label) + BAR + 40)}\r", end="", file=sys.stderr, flush=True)


def quantiles(values: Sequence[float], shares: Sequence[float] = (0.5, 0.95, 1.0)) -> list[float]:
    """Quantiles of the finite values; NaN where there are none."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    return [float(np.quantile(array, share)) if array.size else float("nan") for share in shares]


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> str:
    """Plain text table, first column to the left and the others to the right."""
    cells = [[str(c) for c in columns], *([_shown(v) for v in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = [
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    rule = "-" * max(len(line) for line in lines)
    return "\n".join([*([title] if title else []), rule, lines[0], rule, *lines[1:], rule])


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return "-" if np.isnan(value) else f"{value:.4g}"


def write_json(path: Path | None, name: str, seed: int, results: Any) -> None:
    """Results with the machine they were measured on; nothing without a path."""
    if path is None:
        return
    data = {"benchmark": name, "seed": seed, "machine": machine(), "results": _finite(results)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written: {path}")


def _finite(value: Any) -> Any:
    """Plain data for strict JSON: numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float):
        return plain if np.isfinite(plain) else None
    return plain if plain is None or isinstance(plain, bool | int | str) else str(plain)
