"""Optional packages, imported when first needed."""

from __future__ import annotations

import importlib
from types import ModuleType

from rover_energy.errors import MissingExtraError

EXTRA = "audit"


def need(module: str, package: str = "", purpose: str = "reading bags") -> ModuleType:
    """Import an optional module. Raises MissingExtraError that names its package and the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package or module.partition(".")[0], EXTRA, purpose) from None


def zstd() -> ModuleType:
    """Zstandard of the standard library (Python 3.14 and later) or its backport, which comes with rosbags."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return need("backports.zstd", "backports.zstd", "a bag compressed with zstd")
