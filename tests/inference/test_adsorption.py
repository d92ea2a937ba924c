"""Adsorption under the toy potential: forces are its slopes, nothing depends on the pose, pairs are held out once."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase", reason="ase is not installed: pip install 'rover-energy[chemistry]'")

from rover_energy.errors import InputError
from rover_energy.inference.tasks import adsorption


def test_forces_are_slopes_of_the_whole_energy() -> None:
    bench = adsorption.bench(adsorption.PAIRS.index(("Cu", "O")))
    spot = bench.middle + np.array([0.1, -0.2, 1.4])
    _, forces = bench.label(bench.flat, spot)
    for axis in range(3):
        shift = 1e-4 * np.eye(3)[axis]
        up, down = (bench.label(bench.flat, spot + s)[0] for s in (shift, -shift))
        assert forces[8, axis] == pytest.approx((down - up) / 2e-4, abs=1e-3)  # the piece itself stands still
    assert forces.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)


def test_far_away_nothing_is_bound() -> None:
    bench = adsorption.bench(0)
    energy, forces = bench.label(bench.flat, bench.middle + np.array([0.0, 0.0, 30.0]))
    assert energy == pytest.approx(0.0, abs=1e-9)
    assert forces[8] == pytest.approx(np.zeros(3), abs=1e-9)


def test_clusters_are_what_they_say() -> None:
    some = [0, 5, 23]
    made, again = (adsorption.make_clusters(3, 20, some) for _ in range(2))
    assert np.array_equal(made.places, again.places)
    assert set(made.pair) <= set(some)
    for pair, sorts, places, energy in zip(made.pair, made.sorts, made.places, made.energy, strict=True):
        names = [adsorption.SORTS[s] for s in sorts]
        assert (set(names[:8]), names[8]) == ({adsorption.PAIRS[pair][0]}, adsorption.PAIRS[pair][1])
        assert adsorption.bench(int(pair)).label(places[:8], places[8])[0] == pytest.approx(energy, abs=1e-9)
        assert energy < 0.0


def test_every_pair_is_held_out_once() -> None:
    for seed in range(5):
        folds = [adsorption.held_out(fold, seed) for fold in range(adsorption.FOLDS)]
        assert sorted(i for fold in folds for i in fold) == list(range(24))
        for fold in folds:
            assert sorted(adsorption.PAIRS[i][0] for i in fold) == sorted(adsorption.METALS)
            seen = {adsorption.PAIRS[i][1] for i in range(24) if i not in fold}
            assert seen == set(adsorption.ADSORBATES), "each adsorbate is seen on some metal"


def test_the_baseline_is_exact_where_metals_and_adsorbates_add_up() -> None:
    rng = np.random.default_rng(0)
    metal, adsorbate = rng.normal(size=6), rng.normal(size=4)
    true = (metal[:, None] + adsorbate).ravel()
    seen = [i for i in range(24) if i not in adsorption.held_out(0, 1)]
    assert adsorption.additive(seen, true[seen]) == pytest.approx(true, abs=1e-9)


def test_metals_beyond_platinum() -> None:
    assert adsorption.beyond_platinum("Pt", "O") == 0.0
    assert adsorption.beyond_platinum("Au", "O") > 0.0, "gold binds oxygen less than platinum, in the toy potential too"
    assert adsorption.beyond_platinum("Ni", "H", lambda pair: 2.0 * pair) == 2.0 * (0 - 16)
    for pair in (("Fe", "O"), ("Pt", "S")):
        with pytest.raises(InputError, match="is unknown"):
            adsorption.beyond_platinum(*pair)


def test_the_network_learns_and_knows_no_place_of_its_own() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
    from rover_energy.inference.learning import adsorption as learning

    data, test = adsorption.make_clusters(0, 300), adsorption.make_clusters(1, 150)
    fresh, made = (learning.fit(data, 0, epochs) for epochs in (0, 10))
    wrong = [float(np.abs(learning.ask(s, test.places, test.sorts).energy - test.energy).mean()) for s in (fresh, made)]
    assert wrong[1] < 0.8 * wrong[0]
    assert wrong[1] < np.abs(np.median(data.energy) - test.energy).mean()
    found, moved = (learning.ask(made, p, test.sorts) for p in (test.places, test.places + 5.0))
    assert moved.energy == pytest.approx(found.energy, abs=1e-3)
    order = np.random.default_rng(0).permutation(9)
    mixed = learning.ask(made, test.places[:, order], test.sorts[:, order])
    assert mixed.energy == pytest.approx(found.energy, abs=1e-3)
    assert mixed.forces == pytest.approx(found.forces[:, order], abs=1e-3)
    assert found.attention.sum(axis=-1) == pytest.approx(np.ones((150, 9)), abs=1e-5)
    with torch.no_grad():
        turned = learning.turns(40, np.random.default_rng(1)).astype(float)
    assert turned @ turned.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (40, 1, 1)), abs=1e-6)
    assert np.linalg.det(turned) == pytest.approx(np.ones(40), abs=1e-6)
    assert learning.cosine_of_turned(made, test, 0) <= 1.0
