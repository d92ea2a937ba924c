"""Training over two real processes: the gradients and the weights of one machine, paused and resumed or not."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
    pytest.skip("this torch has no gloo", allow_module_level=True)

from rover_energy.errors import InputError, RoverEnergyError  # noqa: E402
from rover_energy.inference.learning.memory import KeptBytes  # noqa: E402
from rover_energy.inference.learning.pipeline import (  # noqa: E402
    Session,
    StageProcess,
    again,
    gathered,
    new_meeting,
    run_session,
)
from rover_energy.inference.learning.staged_decoder import (  # noqa: E402
    Lesson,
    alone,
    build_layers,
    likelihood,
    load,
    measure_layers,
    save,
)
from rover_energy.inference.partition import COPIES, Node, partition  # noqa: E402

LESSON = Lesson(width=32, blocks=4, heads=2, context=16, batch=8, micro_batches=4, steps=4)


def furthest(a: dict, b: dict) -> float:  # type: ignore[type-arg]
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.timeout(300)  # four starts of torch: ten seconds on a quiet machine
def test_two_processes_learn_as_one_through_a_pause(tmp_path: Path) -> None:
    single, gradients, _ = alone(LESSON)
    parts, _, memory = alone(LESSON, micro_batches=4)
    session = Session(LESSON, (3,), str(tmp_path / "s"), new_meeting(tmp_path), most_steps=2, keep_gradients=True)
    paused = run_session(session, limit=140.0)
    assert [run.steps for run in paused] == [2, 2]
    assert all("does not carry another step" in run.paused for run in paused)
    assert all(0.0 < run.energy < math.inf for run in paused)
    found = load(tmp_path / "s" / "gradients-0.pt") | load(tmp_path / "s" / "gradients-1.pt")
    assert furthest(found, gradients) < 1e-6
    assert max(float(g.abs().max()) for g in gradients.values()) > 1e-2, "there is something to compare"
    (tmp_path / "s" / "stage-0-of-2-step-3.pt").write_bytes(b"its neighbour died before it had saved this step")
    done = run_session(again(session, most_steps=0), limit=140.0)
    assert [(run.steps, run.paused) for run in done] == [(4, ""), (4, "")]
    weights = gathered(session, 4)
    assert furthest(weights, parts.state_dict()) == 0.0, "the same products in the same order"
    assert furthest(weights, single.state_dict()) < 1e-3, "Adam divides by small gradients, so rounding grows"
    assert max(run.memory for run in done) < memory
    assert sum(run.memory for run in done) > memory, "weights are split, open micro-batches are not"


def test_a_grant_that_carries_no_step_ends_the_run(tmp_path: Path) -> None:
    """One stage, in this process: a group of one."""
    session = Session(LESSON, (), str(tmp_path), new_meeting(tmp_path), energy_limits=(0.0,))
    torch.distributed.init_process_group("gloo", init_method=session.meeting, rank=0, world_size=1)
    try:
        ended = StageProcess(session, 0).run()
        assert (ended.steps, ended.paused) == (0, "the grant of stage 0 does not carry another step")
        assert ended.energy > 0.0, "what it took until then is said"
        done = StageProcess(replace(session, energy_limits=(1e6,)), 0).run()
    finally:
        torch.distributed.destroy_process_group()
    assert (done.steps, done.paused) == (4, "")
    parts, _, memory = alone(LESSON, micro_batches=4)
    assert furthest(gathered(session, 4), parts.state_dict()) == 0.0
    assert done.memory == memory


def test_a_stage_that_fails_is_said(tmp_path: Path) -> None:
    session = Session(LESSON, (3,), str(tmp_path / "s"), new_meeting(tmp_path))
    with pytest.raises(RoverEnergyError, match=r"stage 0 of the training failed: .*help"):
        run_session(session, python=str(shutil.which("cat")))


def test_kept_bytes_by_hand() -> None:
    weight = torch.nn.Parameter(torch.ones(10, 10))
    x = torch.ones(4, 10, requires_grad=True)
    with KeptBytes([weight]) as kept:
        y = torch.sigmoid(x @ weight)
        assert kept.live == 2 * 4 * 10 * 4, "the input of the product and the sigmoid's output; the weight does not count"
        z = (torch.sigmoid(x @ weight) + y).sum()
        assert kept.live == 3 * 4 * 10 * 4, "the input is kept once"
        z.backward()
        del y, z
    assert (kept.live, kept.peak) == (0, 3 * 4 * 10 * 4)


def test_measured_layers_make_a_partition() -> None:
    layers = measure_layers(LESSON)
    assert len(layers) == LESSON.blocks + 2
    whole = build_layers(LESSON, range(6))
    assert sum(layer.weights for layer in layers) == 4 * sum(w.numel() for w in whole.parameters())
    _, _, memory = alone(LESSON, micro_batches=4, steps=1)
    forecast = COPIES * sum(layer.weights for layer in layers) + sum(layer.kept for layer in layers)
    assert forecast == pytest.approx(memory, rel=0.15), "layers share a tensor at each seam, loss and scores come on top"
    found = partition(layers, [Node("rover", 4e9, 1e-9), Node("lander", 2e9, 1e-9)], 4)
    assert found is not None
    assert found[0].end > 3, "the faster one takes more"


def test_starting_from_weights_and_learning(tmp_path: Path) -> None:
    lesson = replace(LESSON, steps=30, micro_batches=1)
    layers, _, _ = alone(lesson)
    assert likelihood(lesson, layers, 7) < likelihood(lesson, build_layers(lesson, range(6)), 7) - 0.2
    save(layers.state_dict(), tmp_path / "w.pt")
    some = build_layers(replace(lesson, start=str(tmp_path / "w.pt")), [2, 3])
    assert torch.equal(some["2"].layer.linear1.weight, layers["2"].layer.linear1.weight)


def test_bad_input(tmp_path: Path) -> None:
    for call in (lambda: Lesson(micro_batches=3), lambda: Lesson(heads=5), lambda: Lesson(micro_batches=0)):
        with pytest.raises(InputError):
            call()
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="checkpoint: cannot be read"):
        load(tmp_path / "bad.pt")
