"""`rover-energy infer learn`: a grant that ends, the same command again, budgets and bad words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_cases import Outcome, rover_energy

pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
sys.path.append(str(Path(__file__).resolve().parents[1] / "inference"))  # where the small school of the tests of learning is

from learning_cases import make_small

from rover_energy.inference.distil_or_annotate import Curve
from rover_energy.inference.tasks.shifted_patches import shifted_patches


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Words that name a place; schools are small meanwhile."""
    folder = tmp_path_factory.mktemp("learn")
    (x, y), (tx, ty) = shifted_patches(1, 150), shifted_patches(2, 80)
    np.savez(folder / "ground.npz", patches=x, labels=y, test_patches=tx, test_labels=ty)
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, epochs=40, curves=(Curve((0, 20), (0.2, 0.5), 5.0), Curve((0, 20), (0.4, 0.6), 9.0)))
        yield "infer", "learn", "--ground", str(folder / "ground.npz")


@pytest.fixture(scope="module")
def first(place: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[object, ...], Outcome]:
    """A first run that makes its school and ends with its grant: where, what was asked, what came of it."""
    out = tmp_path_factory.mktemp("out")
    goal = (*place, "--budget", "100", "--label-energy", "2", "--out", out, "--slice", "0.5", "--json")
    return out, goal, rover_energy(*goal, "--grant", "1")


def test_a_grant_ends_and_the_same_command_goes_on(first: tuple[Path, tuple[object, ...], Outcome]) -> None:
    out, goal, begun = first
    assert begun.code == 3
    assert (begun.json["done"], begun.json["method"], begun.json["data_sheet_J"]) == (False, "hybrid", 2.0 * begun.json["labels"])
    assert "training teacher and student in the simulator" in begun.err
    assert "the same command goes on" in begun.err
    second = rover_energy(*goal)
    assert second.code == 0
    assert "simulator" not in second.err, "the school is there"
    facts = second.json
    assert facts["done"]
    assert facts["energy_J"] > begun.json["energy_J"]
    assert facts["energy_J"] == pytest.approx(facts["data_sheet_J"] + facts["cpu_time_model_J"])
    account = json.loads((out / "account.json").read_text(encoding="utf-8"))
    assert account["whole_J"] == pytest.approx(facts["energy_J"])
    listed = rover_energy("infer", "store", out / "variants.yaml", "--json").json["variants"]
    assert [(v["name"], v["quality"]) for v in listed] == [(facts["variant"], facts["quality"])]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--budget", "3.5"), 1, "energy_limit = 3.5 J"),
        (("--budget", "nan"), 2, "--budget = nan"),
        (("--budget", "50", "--label-energy", "-1"), 2, "--label-energy = -1"),
        (("--budget", "50", "--method", "magic"), 2, "--method = 'magic': is unknown; use one of auto, annotate, distil"),
        (("--budget", "50", "--task", "opera"), 2, "task = 'opera': cannot be trained (known: terrain_class)"),
        (("--budget", "50", "--school", "none"), 2, "none/terrain-school.json: file"),
        (("--budget", "50", "--ground", "none.npz"), 2, "none.npz: file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    first: tuple[Path, tuple[object, ...], Outcome], place: tuple[str, ...], tmp_path: Path, more: tuple[str, ...], code: int,
    said: str,
) -> None:  # fmt: skip
    done = rover_energy(*place, "--school", first[0] / "school", *more, "--out", tmp_path / "out")
    assert (done.code, len(done.lines)) == (code, 1), done.err
    assert said in done.err
