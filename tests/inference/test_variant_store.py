"""The contract and its store: whatever is wrong in a file is said in one line that names it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from inference_cases import store, variant
from scipy.stats import binomtest

from rover_energy.errors import InputError
from rover_energy.inference.store import Store, read_store, write_store
from rover_energy.inference.variant import Variant, digest, wilson


def test_a_run_costs_its_own_share_and_that_of_its_units() -> None:
    """1.6 J and 0.8 s for 16 units, three quarters of them fixed: 1.2 J + 0.025 J a unit; less than a batch is not faster."""
    made = variant("v", energy=0.1, energy_high=0.2, batch=16, fixed_share=0.75, latency=0.8)
    for amount, joules, seconds in ((1.0, 1.225, 0.8), (16.0, 1.6, 0.8), (17.0, 1.625, 1.0), (256.0, 7.6, 3.8)):
        assert made.energy_of(amount) == pytest.approx(joules)
        assert made.energy_high_of(amount) == pytest.approx(2.0 * joules)
        assert made.seconds_of(amount) == pytest.approx(seconds)
    plain = replace(made, fixed_share=0.0)
    assert (plain.energy_of(7.0), plain.seconds_of(33.0)) == pytest.approx((0.7, 2.4))


@pytest.mark.parametrize("name", ["variants.yaml", "variants.json"])
def test_a_store_survives_its_file(name: str, tmp_path: Path) -> None:
    write_store(tmp_path / name, store())
    assert read_store(tmp_path / name).variants == store().variants


def test_an_artefact_is_checked_by_its_digest(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    made = Store.of([variant("net", artefact="net.onnx", checksum=digest(tmp_path / "net.onnx"))])
    write_store(tmp_path / "v.yaml", made)
    assert read_store(tmp_path / "v.yaml")["net"].artefact == "net.onnx"
    (tmp_path / "net.onnx").write_bytes(b"other weights")
    with pytest.raises(InputError, match=r"v.yaml: variants\[net\].checksum .* is not that of net.onnx; build"):
        read_store(tmp_path / "v.yaml")
    assert len(read_store(tmp_path / "v.yaml", verify=False)) == 1
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(InputError, match="artefact"):
        read_store(tmp_path / "v.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "variants: is not a list"),
        ("variants: 3", "variants: is not a list"),
        ("variants: []", "format: is not 1"),
        ("{format: 2, variants: []}", "format = 2: is not 1"),
        ("{format: 1, variants: [], more: 1}", "more: unknown key"),
        ("{format: 1, variants: [{name: a, task: t, qualty: 1}]}", r"variants\[a\].qualty: unknown key; did you mean 'quality'"),
        ("{format: 1, variants: [{name: a, task: t, quality: 1.5, quality_high: 1}]}", r"variants\[a\].quality = 1.5"),
        ("{format: 1, variants: [{name: a, task: t, energy: .nan}]}", r"variants\[a\].energy = nan"),
        ("{format: 1, variants: [{name: a, task: t, energy: 1, energy_high: 1}]}", "energy_provenance"),
        ("{format: 1, variants: [{name: a, task: t, energy: 2, energy_high: 1, energy_provenance: measured}]}", "energy_high"),
        ("{format: 1, variants: [{name: a, task: t, precision: int3}]}", "unknown choice"),
        ("{format: 1, variants: [{task: t}]}", r"variants\[0\].name.* is empty"),
        ("{format: 1, variants: [{name: a, task: t}, {name: a, task: u}]}", "holds a name twice"),
        ("{format: 1, variants: [{name: a, task: t, floor: true}]}", "is the floor, but unmetered"),
        ("{format: 1, variants: [{name: a, task: t, artefact: x, checksum: abc}]}", "is not a sha256"),
        ("{format: 1, variants: [3]}", "is not a mapping"),
        ("{", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "store.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as error:
        read_store(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_unmetered_is_never_free() -> None:
    unpriced = Variant(name="a", task="t")
    assert not unpriced.priced
    assert math.isnan(unpriced.price.joules)
    assert Store.of([unpriced]).of_task("t") == ()
    assert math.isnan(unpriced.quality_per_joule)


def test_front_against_all_pairs() -> None:
    made = Store.of([
        variant(f"v{i}", energy=e, quality=q)
        for i, (e, q) in enumerate([(1, 0.5), (2, 0.4), (3, 0.9), (3, 0.8), (4, 0.9), (5, 0.95), (1, 0.5)])
    ])  # fmt: skip

    def beaten(v: Variant) -> bool:
        return any(
            (w.energy <= v.energy and w.quality > v.quality) or (w.energy < v.energy and w.quality >= v.quality) for w in made
        )

    assert {(v.energy, v.quality) for v in made.front("terrain")} == {(v.energy, v.quality) for v in made if not beaten(v)}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no such variant"):
        store()["none"]
    with pytest.raises(InputError, match=r"task = 'none': is unknown \(known: hazard, map, log\)"):
        store().of_task("none")
    with pytest.raises(InputError, match="reserve the floor for one variant"):
        store().with_variant(replace(store()["map-small"], floor=True))


@pytest.mark.parametrize(("correct", "count"), [(0, 10), (10, 10), (7, 10), (930, 1000)])
def test_wilson_interval_is_that_of_scipy(correct: int, count: int) -> None:
    wanted = binomtest(correct, count).proportion_ci(method="wilson")
    assert wilson(correct, count, 1.959963984540054) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_json_is_strict(tmp_path: Path) -> None:
    write_store(tmp_path / "v.json", store())
    assert json.loads((tmp_path / "v.json").read_text())["format"] == 1
