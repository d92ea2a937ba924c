"""MuJoCo, imported when first needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from rover_energy.errors import MissingExtraError

EXTRA = "simulation"


def need_mujoco(purpose: str) -> ModuleType:
    """The module mujoco. Raises MissingExtraError, saying for what it is needed."""
    try:
        return importlib.import_module("mujoco")
    except ImportError:
        raise MissingExtraError("mujoco", EXTRA, purpose) from None
