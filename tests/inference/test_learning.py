"""Producers of variants on tiny data: exactness where there is an exact answer, and that training learns at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")

from rover_energy.errors import InputError  # noqa: E402
from rover_energy.inference.learning import activations, classifiers, integers, language, spiking, tools  # noqa: E402
from rover_energy.inference.learning.bitlinear import bit_linear  # noqa: E402
from rover_energy.inference.tasks.terrain_patches import CHANNELS, CLASSES, SIDE, make_patches  # noqa: E402
from rover_energy.inference.ternary import multiply, pack, quantise_rows, ternarise  # noqa: E402

SIZE = language.Size(16, 1, 2)


@pytest.fixture(scope="module")
def data() -> classifiers.Data:
    x, y = make_patches(1, 700)
    parts = [torch.from_numpy(a) for a in (x[:500], y[:500], x[500:600], y[500:600], x[600:], y[600:])]
    return classifiers.Data(*parts)


@pytest.fixture(scope="module")
def network(data: classifiers.Data):  # type: ignore[no-untyped-def]
    return classifiers.train_super(data, 0, epochs=4)


def test_patches_are_those_of_their_seed() -> None:
    x, y = make_patches(3, 60)
    again, labels = make_patches(3, 60)
    assert np.array_equal(x, again)
    assert np.array_equal(y, labels)
    assert x.shape == (60, CHANNELS, SIDE, SIDE)
    assert set(y.tolist()) == set(range(len(CLASSES)))


def test_training_learns_and_is_repeatable(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    assert tools.accuracy(network, data.test_x, data.test_y) > 0.4, "chance is 1/6"
    again = classifiers.train_super(data, 0, epochs=4)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    assert classifiers.operations(network) == [36864, 589824, 1179648, 98304, 576]


def test_a_neuron_by_hand() -> None:
    """Potential 0.7 a step, threshold 1, no leak: spikes at steps 2, 3 and 5 of five, as soft reset leaves 0.4, 0.1, 0.5."""
    weights = [torch.full((1, 1), 0.7), torch.ones(1, 1)]
    one = torch.tensor(1.0)
    made = spiking.Spiking([("linear", w, False) for w in weights], [one], [one], 5)
    out, spikes, _ = made.run(torch.ones(1, 1))
    assert (float(out), spikes) == (3.0, [pytest.approx(3.0)])
    leaky = spiking.Spiking([("linear", w, False) for w in weights], [one], [torch.tensor(0.5)], 5)
    assert float(leaky(torch.ones(1, 1))) == 2.0, "0.7, 1.05 (spike, 0.05 left), 0.725, 1.0625 (spike), 0.731"


def test_spikes_approach_the_network_that_they_came_from(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    few, many = (spiking.convert(network, data.x[:200], steps) for steps in (1, 24))
    wanted = network(data.test_x).argmax(dim=1)
    agree = [float((n(data.test_x).argmax(dim=1) == wanted).float().mean()) for n in (few, many)]
    assert agree[1] > 0.7
    assert agree[1] > agree[0]
    shorter = many.at(2)
    assert shorter.weights[0] is not many.weights[0]
    assert torch.equal(shorter.weights[0], many.weights[0])


def test_energy_counts_spikes(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    made = spiking.convert(network, data.x[:200], 2)
    found = spiking.energy(made, network, data.test_x)
    _, spikes, _ = made.run(data.test_x)
    macs = classifiers.operations(network)
    by_hand = 4.6e-12 * macs[0] + 0.9e-12 * sum(s * m for s, m in zip(spikes, macs[1:], strict=True))
    assert found["rate"] == pytest.approx(by_hand)
    assert found["rate"] < found["conservative"] < 4.0 * found["rate"]
    assert found["ann"] == pytest.approx(4.6e-12 * sum(macs))


def test_a_budget_keeps_spikes_down(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    shares = []
    for budget in (float("inf"), 0.06):
        made = spiking.retrain(spiking.convert(network, data.x[:200], 1), data, 0, 4, budget=budget)
        spent = spiking.energy(made, network, data.test_x)
        shares.append(spent["conservative"] / spent["ann"])
    assert shares[1] < 0.08 < shares[0]
    assert made.operations(data.x[:1]) == classifiers.operations(network)


def test_the_budget_holds_from_two_steps_on(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    """What comes before learns as if there were none; two steps have twice the budget of one."""
    ladder = ((3, 1), (2, 3), (1, 3))
    free, bound = (spiking.iterate(network, data, 0, ladder, budget=b) for b in (float("inf"), 0.05))
    assert all(torch.equal(a, b) for a, b in zip(free[3].weights, bound[3].weights, strict=True))
    for steps in (2, 1):
        spent = [spiking.energy(made[steps], network, data.test_x) for made in (free, bound)]
        shares = [s["conservative"] / s["ann"] for s in spent]
        assert shares[1] < 1.3 * 0.05 * steps < shares[0]


def test_quantised_activations(data: classifiers.Data, network) -> None:  # type: ignore[no-untyped-def]
    fine = activations.Quantised(network, activations.calibrate(network, data.x, 12), 12)
    assert torch.allclose(fine(data.x[:50]), network(data.x[:50]), atol=0.05)
    layers = activations.calibrate(network, data.x, 3)
    deep = activations.Quantised(network, layers, 3, 2, 1.0)
    five = activations.Quantised(network, layers, 5)
    assert torch.allclose(deep(data.x[:50]), five(data.x[:50])), "with all channels important it is 5 bits"
    bits, exact = deep.stored_bits(data.x[:50])
    assert exact
    assert 3.0 < bits <= 5.0 + 1e-9
    x = torch.rand(200, 3, 2, 2) ** 4
    least, top = activations.mse_ranges(x, 3), activations.max_ranges(x)

    def error(ranges):  # type: ignore[no-untyped-def]
        return float(((activations.restore(activations.quantise(x, ranges, 3), ranges, 3) - x) ** 2).mean())

    assert error(least) < error(top)


def test_outliers_and_smoothing_keep_the_function() -> None:
    p = language.make_weights(0, SIZE)
    tokens = language.sequences(1, 16)[:, :-1]
    loud = integers.with_outliers(p, language.Size(16, 1, 2), 0)
    wanted = language.hidden(p, tokens, SIZE).detach()
    assert torch.allclose(language.hidden(loud, tokens, SIZE), wanted, atol=1e-4)
    exact = integers.smooth_quant(loud, tokens, SIZE, 16)
    exact.bits = 16
    assert torch.allclose(language.hidden(loud, tokens, SIZE, exact), wanted, atol=0.02)
    for between in ("0.o", "0.qk"):  # what comes behind v or meets k is divided by what the weights before are multiplied with
        exact.smooth[between] = 0.5 * torch.randn(SIZE.width)
    exact.observe(loud, tokens)
    assert torch.allclose(language.hidden(loud, tokens, SIZE, exact), wanted, atol=0.02)
    assert not torch.allclose(exact.rows("0.v") * exact.weight(loud["0.v"], "0.v"), loud["0.v"], atol=0.02)
    coarse = integers.naive(loud, tokens, SIZE, 4)
    smooth = integers.smooth_quant(loud, tokens, SIZE, 4)
    learnt = integers.mobile_quant(loud, tokens, SIZE, 4, 0, epochs=30)
    errors = [float(((language.hidden(loud, tokens, SIZE, q) - wanted) ** 2).mean()) for q in (coarse, smooth, learnt)]
    assert errors[2] < errors[1]
    assert errors[2] < errors[0]


def test_what_is_trained_is_what_the_lookup_computes() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 31)), rng.normal(size=(7, 31))
    trained = bit_linear(torch.from_numpy(x), torch.from_numpy(w), "").numpy()
    small, gamma = ternarise(w)
    codes, scale = quantise_rows(x)
    assert trained == pytest.approx(multiply(pack(small), codes) * scale * gamma, rel=1e-9)


def test_a_decoder_does_not_see_what_comes() -> None:
    p = language.make_weights(0, SIZE)
    tokens = language.sequences(1, 4)[:, :-1]
    changed = tokens.clone()
    changed[:, 20:] = 0
    a, b = (language.logits(p, t, SIZE) for t in (tokens, changed))
    assert torch.allclose(a[:, :20], b[:, :20], atol=1e-5)
    before = language.score(p, language.sequences(2, 64), SIZE)
    language.train_decoder(p, language.sequences(3, 256), SIZE, epochs=2, rate=1e-2, seed=0)
    assert language.score(p, language.sequences(2, 64), SIZE) < before - 0.3


def test_onnx_gives_the_same_scores(data: classifiers.Data, network, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")
    from rover_energy.inference.learning.export import Session, write_int8, write_onnx

    write_onnx(network, (CHANNELS, SIDE, SIDE), tmp_path / "f.onnx")
    x = data.test_x.numpy()
    wanted = network(data.test_x).detach().numpy()
    assert Session(tmp_path / "f.onnx")(x) == pytest.approx(wanted, abs=1e-4)
    write_int8(tmp_path / "f.onnx", tmp_path / "i.onnx", data.x[:64].numpy())
    whole = Session(tmp_path / "i.onnx")(x)
    assert np.mean(whole.argmax(axis=1) == wanted.argmax(axis=1)) > 0.9
    assert (tmp_path / "i.onnx").stat().st_size < 0.45 * (tmp_path / "f.onnx").stat().st_size
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match="cannot be loaded"):
        Session(tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="cannot be written"):
        write_onnx(torch.nn.Sequential(torch.nn.Sigmoid()), (1,), tmp_path / "s.onnx")


def test_a_loss_that_is_not_finite_ends_the_training(data: classifiers.Data) -> None:
    net = classifiers.build_swift()
    with pytest.raises(RuntimeError, match="lower the rate"):
        tools.train(net, net.parameters(), data.x * float("nan"), data.y, epochs=1, rate=1e-3, seed=0)
