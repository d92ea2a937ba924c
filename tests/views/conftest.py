"""One made bag for all tests of the views."""

from __future__ import annotations

from pathlib import Path

import pytest
from views_cases import write_bag


@pytest.fixture(scope="session")
def made_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("made") / "bag")
