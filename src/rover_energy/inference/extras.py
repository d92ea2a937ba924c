"""Optional packages of learning and deployment, imported when first needed."""

from __future__ import annotations

import importlib
from typing import Any

from rover_energy.errors import MissingExtraError

EXTRA = "infer"


def need(module: str, purpose: str, package: str = "", extra: str = EXTRA) -> Any:
    """Import an optional module. Raises MissingExtraError that names its package and the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package or module.partition(".")[0], extra, purpose) from None
