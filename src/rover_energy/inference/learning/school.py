"""What a rover takes along to learn at its place: a teacher and a student from the simulator, and what a rehearsal promises.

The rehearsal goes through both ways, labels and distillation, at two made-up places on the ground, within what the simulator
varies and beyond it, and keeps quality and joules of each: these are the curves that `distil_or_annotate` decides with. They
are a forecast; where the place itself stands between them shows in how often the teacher is right there.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.distil_or_annotate import Curve, Rehearsal
from rover_energy.inference.learning.build import deployed
from rover_energy.inference.learning.classifiers import TEMPERATURE, Data, build_swift, operations
from rover_energy.inference.learning.course import Course, by_labels, by_teacher
from rover_energy.inference.learning.export import write_onnx
from rover_energy.inference.learning.tools import accuracy, logits_of, seeded, torch_of
from rover_energy.inference.metering import CORE_POWER
from rover_energy.inference.tasks.shifted_patches import PLACE, Place, shifted_patches, simulated_patches
from rover_energy.inference.tasks.terrain_patches import CHANNELS, CLASSES, SIDE
from rover_energy.inference.variant import Variant, digest

TASK = "terrain_class"
TRAINING_TASK = "terrain_class_training"
SIMULATED, UNLABELLED, TEST = 9000, 9000, 3000
LABELS = (60, 180, 560, 1560)  # of the rehearsal
FILES = {"teacher": "terrain-teacher.pt", "student": "terrain-student.pt", "curves": "terrain-school.json"}
REHEARSAL = Place(0.8, 1.6, 0.2, 0.2, 0.05, 0.3)  # what Earth takes the place for
STRANGE = Place(1.5, 0.5, -0.5, 0.45, 0.35, 0.7)  # beyond what the simulator varies, in another way than any place will be
TUNING, TEACHING, LABELLED = 3e-4, 3e-3, 3e-3  # rates
TEACHING_EPOCHS = 20
UNIT = 0.1  # [s] of processor time
PRICE = (
    "energy", "energy_high", "energy_provenance", "energy_detail", "peak_power", "latency", "operations", "batch", "fixed_share",
)  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """Patches of a place.

    x : as the rover drove over them (n, 2, 16, 16); y : the classes that Earth would give them (n,), used only as far as they
    are asked for, from the first on; test_x, test_y : held out.
    """

    x: Any
    y: Any
    test_x: Any
    test_y: Any

    @cached_property
    def key(self) -> str:
        """Digest of all of it."""
        return _digest(vars(self).values())


def _digest(tensors: Iterable[Any]) -> str:
    found = hashlib.sha256()
    for tensor in list(tensors):
        found.update(tensor.detach().numpy().tobytes())
    return found.hexdigest()


def generated_ground(seed: int, place: Place = PLACE, count: int = UNLABELLED, test: int = TEST) -> Ground:
    """A generated place."""
    torch = torch_of("learning at a place")
    parts = (*shifted_patches(1000 + seed, count, place), *shifted_patches(2000 + seed, test, place))
    return Ground(*(torch.from_numpy(part) for part in parts))


def read_ground(path: Path) -> Ground:
    """A place from an .npz file with `patches`, `labels`, `test_patches`, `test_labels`. Raises InputError."""
    torch = torch_of("learning at a place")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise InputError(str(path), "file", f"cannot be read as .npz ({error})", "write it with numpy.savez") from None
    return Ground(*(torch.from_numpy(part) for part in _checked(found, str(path))))


def _checked(found: dict[str, NDArray[Any]], source: str) -> list[NDArray[Any]]:
    parts: list[NDArray[Any]] = []
    for x, y in (("patches", "labels"), ("test_patches", "test_labels")):
        for name in (x, y):
            if name not in found:
                raise InputError(source, name, "is missing", "give patches, labels, test_patches, test_labels")
        shape = found[x].shape
        if len(shape) != 4 or shape[1:] != (CHANNELS, SIDE, SIDE) or shape[0] < 1:
            raise InputError(source, x, f"has the shape {shape}", f"give (n, {CHANNELS}, {SIDE}, {SIDE}) with n of 1 or more")
        if not np.all(np.isfinite(found[x])):
            raise InputError(source, x, "holds NaN or infinity", "leave such patches out")
        classes = found[y]
        if classes.shape != shape[:1] or not np.all((classes >= 0) & (classes < len(CLASSES)) & (classes == np.floor(classes))):
            problem = f"are not {shape[0]} whole numbers within 0 .. {len(CLASSES) - 1}"
            raise InputError(source, y, problem, "give the class of each patch")
        parts += [found[x].astype(np.float32), classes.astype(np.int64)]
    return parts


@dataclass
class School:
    """teacher, student : networks from the simulator. annotate, distil : curves of the place that is expected. seed : of all.

    rehearsals : those curves and others, each with how often the teacher was right.
    price : of an answer of the student, whatever it has learnt: fields of `Variant`, measured when the school was built.
    """

    teacher: Any
    student: Any
    annotate: Curve
    distil: Curve
    seed: int
    price: dict[str, Any]
    rehearsals: tuple[Rehearsal, ...] = ()

    @cached_property
    def key(self) -> str:
        """Digest of the networks and the curves."""
        networks = _digest([*self.teacher.state_dict().values(), *self.student.state_dict().values()])
        return hashlib.sha256(repr((networks, self.annotate, self.distil, self.rehearsals)).encode()).hexdigest()


# ----------------------------------------------------------------------------------------------------- courses of learning


def build_teacher() -> Any:
    """Convolutions with normalisation over the batch, 1.3 M operations. After the simulator the statistics stay as they are."""
    nn = seeded(0).nn
    layers, before = [], CHANNELS
    for after, stride in ((24, 1), (48, 2), (64, 2)):
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        before = after
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (SIDE // 4) ** 2, 96), nn.ReLU(), nn.Linear(96, len(CLASSES)))


def from_simulator(seed: int) -> tuple[Any, Any]:
    """Teacher and student, both trained with the simulator's labels on patches of many places."""
    torch = seeded(seed)
    x, y = (torch.from_numpy(part) for part in simulated_patches(3000 + seed, SIMULATED))
    seeded(seed)
    teacher = fresh(build_teacher()).train()
    Course(teacher, x, by_labels(y), epochs=6, rate=3e-3, seed=seed).finish().eval()
    return teacher, Course(fresh_student(seed), x, by_labels(y), epochs=15, rate=3e-3, seed=seed).finish()


def fresh_student(seed: int) -> Any:
    """A student that knows nothing."""
    seeded(seed)
    return fresh(build_swift())


def fresh(network: Any) -> Any:
    """With weights drawn anew."""
    for layer in network:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return network


def labelled_course(student: Any, ground: Ground, labels: int, seed: int) -> Course:
    """The student learns from so many labels; a copy of it is trained."""
    x, y = ground.x[:labels], ground.y[:labels]
    epochs = max(20, 12000 // labels)
    return Course(copy.deepcopy(student), x, by_labels(y), epochs=epochs, rate=LABELLED, seed=seed)


def tuning_course(teacher: Any, ground: Ground, labels: int, seed: int) -> Course:
    """The teacher learns from so many labels; a copy of it is trained."""
    x, y = ground.x[:labels], ground.y[:labels]
    return Course(copy.deepcopy(teacher), x, by_labels(y), epochs=max(5, 1500 // labels), rate=TUNING, seed=seed)


def softened(teacher: Any, x: Any) -> Any:
    """A teacher's answers."""
    return torch_of().softmax(logits_of(teacher, x) / TEMPERATURE, dim=1)


def distilling_course(student: Any, ground: Ground, soft: Any, seed: int) -> Course:
    """The student learns from a teacher's answers; a copy of it is trained."""
    loss = by_teacher(soft, TEMPERATURE)
    return Course(copy.deepcopy(student), ground.x, loss, epochs=TEACHING_EPOCHS, rate=TEACHING, seed=seed)


def distilled(teacher: Any, student: Any, ground: Ground, labels: int, seed: int) -> Any:
    """The whole way: tune the teacher with what labels there are, let it answer, train the student."""
    tutor = tuning_course(teacher, ground, labels, seed).finish() if labels else teacher
    return distilling_course(student, ground, softened(tutor, ground.x), seed).finish()


# -------------------------------------------------------------------------------------------------------------- rehearsal


def measured(make: Callable[[], Any], ground: Ground) -> tuple[float, float]:
    """Quality at a place of the network that a way makes, and the joules it took by processor time."""
    began = time.process_time()
    network = make()
    spent = (time.process_time() - began) * CORE_POWER
    return accuracy(network, ground.test_x, ground.test_y), spent


def rehearse(teacher: Any, student: Any, ground: Ground, seed: int) -> Rehearsal:
    """Curves of both ways at a place."""
    most = [n for n in LABELS if n <= len(ground.x)]
    asked = [measured(partial(_taught, student, ground, n, seed), ground) for n in most]
    begin, there = (accuracy(network, ground.test_x, ground.test_y) for network in (student, teacher))
    annotate = Curve((0, *most), (begin, *(q for q, _ in asked)), max(e for _, e in asked), 0.0)
    some = (0, *most[1::2])  # the hybrid takes the longest
    both = [measured(partial(distilled, teacher, student, ground, n, seed), ground) for n in some]
    distil = Curve(some, tuple(q for q, _ in both), max(e for _, e in both), 0.0)
    return Rehearsal(there, annotate, distil)


def rehearsals(teacher: Any, student: Any, seed: int) -> tuple[Rehearsal, ...]:
    """At the place that is expected, and at one beyond what the simulator varies."""
    grounds = (generated_ground(500 + 200 * i + seed, place) for i, place in enumerate((REHEARSAL, STRANGE)))
    return tuple(rehearse(teacher, student, ground, seed) for ground in grounds)


def _taught(student: Any, ground: Ground, labels: int, seed: int) -> Any:
    return labelled_course(student, ground, labels, seed).finish()


# -------------------------------------------------------------------------------------------------------------- the folder


def build_learning(folder: Path, seed: int, began: Callable[[str], None] = lambda _: None) -> list[Variant]:
    """Train teacher and student, rehearse, write all into a folder; the priced variant of training on board.

    One unit of that variant is `UNIT` seconds of training on one core.
    """
    began("teacher and student")
    teacher, student = from_simulator(seed)
    began("rehearsal of learning")
    made = rehearsals(teacher, student, seed)
    torch = torch_of()
    torch.save(teacher.state_dict(), folder / FILES["teacher"])
    torch.save(student.state_dict(), folder / FILES["student"])
    curves = {
        "seed": seed, "teacher": digest(folder / FILES["teacher"]), "student": digest(folder / FILES["student"]),
        "rehearsals": [asdict(each) for each in made], "price": price_of(student, seed),
    }  # fmt: skip
    (folder / FILES["curves"]).write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return [training_variant(folder, f"rover-energy infer build --seed {seed}")]


def price_of(student: Any, seed: int) -> dict[str, Any]:
    """What an answer of the student takes on this machine."""
    g = generated_ground(500 + seed, REHEARSAL)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "student.onnx"
        write_onnx(student, (CHANNELS, SIDE, SIDE), path)
        made = deployed(path, "student", "fp32", Data(g.x, g.y, g.x, g.y, g.test_x, g.test_y), sum(operations(student)), "")
    return {field: getattr(made, field) for field in PRICE}


def training_variant(folder: Path, source: str) -> Variant:
    """Price of training: `UNIT` seconds of one core."""
    return Variant(
        name="terrain-training", task=TRAINING_TASK, energy=UNIT * CORE_POWER, energy_high=UNIT * CORE_POWER,
        energy_provenance="cpu_time_model", peak_power=CORE_POWER, latency=UNIT,
        energy_detail=f"{CORE_POWER:g} W per busy core, declared; a unit is {UNIT:g} s",
        size=sum((folder / n).stat().st_size for n in FILES.values()), artefact=FILES["teacher"],
        checksum=digest(folder / FILES["teacher"]),
        source=source,
    )  # fmt: skip


def read_school(folder: Path) -> School:
    """What `build_learning` wrote. Raises InputError for what is missing, altered or no school."""
    source = folder / FILES["curves"]
    try:
        data = json.loads(source.read_text(encoding="utf-8"))
        made = tuple(Rehearsal(r["teacher"], _curve(r["annotate"]), _curve(r["distil"])) for r in data["rehearsals"])
        annotate, distil = made[0].annotate, made[0].distil
        seed, sums = int(data["seed"]), {name: str(data[name]) for name in ("teacher", "student")}
        price = {field: data["price"][field] for field in PRICE}
    except OSError as error:
        raise InputError(str(source), "file", error.strerror or "cannot be read", "build it: rover-energy infer build") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(str(source), "file", f"is no school ({type(error).__name__}: {error})", "build it again") from None
    networks = []
    for name, make in (("teacher", build_teacher), ("student", build_swift)):
        path = folder / FILES[name]
        if digest(path) != sums[name]:
            raise InputError(str(path), "checksum", f"is not the one in {source.name}", "build both again", sums[name][:12])
        network = make()
        network.load_state_dict(torch_of("learning at a place").load(path, weights_only=True))
        networks.append(network.eval())
    return School(networks[0], networks[1], annotate, distil, seed, price, made)


def _curve(data: dict[str, Any]) -> Curve:
    return Curve(tuple(data["labels"]), tuple(data["quality"]), data["fixed"], data["per_label"])
