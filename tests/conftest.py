"""What all tests share: examples made by hypothesis are the same in every run, unless HYPOTHESIS_PROFILE asks for fresh ones."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.register_profile("fresh", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
