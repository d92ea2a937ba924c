"""The nodes of inference in a graph: which are started with a store, and why others are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.inference.grants import FloorReserve
from rover_energy.inference.store import Store, read_store
from rover_energy.nodes.inference_settings import INFERENCE
from rover_energy.nodes.node import Node
from rover_energy.nodes.plan_folder import read_bus

LEAD = 0.5  # [s] of simulated time between permission and begin: this machine computes while simulated time runs on
STORE = "variants.yaml"


FOLDERS = (("folder", "{plan}"), ("store", "{store}"))


@dataclass(frozen=True)
class Kind:
    """A node that runs a task: started where its variants, its packages and its inputs in the plan's folder are there.

    places : parameters and what they are told, of {plan}, {store}, {variants} (the store's folder) and {out}.
    """

    name: str
    task: str
    packages: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    places: tuple[tuple[str, str], ...] = FOLDERS


KINDS = (
    Kind("terrain_classifier", "terrain_class", ("onnxruntime",)),
    Kind(
        "energy_map_predictor", "energy_map", ("onnxruntime",), (("image", "image.npz"),),
        (*FOLDERS, ("out", "{out}/energy_map.npz")),
    ),
    Kind("telemetry_sentinel", "telemetry_anomaly"),
    Kind("log_analyst", "log_query"),
    Kind(
        "learning_planner", "terrain_class_training", ("torch", "onnx", "onnxruntime"), (),
        (("school", "{variants}"), ("folder", "{out}/learned")),
    ),
)


def store_of(place: Path) -> Path:
    """The store in a folder, or the file itself. Raises InputError where there is none."""
    path = place / STORE if place.is_dir() else place
    if not path.is_file():
        raise InputError(str(place), "inference", "holds no store of variants", "make one: rover-energy infer build --out DIR")
    return path.resolve()


def missing(kind: Kind, store: Store, plan: Path) -> str:
    """Why a node is not started; empty when it is."""
    if kind.name not in INFERENCE or find_spec(f"rover_energy.nodes.{kind.name}") is None:
        return f"{kind.name} is not installed"
    if not any(v.priced for v in store if v.task == kind.task):
        return f"the store has no metered variant of {kind.task}"
    for package in kind.packages:
        if find_spec(package) is None:
            return f"{package} is not installed: pip install 'rover-energy[infer]'"
    absent = [name for _, name in kind.inputs if not (plan / name).is_file()]
    return f"{plan / absent[0]} is not there: see docs/inference_maps.md" if absent else ""


def usable_store(place: Path, plan: Path, say: Callable[[str], None]) -> Path:
    """The store, for a plan that leaves networks enough; `say` hears which nodes it cannot serve. Raises InputError."""
    path = store_of(place)
    check_floor(plan)
    for name, text in choose(path, plan)[1].items():
        say(f"{name} is not started: {text}")
    return path


def launched_store(values: Mapping[str, str], file: str) -> Path | None:
    """The store that a launch file's argument `inference` names, if any; standard error has the nodes that it cannot serve.

    Raises InputError.
    """
    if not values.get("inference"):
        return None
    return usable_store(Path(values["inference"]), Path(values["plan"]), lambda text: print(f"{file}: {text}", file=sys.stderr))


def choose(path: Path, plan: Path) -> tuple[list[Kind], dict[str, str]]:
    """The nodes that a store can serve, and why the others are not started. Raises InputError."""
    store = read_store(path)
    why = {kind.name: missing(kind, store, plan) for kind in KINDS}
    return [kind for kind in KINDS if not why[kind.name]], {name: text for name, text in why.items() if text}


def check_floor(plan: Path) -> None:
    """Whether a plan leaves the reserved perception its peak. Raises InputError."""
    rover, _ = read_bus(str(plan))
    least = FloorReserve().peak_power
    if not rover.loads.inference_power >= least:
        raise InputError(
            str(plan / "rover.yaml"), "loads.inference_power", f"is below the {least:g} W of the reserved perception",
            "plan again with at least that much", rover.loads.inference_power,
        )  # fmt: skip


def inference_nodes(place: Path, plan: Path, out: Path) -> list[Node]:
    """Manager, accountant and what the store can serve; the rover drives on without any of them. Raises InputError."""
    path = store_of(place)
    chosen, _ = choose(path, plan)
    places = {"plan": plan, "store": path, "variants": path.parent, "out": out}
    nodes = [
        Node("inference_manager", "inference_manager", {"store": str(path), "lead": LEAD}, required=False),
        Node("energy_accountant", "energy_accountant", {"ledger": str(out / "inference.json")}, required=False),
    ]
    for kind in chosen:
        known = {field.name for field in fields(INFERENCE[kind.name])}
        values: dict[str, Any] = {name: text.format(**places) for name, text in kind.places if name in known}
        values |= {name: str(plan / file) for name, file in kind.inputs}
        nodes.append(Node(kind.name, kind.name, values, required=False))
    return nodes
