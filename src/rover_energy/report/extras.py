"""Optional packages, imported when first needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from rover_energy.errors import MissingExtraError

EXTRA = "report"


def need(module: str, package: str = "") -> ModuleType:
    """Import an optional module. Raises MissingExtraError that names its package and the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package or module.partition(".")[0], EXTRA, "a report with pictures") from None
