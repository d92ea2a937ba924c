"""MuJoCo, imported when first needed."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType

from rover_energy.errors import MissingExtraError

EXTRA = "simulation"
_LOG = logging.getLogger(__name__)


def need_mujoco(purpose: str) -> ModuleType:
    """The module mujoco. Raises MissingExtraError, saying for what it is needed."""
    try:
        mujoco = importlib.import_module("mujoco")
    except ImportError:
        raise MissingExtraError("mujoco", EXTRA, purpose) from None
    # Otherwise the engine writes its warnings to MUJOCO_LOG.TXT in whatever directory the program runs in.
    mujoco.set_mju_user_warning(_LOG.warning)
    return mujoco
