"""A small school and a small place, made in a second or two, for whoever tests learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def make_small(patch: pytest.MonkeyPatch, *, epochs: int = 3, curves: Any = None) -> None:
    """Schools and places of few patches from now on. `curves` take the place of a rehearsal."""
    from rover_energy.inference.distil_or_annotate import Rehearsal
    from rover_energy.inference.learning import school

    for name, value in {"SIMULATED": 400, "UNLABELLED": 250, "TEST": 150, "LABELS": (20, 60), "TEACHING_EPOCHS": epochs}.items():
        patch.setattr(school, name, value)
    ground = school.generated_ground
    patch.setattr(school, "generated_ground", lambda seed, place=school.PLACE: ground(seed, place, 250, 150))
    if curves is not None:
        patch.setattr(school, "rehearse", lambda *_: Rehearsal(0.5, *curves))


def small_school(folder: Path, patch: pytest.MonkeyPatch, *, epochs: int = 3, curves: Any = None) -> Any:
    """A school in a folder, built as always but small; its store too."""
    from rover_energy.inference.learning import school
    from rover_energy.inference.store import Store, write_store

    make_small(patch, epochs=epochs, curves=curves)
    folder.mkdir(parents=True, exist_ok=True)
    write_store(folder / "variants.yaml", Store.of(school.build_learning(folder, 0)))
    return school.read_school(folder)
