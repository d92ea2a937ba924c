"""Where the interface package lies, and its definitions cut into sections."""

from __future__ import annotations

from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "ros_ws" / "src" / "rover_energy_interfaces"
SECTIONS = {".msg": ("",), ".srv": ("_Request", "_Response"), ".action": ("_Goal", "_Result", "_Feedback")}


@pytest.fixture(scope="session")
def interface_package() -> Path:
    return PACKAGE


@pytest.fixture(scope="session")
def definitions() -> dict[str, str]:
    """Text of every section, by its type name: `rover_energy_interfaces/msg/PowerState`, `.../srv/Quote_Request`, ..."""
    found = {}
    for suffix, endings in SECTIONS.items():
        for path in sorted(PACKAGE.glob(f"*/*{suffix}")):
            texts = f"\n{path.read_text(encoding='utf-8')}".split("\n---\n")
            assert len(texts) == len(endings), f"{path.name}: {len(texts)} sections instead of {len(endings)}"
            for ending, text in zip(endings, texts, strict=True):
                found[f"{PACKAGE.name}/{path.parent.name}/{path.stem}{ending}"] = text
    return found
