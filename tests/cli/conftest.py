"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_cases import rolling_ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rolling_ground(tmp_path_factory.mktemp("ground") / "ground.npz")
