"""The build in a hurry: one small network, its files, its card; the same seed gives the same again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "onnx", "onnxruntime"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'rover-energy[infer]'")

from rover_energy.inference.learning import build  # noqa: E402
from rover_energy.inference.learning.export import Session  # noqa: E402
from rover_energy.inference.store import Store, read_store  # noqa: E402
from rover_energy.inference.tasks.terrain_patches import CLASSES, make_patches  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("variants")
    patch = pytest.MonkeyPatch()
    patch.setattr(build, "QUICK", 2000)
    patch.setattr(build, "CALLS", 10)
    store = build.build_store(folder, 5, quick=True)
    patch.undo()
    return folder, store


def test_the_store_is_whole_and_better_than_chance(made: tuple[Path, Store]) -> None:
    folder, store = made
    assert [v.name for v in read_store(folder / "variants.yaml")] == ["swift-fp32", "swift-int8"]
    assert all(v.energy_provenance == "cpu_time_model" and 0.0 < v.energy <= v.energy_high for v in store)
    assert all(0.2 < v.fixed_share < 0.95 and v.energy_of(256.0) < 9.0 * v.energy_of(16.0) for v in store), "a call costs, too"
    assert store.floor is not None
    x, y = make_patches(77, 400)  # of no seed that the build uses
    for variant in store:
        found = Session(folder / variant.artefact)(x)
        assert found.shape == (400, len(CLASSES))
        share = float(np.mean(found.argmax(axis=1) == y))
        assert variant.quality_low - 0.06 < share < variant.quality_high + 0.06
        assert share > 0.5


def test_a_card_says_what_has_to_be_said(made: tuple[Path, Store]) -> None:
    folder, store = made
    for variant in store:
        text = (folder / f"{variant.name}.md").read_text(encoding="utf-8")
        said = ("--seed 5", "95 % interval", "processor time", "licence", "limits", "generated", "latency")
        for needed in (variant.checksum, *said):
            assert needed in text
        assert f"{variant.quality:.4f}" in text


def test_the_same_seed_gives_the_same_networks(made: tuple[Path, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "QUICK", 2000)
    monkeypatch.setattr(build, "CALLS", 2)
    again = build.build_store(tmp_path, 5, quick=True)
    assert [(v.checksum, v.quality) for v in again] == [(v.checksum, v.quality) for v in made[1]]


def test_other_producers_are_called_and_absent_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PRODUCERS", (("tools", "build_it"), ("no_such_module", "build_that")))
    assert build.producers() == [("tools", "build_it")]
