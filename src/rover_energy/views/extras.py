"""Optional packages of the views, imported when first needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from rover_energy.errors import MissingExtraError

EXTRA = "views"
PACKAGES = {"foxglove": "foxglove-sdk", "rerun": "rerun-sdk"}


def need(module: str, purpose: str) -> ModuleType:
    """Import an optional module. Raises MissingExtraError that names its package, the extra that brings it, and for what."""
    try:
        return importlib.import_module(module)
    except ImportError:
        root = module.partition(".")[0]
        raise MissingExtraError(PACKAGES.get(root, root), EXTRA, purpose) from None
