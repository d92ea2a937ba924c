"""The tools that hold the source to its style, run as `make lint` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
OLD_NUMPY = tuple(int(part) for part in np.__version__.split(".")[:2]) < (2, 3)


def run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, f"{done.stdout}{done.stderr}"


def test_ruff() -> None:
    code, shown = run("ruff", "check", "--output-format=concise", ".")
    assert code == 0, f"ruff check:\n{shown}"


@pytest.mark.skipif(OLD_NUMPY, reason="the annotations of numpy before 2.3 (all that Python 3.10 has) lose types in arithmetic")
def test_mypy() -> None:
    code, shown = run("mypy")
    assert code == 0, f"mypy:\n{shown}"
