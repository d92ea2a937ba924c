"""Learning at a place: slices and restarts change nothing, every joule is booked, budgets end what they must."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from learning_cases import small_school

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rover-energy[infer]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'rover-energy[infer]'")

from rover_energy.errors import InputError  # noqa: E402
from rover_energy.inference.distil_or_annotate import Curve, Method, Rehearsal  # noqa: E402
from rover_energy.inference.learning import school as schools  # noqa: E402
from rover_energy.inference.learning.course import Course, by_labels, by_teacher  # noqa: E402
from rover_energy.inference.learning.distil import BudgetError, Goal, Job  # noqa: E402
from rover_energy.inference.learning.tools import accuracy, logits_of  # noqa: E402
from rover_energy.inference.store import read_store  # noqa: E402

TICK = 0.01  # [s] of the clock of these tests between two looks at it


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("school")
    with pytest.MonkeyPatch.context() as patch:
        school = small_school(folder, patch)
        school.annotate = Curve((0, 20, 60), (0.2, 0.5, 0.6), 5.0)
        school.distil = Curve((0, 20, 60), (0.4, 0.6, 0.7), 9.0)
        school.rehearsals = (Rehearsal(0.5, school.annotate, school.distil),)  # one place alone: nothing to tell apart
        yield SimpleNamespace(school=school, ground=schools.generated_ground(3), folder=folder)


def job(world: SimpleNamespace, folder: Path, tick: float = TICK, **goal: object) -> Job:
    ticks = itertools.count()
    return Job(Goal(**goal), world.school, world.ground, folder, clock=lambda: tick * next(ticks))  # type: ignore[arg-type]


def finished(work: Job) -> Job:
    while work.learnt is None:
        work.slice(1.0)
    return work


@pytest.mark.parametrize("method", [Method.ANNOTATE, Method.DISTIL])
def test_slices_and_restarts_change_nothing(world: SimpleNamespace, tmp_path: Path, method: Method) -> None:
    goal = {"method": method, "label_energy": 1.0, "energy_limit": 80.0 if method is Method.DISTIL else 900.0}
    whole = job(world, tmp_path / "whole", **goal)
    whole.slice()
    while whole.learnt is None:
        whole.slice()
    stages, count = set(), 0
    while True:
        part = job(world, tmp_path / "parts", **goal)
        part.slice(0.4)
        stages.add(part.stage)
        count += 1
        if part.learnt is not None:
            break
        assert [p.suffix for p in (tmp_path / "parts").glob("learning-*")] == [".pt"]
    assert count > 15, "every slice was a few steps, each in a job of its own"
    assert part.learnt.variant.checksum == whole.result().variant.checksum
    assert part.learnt.variant.quality == whole.result().variant.quality
    assert stages >= ({"tuning", "teaching", "training"} if method is Method.DISTIL else {"training"})
    assert not list((tmp_path / "parts").glob("learning-*")), "the state goes when the work is done"


def test_every_joule_is_booked(world: SimpleNamespace, tmp_path: Path) -> None:
    work = job(world, tmp_path, label_energy=0.5, energy_limit=900.0)
    assert work.decision.method is Method.HYBRID
    taken = 0.0
    while work.learnt is None:
        taken += work.slice(1.0)
        assert work.progress <= 1.0
    labels = work.decision.labels * 0.5
    account = json.loads((tmp_path / "account.json").read_text(encoding="utf-8"))
    assert account["joules"]["data_sheet"] == labels
    assert account["joules"]["cpu_time_model"] == pytest.approx(taken)
    assert account["whole_J"] == pytest.approx(work.energy) == pytest.approx(labels + taken)
    assert [r["stage"] for r in account["receipts"]] == ["labelling", "labelling", "tuning", "teaching", "training", "testing"]
    store = read_store(tmp_path / "variants.yaml")
    assert [v.name for v in store] == ["swift-hybrid"]
    assert store["swift-hybrid"].quality == account["quality"]


def judging(world: SimpleNamespace, good: float, bad_at: float) -> SimpleNamespace:
    """The school with two rehearsals: how often the teacher is right where distillation is as good as ever, and where useless."""
    bad = Curve((0, 20, 60), (0.1, 0.2, 0.3), 9.0)
    known = (Rehearsal(good, world.school.annotate, world.school.distil), Rehearsal(bad_at, world.school.annotate, bad))
    return SimpleNamespace(school=replace(world.school, rehearsals=known), ground=world.ground)


def test_labels_tell_what_the_place_is_like(world: SimpleNamespace, tmp_path: Path) -> None:
    """Where the teacher is as often right as in the rehearsal its answers are used; where it is not, labels alone are."""
    goal = {"label_energy": 1.0, "energy_limit": 1000.0}
    x, y = world.ground.x, world.ground.y
    here = accuracy(world.school.teacher, x[:99], y[:99])
    like = job(judging(world, here, 0.0), tmp_path / "like", **goal)
    strange = job(judging(world, 1.0, here), tmp_path / "strange", **goal)
    assert like.probe == strange.probe == 99
    for work in (like, strange):
        assert work.decision.method is Method.HYBRID, "nobody has looked yet"
        finished(work)
        assert work.judged == here
    assert like.decision.method is Method.HYBRID
    assert strange.decision.method is Method.ANNOTATE
    for work, path in ((like, "like"), (strange, "strange")):
        account = json.loads((tmp_path / path / "account.json").read_text(encoding="utf-8"))
        assert account["joules"]["data_sheet"] == max(99, work.decision.labels)
        assert (account["judged_by"], account["teacher_here"]) == (99, here)


def test_a_restart_remembers_what_the_place_is_like(world: SimpleNamespace, tmp_path: Path) -> None:
    here = accuracy(world.school.teacher, world.ground.x[:99], world.ground.y[:99])
    strange = judging(world, 1.0, here)
    goal = {"label_energy": 1.0, "energy_limit": 1000.0}
    work = job(strange, tmp_path, **goal)
    work.slice(0.01)
    assert not math.isnan(work.judged)
    again = job(strange, tmp_path, **goal)
    assert (again.judged, again.decision) == (work.judged, work.decision)
    assert finished(again).decision.method is Method.ANNOTATE
    assert sum(r["joules"] for r in again.entries if "judge" in r["detail"]) == 99.0, "asked for once"


def test_a_restart_forgets_no_joule(world: SimpleNamespace, tmp_path: Path) -> None:
    work = job(world, tmp_path, energy_limit=80.0, label_energy=1.0, method=Method.DISTIL)
    for _ in range(5):
        taken = work.energy
        work.slice(1.0)
        again = job(world, tmp_path, energy_limit=80.0, label_energy=1.0, method=Method.DISTIL)
        assert again.energy == work.energy > taken
        assert again.stage == work.stage


def test_budgets(world: SimpleNamespace, tmp_path: Path) -> None:
    for limit in (2.0, 4.0):
        with pytest.raises(BudgetError, match="give more"):
            job(world, tmp_path / "a", energy_limit=limit)
    for path, limit, tick in (("b", 20.0, TICK), ("c", 13.0, 4.0 * TICK)):
        work = job(world, tmp_path / path, tick, energy_limit=limit, method=Method.DISTIL)
        assert (work.decision.method, work.decision.labels) == (Method.DISTIL, 0)
        finished(work)
        assert work.result().short == (path == "c"), "work that takes more than the curves say ends early"
        assert work.energy <= limit, "what is kept back for testing is enough"
        assert (tmp_path / path / "variants.yaml").exists()
    world.school.distil, kept = Curve((0,), (0.4,), 0.01), world.school.distil
    work = job(world, tmp_path / "d", energy_limit=3.02, method=Method.DISTIL)
    with pytest.raises(BudgetError, match="used up while teaching"):
        finished(work)
    world.school.distil = kept


def test_a_stop_ends_a_slice_at_once(world: SimpleNamespace, tmp_path: Path) -> None:
    work = job(world, tmp_path, energy_limit=900.0)
    work.slice(math.inf, lambda: True)
    assert work.stage == "labelling"
    calls = itertools.count()
    work.slice(math.inf, lambda: next(calls) >= 1)
    assert work.stage != "labelling"


def test_a_course_is_adam_with_a_cosine(world: SimpleNamespace) -> None:
    """Against torch's own schedule, with the same batches."""
    x, y = world.ground.x[:100], world.ground.y[:100]
    network, twin = schools.fresh_student(1), schools.fresh_student(1)
    course = Course(network, x, by_labels(y), epochs=3, rate=1e-2, seed=5, batch=32)
    course.finish()
    optimiser = torch.optim.Adam(twin.parameters(), lr=1e-2, amsgrad=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 9)
    for epoch in range(3):
        order = np.random.default_rng([5, epoch]).permutation(100)
        for k in range(3):
            index = order[32 * k : 32 * k + 32]
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(twin(x[index]), y[index]).backward()
            optimiser.step()
            schedule.step()
    assert course.steps == 9
    for a, b in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_distilling_makes_the_student_answer_as_its_teacher(world: SimpleNamespace) -> None:
    teacher, x = world.school.teacher, world.ground.x
    soft = schools.softened(teacher, x)
    hard = logits_of(teacher, x).argmax(dim=1)
    agree = lambda net: float((logits_of(net, x).argmax(dim=1) == hard).float().mean())  # noqa: E731
    student = schools.fresh_student(0)
    course = Course(student, x, by_teacher(soft, 2.0), epochs=60, rate=1e-2, seed=0)
    begin = agree(student)
    assert agree(course.finish()) > begin + 0.2


def test_schools_are_checked(world: SimpleNamespace, tmp_path: Path) -> None:
    (variant,) = read_store(world.folder / "variants.yaml")
    assert variant.energy == pytest.approx(0.6)
    with pytest.raises(InputError, match="rover-energy infer build"):
        schools.read_school(tmp_path)
    for name in schools.FILES.values():
        (tmp_path / name).write_bytes((world.folder / name).read_bytes())
    assert schools.read_school(tmp_path).seed == 0
    (tmp_path / schools.FILES["student"]).write_bytes(b"other")
    with pytest.raises(InputError, match="is not the one in"):
        schools.read_school(tmp_path)
    (tmp_path / schools.FILES["curves"]).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no school"):
        schools.read_school(tmp_path)


def test_places_are_checked(tmp_path: Path) -> None:
    x, y = np.zeros((3, 2, 16, 16)), np.array([0, 1, 5])
    good = {"patches": x, "labels": y, "test_patches": x, "test_labels": y}
    path = tmp_path / "ground.npz"
    np.savez(path, **good)
    assert schools.read_ground(path).x.shape == (3, 2, 16, 16)
    holed = x.copy()
    holed[1, 0, 0, 0] = math.nan
    for name, value, said in (
        ("patches", x[:, :1], "has the shape"), ("patches", holed, "holds NaN"), ("labels", y[:2], "are not 3 whole"),
        ("test_labels", np.array([0, 1, 6]), "within 0 .. 5"), ("patches", None, "is missing"),
    ):  # fmt: skip
        np.savez(path, **{k: v for k, v in {**good, name: value}.items() if v is not None})
        with pytest.raises(InputError, match=said):
            schools.read_ground(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read"):
        schools.read_ground(path)


def test_bad_goals() -> None:
    good = Goal()
    for change in (
        {"task": "opera"}, {"method": Method.HYBRID}, {"energy_limit": math.nan}, {"energy_limit": 0.0},
        {"label_energy": math.nan}, {"label_energy": -1.0},
    ):  # fmt: skip
        with pytest.raises(InputError):
            replace(good, **change)
