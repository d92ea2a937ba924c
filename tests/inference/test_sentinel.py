"""The sentinel without torch: its gradient is that of its energy, it looks back only, its threshold keeps its false alarms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.inference.sentinel import Network, Sentinel, calibrate, normalised, read_sentinel, scores_of, write_sentinel
from rover_energy.inference.tasks.telemetry_faults import (
    BEGIN,
    CHANNELS,
    CONTEXT,
    FAULTS,
    LEVELS,
    RANGES,
    ROWS,
    VOCABULARY,
    make_faulty,
    make_rows,
    tokens_of,
)  # fmt: skip
from rover_energy.inference.telemetry_rows import RowMaker, reference_power

WIDTH, HEADS, INNER = 8, 2, 12


def network(seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    shapes = {
        "embedding": (VOCABULARY, WIDTH), "place": (CONTEXT, WIDTH), "q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH),
        "up": (INNER, WIDTH), "down": (INNER, WIDTH), "share": (1,), "step": (WIDTH, WIDTH), "head": (VOCABULARY, WIDTH),
    }  # fmt: skip
    return Network({name: rng.normal(0.0, 0.5, shape) for name, shape in shapes.items()}, HEADS)


@pytest.fixture(scope="module")
def sentinel() -> Sentinel:
    return calibrate(network(), 3, make_rows(1, 500), 0.05, 5)


def energy_by_hand(w: dict, own: np.ndarray, earlier: np.ndarray) -> float:  # type: ignore[type-arg]
    """Energy of one token with state `own` after tokens with states `earlier`, term by term."""
    part = WIDTH // HEADS
    beta, energy = part**-0.5, 0.0
    for h in range(HEADS):
        rows = slice(h * part, (h + 1) * part)
        terms = [math.exp(beta * float((w["q"][rows] @ own) @ (w["k"][rows] @ g))) for g in earlier]
        energy -= math.log(sum(terms)) / beta if terms else 0.0
    for up, down in zip(w["up"], w["down"], strict=True):
        u = float(up @ own)
        energy -= float(w["share"][0]) * float(down @ own) * 0.5 * u * (1.0 + math.erf(u / math.sqrt(2.0)))
    return energy


def test_the_gradient_is_that_of_the_energy() -> None:
    net, x = network(), np.random.default_rng(3).normal(size=(1, 5, WIDTH))
    g = normalised(x)[0]
    found, energies = net.gradient(x)[0], net.energy(x)[0]
    for i in range(5):
        assert energies[i] == pytest.approx(energy_by_hand(net.weights, g[i], g[:i]), rel=1e-6)
        for c in range(WIDTH):
            step = 1e-5 * np.eye(WIDTH)[c]
            up, down = (energy_by_hand(net.weights, g[i] + s, g[:i]) for s in (step, -step))
            assert found[i, c] == pytest.approx((up - down) / 2e-5, abs=1e-5)


def test_what_comes_later_changes_nothing_and_probabilities_sum_to_one() -> None:
    net, tokens = network(), np.arange(20)[None] % VOCABULARY
    changed = tokens.copy()
    changed[:, 12:] = 3
    (a, energy), (b, other) = (net.run(t, 3) for t in (tokens, changed))
    assert np.allclose(np.exp(a).sum(axis=-1), 1.0)
    assert np.allclose(a[:, :12], b[:, :12])
    assert np.allclose(energy[:, :12], other[:, :12])
    assert not np.allclose(a[:, 12:], b[:, 12:])


def test_tokens_are_levels_by_channel() -> None:
    low, high = np.array(RANGES).T
    rows = np.stack([low, 0.5 * (low + high), high, np.full(4, np.nan)])[None]
    levels = (tokens_of(rows)[0, 1:].reshape(4, 4) - LEVELS * np.arange(4)).tolist()
    assert tokens_of(rows)[0, 0] == BEGIN
    assert levels == [[0] * 4, [LEVELS // 2] * 4, [LEVELS - 1] * 4, [0] * 4]


def test_the_generated_bus_is_balanced_until_it_breaks() -> None:
    """The imbalance is what the battery loses, a twentieth of its power; with a leak a tenth of the reference power or more."""
    nominal = make_rows(5, 400)
    assert nominal[..., 3].min() > -0.14
    assert nominal[..., 3].max() < 0.09, "noise of 1 % of each of four meters"
    assert -0.03 < nominal[..., 3].mean() < 0.0
    faulty, kind, begin = make_faulty(6, 500)
    for i in np.flatnonzero(kind == FAULTS.index("leak")):
        assert abs(faulty[i, : begin[i], 3]).max(initial=0.0) < 0.14
        assert -0.36 < faulty[i, begin[i] :, 3].mean() < -0.06
    stalls = np.flatnonzero(kind == FAULTS.index("stall"))
    after = np.concatenate([faulty[i, begin[i] :, :2] for i in stalls])
    assert after[:, 0].mean() < 0.25 < 0.9 * after[:, 1].mean() / after[:, 0].mean()
    assert np.array_equal(make_rows(5, 400), nominal)


def test_false_alarms_are_as_rare_as_stated(sentinel: Sentinel) -> None:
    fresh = make_rows(77, 500)
    for depth in (1, 2, 3):
        share = np.mean(scores_of(sentinel.surprise(fresh, depth)[0], 5) > sentinel.thresholds[depth - 1])
        assert share == pytest.approx(0.05, abs=0.035), "two samples of 500"
    with pytest.raises(InputError, match="false_alarm"):
        calibrate(network(), 1, fresh[:9], math.nan, 5)


def test_the_score_is_the_mean_of_the_greatest(sentinel: Sentinel) -> None:
    assert scores_of([[[1.0, 9.0], [3.0, 7.0]]], 3) == pytest.approx([19.0 / 3.0])
    rows = make_rows(9, 1)[0]
    reading = sentinel.judge(rows, 2)
    log, _ = sentinel.network.run(tokens_of(rows[None])[:, :-1], 2)
    each = sorted(-log[0, i, t] for i, t in enumerate(tokens_of(rows[None])[0, 1:]))
    assert reading.score == pytest.approx(sum(each[-5:]) / 5.0)
    assert reading.anomaly == (reading.score > sentinel.thresholds[1])
    assert reading.channel in CHANNELS


def test_nan_is_no_score_and_an_anomaly(sentinel: Sentinel) -> None:
    rows = make_rows(9, 1)[0]
    rows[3, 1] = math.nan
    reading = sentinel.judge(rows, 1)
    assert math.isnan(reading.score)
    assert reading.anomaly
    assert reading.channel == "motors"
    for bad, depth in ((rows[:2], 1), (rows[:, :3], 1), (make_rows(9, 1)[0], 4), (make_rows(9, 1)[0], 0)):
        with pytest.raises(InputError):
            sentinel.judge(bad, depth)
    with pytest.raises(InputError, match="more than"):
        sentinel.judge(make_rows(9, 1, ROWS + 1)[0], 1)


def test_the_file_holds_everything_and_damage_is_told(sentinel: Sentinel, tmp_path: Path) -> None:
    write_sentinel(tmp_path / "a.npz", sentinel)
    write_sentinel(tmp_path / "b.npz", sentinel)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again, rows = read_sentinel(tmp_path / "a.npz"), make_rows(9, 1)[0]
    assert again.judge(rows, 3).score == pytest.approx(sentinel.judge(rows, 3).score, rel=1e-4)
    (tmp_path / "a.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:500])
    np.savez(tmp_path / "c.npz", q=np.zeros(3))
    broken = Sentinel(sentinel.network, sentinel.thresholds * math.nan, sentinel.means, sentinel.spreads, 0.05, 5)
    write_sentinel(tmp_path / "d.npz", broken)
    for name in ("a.npz", "c.npz", "d.npz", "none.npz"):
        with pytest.raises(InputError, match="build it again"):
            read_sentinel(tmp_path / name)


def test_rows_are_means_over_their_period() -> None:
    """Motors ramp from 0 to 100 W in each second, 50 of 60 W of surplus are stored, the wheels turn at a tenth of their most."""
    maker = RowMaker(1.0, 200.0, 0.5)
    complete = 0
    for i in range(0, 50 * (ROWS + 2) + 1):
        maker.add_wheels([0.05, -0.05])
        complete += maker.add_power(100.0 + 0.02 * i, 2.0 * (i % 50), 160.0, 60.0, 5000.0 + 50.0 * 0.02 * i)
    assert complete == ROWS + 2
    assert maker.full
    assert maker.stretch.shape == (ROWS, len(CHANNELS))
    assert maker.stretch[3] == pytest.approx([0.1, 0.245, 0.8, -0.05], rel=0.03)
    maker.add_power(maker.latest[0] + 2.5, 0.0, 0.0, 0.0, 0.0)
    assert maker.stretch.shape == (0, 4), "after a gap a new stretch begins"
    assert not maker.full


def test_rows_without_wheels_or_with_an_invalid_bus_are_nan() -> None:
    maker = RowMaker(0.1, 200.0, 0.5)
    for i in range(11):
        maker.add_power(0.02 * i, 10.0, math.nan if i > 7 else 1.0, 1.0, 5.0)
    assert np.isnan(maker.stretch).tolist() == [[True, False, False, False], [True, False, True, False]]
    assert reference_power(50.0) == 250.0
    for values in ((0.0, 1.0, 1.0), (1.0, math.nan, 1.0), (1.0, 1.0, math.inf)):
        with pytest.raises(InputError):
            RowMaker(*values)
    with pytest.raises(InputError, match="constant load"):
        reference_power(0.0)
