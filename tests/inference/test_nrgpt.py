"""NRGPT in torch: the written gradient is autograd's, what flies computes the same, training goes down the energy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")

from rover_energy.inference.learning import nrgpt, sentinel_build  # noqa: E402
from rover_energy.inference.learning.language import Size, logits, make_weights  # noqa: E402
from rover_energy.inference.sentinel import read_sentinel  # noqa: E402
from rover_energy.inference.store import Store  # noqa: E402
from rover_energy.inference.tasks.telemetry_faults import CONTEXT, VOCABULARY, make_rows, tokens_of  # noqa: E402


@pytest.fixture(scope="module")
def weights() -> dict:  # type: ignore[type-arg]
    return nrgpt.make_nrgpt(0, VOCABULARY, CONTEXT, positive=True)


def test_the_gradient_is_autograds(weights: dict) -> None:  # type: ignore[type-arg]
    """Of one token's energy with respect to its own state; the earlier tokens hold still."""
    x = torch.randn(2, 6, nrgpt.WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = {name: w.detach().double() for name, w in weights.items()}
    found = nrgpt.gradient_of(p, x)
    g = nrgpt.normalised(x)
    for i in (0, 1, 5):
        own = g[:, i].clone().requires_grad_()
        states = torch.cat([g[:, :i], own[:, None], g[:, i + 1 :]], dim=1)
        real = nrgpt.normalised
        try:
            nrgpt.normalised = lambda _, states=states: states
            nrgpt.energy_of(p, states)[:, i].sum().backward()
        finally:
            nrgpt.normalised = real
        assert torch.allclose(own.grad, found[:, i], atol=1e-8)


def test_what_flies_computes_the_same(weights: dict) -> None:  # type: ignore[type-arg]
    tokens = tokens_of(make_rows(3, 20))[:, :-1]
    made = sentinel_build.network_of(weights)
    with torch.no_grad():
        wanted = nrgpt.run_nrgpt(weights, torch.from_numpy(tokens))
    energies = nrgpt.energies(weights, torch.from_numpy(tokens))
    for depth, scores in enumerate(wanted, start=1):
        log, energy = made.run(tokens, depth)
        assert log == pytest.approx(torch.log_softmax(scores, dim=-1).numpy(), abs=2e-3)
        assert energy == pytest.approx(energies[depth].numpy(), rel=1e-3, abs=1e-2)


def test_a_third_of_the_weights_of_a_plain_decoder(weights: dict) -> None:  # type: ignore[type-arg]
    plain = make_weights(0, Size(nrgpt.WIDTH, 3, nrgpt.HEADS), VOCABULARY, CONTEXT)
    assert nrgpt.count_weights(weights) == sum(w.numel() for w in weights.values())
    assert 3 * nrgpt.count_weights(weights) <= nrgpt.count_weights(plain)
    root = weights["root"].detach().numpy().astype(float)
    assert np.linalg.eigvalsh(root.T @ root).min() >= -1e-9
    assert torch.equal(nrgpt.step_of(weights), weights["root"].T @ weights["root"])


def test_training_learns_and_goes_down_the_energy() -> None:
    p = sentinel_build.train_sentinel(0, count=320, epochs=3)
    again = sentinel_build.train_sentinel(0, count=320, epochs=3)
    assert all(torch.equal(p[name], again[name]) for name in p)
    tokens = torch.from_numpy(tokens_of(make_rows(50, 60)))
    fresh = nrgpt.make_nrgpt(0, VOCABULARY, CONTEXT, positive=True)
    before, after = (nrgpt.surprise(nrgpt.run_nrgpt, w, tokens)[-1].mean() for w in (fresh, p))
    assert float(after) < float(before) - 0.5
    mean = nrgpt.energies(p, tokens[:, :-1]).mean(dim=(1, 2)).numpy()
    assert np.all(np.diff(mean) < 0.0)


def test_surprise_is_the_likelihood_of_the_next_token() -> None:
    size = Size(16, 1, 2)
    p = make_weights(0, size, VOCABULARY, CONTEXT)
    tokens = torch.from_numpy(tokens_of(make_rows(1, 5)))
    found = nrgpt.surprise(lambda w, t: [logits(w, t, size)], p, tokens, batch=2)
    with torch.no_grad():
        scores = logits(p, tokens[:, :-1], size)
    wanted = torch.nn.functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none").view(5, -1)
    assert torch.allclose(found[0], wanted, atol=1e-5)


def test_area_and_interval() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=40).round(1), (rng.normal(size=30) + 1.0).round(1)
    pairs = [(b > g) + 0.5 * (b == g) for g in good for b in bad]
    area = sentinel_build.auroc(good, bad)
    assert area == pytest.approx(np.mean(pairs))
    low, high = sentinel_build.interval(area, 40, 30)
    assert 0.0 <= low < area < high <= 1.0
    draws = [sentinel_build.auroc(rng.choice(good, 40), rng.choice(bad, 30)) for _ in range(400)]
    assert high - low == pytest.approx(3.92 * np.std(draws), rel=0.35), "the bootstrap's width"


def test_the_producer_makes_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = sentinel_build.train_sentinel
    monkeypatch.setattr(sentinel_build, "train_sentinel", lambda seed: train(seed, count=192, epochs=2))
    monkeypatch.setattr(sentinel_build, "CALIBRATION", 200)
    stretches = sentinel_build.stretches
    monkeypatch.setattr(sentinel_build, "stretches", lambda seed: stretches(seed, 150))
    variants = sentinel_build.build_sentinel(tmp_path, 0)
    assert [v.tier for v in variants] == [1, 2, 3, 4]
    assert all(v.priced and v.metric == "auroc" and v.quality_low < v.quality < v.quality_high for v in variants)
    assert variants[0].energy < variants[-1].energy
    assert len(Store.of(variants)) == 4
    sentinel = read_sentinel(tmp_path / variants[0].artefact)
    assert sentinel.depth == 4
    assert sentinel.judge(make_rows(2, 1)[0], 4).threshold == sentinel.thresholds[3]
