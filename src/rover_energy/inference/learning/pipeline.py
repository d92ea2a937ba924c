"""Fine-tuning of one network on several machines: one process per stage, activations and gradients between them by gloo.

Every process builds, holds and steps the layers of its own stage only. Before each step all agree whether each one's grant
still carries it; if not, all save their state and end, and the same work started again goes on from there.

References
----------
Chen, Chen et al. 2023, arXiv 2311.13381 (Confidant); the order of work is in `inference.partition`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rover_energy.errors import RoverEnergyError
from rover_energy.inference.extras import need
from rover_energy.inference.learning.memory import KeptBytes
from rover_energy.inference.learning.staged_decoder import Lesson, batch_of, build_layers, load, loss_of, save, through
from rover_energy.inference.learning.tools import torch_of
from rover_energy.inference.metering import CORE_POWER
from rover_energy.inference.partition import COPIES, order

GENERATIONS = 2  # checkpoints that are kept: a machine may die between its neighbour's and its own
WAIT = 120.0  # [s]
MODULE = "rover_energy.inference.learning.pipeline"


@dataclass(frozen=True)
class Session:
    """One run of a lesson on several machines until it is done or a grant ends.

    cuts : first layer of each stage after the first. folder : of checkpoints and of each stage's account; shared or one
    per machine. meeting : where the processes find each other, `file:///...` or `tcp://host:port`. energy_limits : grant of
    each machine for this run [J], by processor time; empty: none. core_power : declared [W]. most_steps : that this run may
    do; 0: all. keep_gradients : write those of the first step.
    """

    lesson: Lesson
    cuts: tuple[int, ...]
    folder: str
    meeting: str
    energy_limits: tuple[float, ...] = ()
    core_power: float = CORE_POWER
    most_steps: int = 0
    keep_gradients: bool = False

    @property
    def stages(self) -> int:
        """How many."""
        return len(self.cuts) + 1

    def span(self, stage: int) -> range:
        """Layers of a stage."""
        edges = (0, *self.cuts, self.lesson.blocks + 2)
        return range(edges[stage], edges[stage + 1])


@dataclass
class StageRun:
    """What one stage reports. steps : done in all; energy : of this run [J], processor time times the declared power;
    memory : peak [byte], weights with their copies and live activations; paused : why it stopped before the end."""

    stage: int
    steps: int
    energy: float
    memory: int
    paused: str = ""


class StageProcess:
    """One stage, inside its own process."""

    def __init__(self, session: Session, stage: int) -> None:
        self.torch = torch_of("training on several machines")
        self.session, self.stage, self.lesson = session, stage, session.lesson
        self.folder = Path(session.folder)
        self.layers = build_layers(self.lesson, session.span(stage))
        self.weights = list(self.layers.parameters())
        self.optimiser = self.torch.optim.Adam(self.weights, lr=self.lesson.rate)
        self.first, self.last = stage == 0, stage == session.stages - 1
        self.size = self.lesson.batch // self.lesson.micro_batches
        self.sending: list[Any] = []
        self.mine, self.dearest = 0, 0.0  # steps of this run; the dearest of them [J]

    def run(self) -> StageRun:
        """Steps until the lesson is done or somebody's grant does not carry the next one."""
        began, done, paused = time.process_time(), self.resume(), ""
        with KeptBytes(self.weights) as kept:
            while done < self.lesson.steps and not paused:
                paused = self.agree(began)
                if not paused:
                    at = time.process_time()
                    self.step(done)
                    done, self.mine = done + 1, self.mine + 1
                    self.dearest = max(self.dearest, (time.process_time() - at) * self.session.core_power)
        self.save(done)
        memory = kept.peak + COPIES * sum(4 * w.numel() for w in self.weights)
        return StageRun(self.stage, done, (time.process_time() - began) * self.session.core_power, memory, paused)

    def agree(self, began: float) -> str:
        """Why not to go on, or an empty text: everybody's grant must carry a step as dear as the dearest so far."""
        limits = self.session.energy_limits
        spent = (time.process_time() - began) * self.session.core_power
        carries = not limits or spent + self.dearest <= limits[self.stage]
        if self.session.most_steps:
            carries = carries and self.mine < self.session.most_steps
        votes = self.torch.zeros(self.session.stages)
        votes[self.stage] = float(not carries)
        need("torch.distributed", "training on several machines").all_reduce(votes)
        against = [i for i in range(self.session.stages) if votes[i] > 0.0]
        return "" if not against else f"the grant of stage {against[0]} does not carry another step"

    def step(self, number: int) -> None:
        """Forward and backward of every micro-batch in the order of 1F1B, then one step of the optimiser."""
        self.optimiser.zero_grad()
        parts = batch_of(self.lesson, number).chunk(self.lesson.micro_batches) if self.first or self.last else ()
        live: dict[int, tuple[Any, Any]] = {}
        for kind, k in order(self.stage, self.session.stages, self.lesson.micro_batches):
            if kind == "forward":
                x = parts[k][:, :-1] if self.first else self.receive(self.stage - 1, 2 * k).requires_grad_()
                y = through(self.layers, x)
                if self.last:
                    y = loss_of(self.lesson, y, parts[k])
                else:
                    self.send(y.detach(), self.stage + 1, 2 * k)
                live[k] = x, y
            else:
                x, y = live.pop(k)
                y.backward(None if self.last else self.receive(self.stage + 1, 2 * k + 1))
                if not self.first:
                    self.send(x.grad, self.stage - 1, 2 * k + 1)
        for request, _ in self.sending:
            request.wait()
        self.sending.clear()
        if self.session.keep_gradients and not (path := self.folder / f"gradients-{self.stage}.pt").exists():
            save({name: w.grad for name, w in self.layers.named_parameters()}, path)
        self.optimiser.step()

    def send(self, tensor: Any, to: int, tag: int) -> None:
        tensor = tensor.contiguous()
        self.sending.append((self.torch.distributed.isend(tensor, to, tag=tag), tensor))

    def receive(self, source: int, tag: int) -> Any:
        made = self.torch.empty(self.size, self.lesson.context, self.lesson.width)
        self.torch.distributed.recv(made, source, tag=tag)
        return made

    # ------------------------------------------------------------------------------------------------------ checkpoints

    def save(self, done: int) -> None:
        """Weights and the optimiser's state after so many steps."""
        save({"layers": self.layers.state_dict(), "optimiser": self.optimiser.state_dict()}, self.path(done))
        for old in sorted(self.saved())[:-GENERATIONS]:
            self.path(old).unlink()

    def path(self, done: int) -> Path:
        return self.folder / f"stage-{self.stage}-of-{self.session.stages}-step-{done}.pt"

    def saved(self) -> list[int]:
        """Steps of which there is a checkpoint."""
        pattern = f"stage-{self.stage}-of-{self.session.stages}-step-*.pt"
        return [int(p.stem.rpartition("-")[2]) for p in self.folder.glob(pattern)]

    def resume(self) -> int:
        """Go back to the newest step that every stage has saved. Returns the steps that are done."""
        all_of_them: list[Any] = [None] * self.session.stages
        self.torch.distributed.all_gather_object(all_of_them, self.saved())
        common = set.intersection(*(set(steps) for steps in all_of_them))
        if not common:
            return 0
        state = load(self.path(max(common)))
        self.layers.load_state_dict(state["layers"])
        self.optimiser.load_state_dict(state["optimiser"])
        return max(common)


def run_session(session: Session, *, limit: float = WAIT, python: str = sys.executable) -> list[StageRun]:
    """All stages as processes of this machine. Raises RoverEnergyError when one fails or takes longer than `limit` [s].

    On several machines start `python -m rover_energy.inference.learning.pipeline SESSION.json STAGE` on each.
    """
    torch_of("training on several machines")
    folder = Path(session.folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "session.json"
    path.write_text(json.dumps(asdict(session)), encoding="utf-8")
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [python, "-m", MODULE, str(path), str(stage)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for stage in range(session.stages)
    ]  # fmt: skip
    end, runs = time.monotonic() + limit, []
    try:
        for stage, process in enumerate(processes):
            out, problems = process.communicate(timeout=max(0.1, end - time.monotonic()))
            if process.returncode != 0:
                last = (problems.strip().splitlines() or ["no message"])[-1]
                raise RoverEnergyError(f"stage {stage} of the training failed: {last}; its checkpoints in {folder} are kept")
            runs.append(StageRun(**json.loads(out)))
    except subprocess.TimeoutExpired:
        problem = f"the training took longer than {limit:g} s"
        raise RoverEnergyError(f"{problem}; checkpoints in {folder} are kept; allow more") from None
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return runs


def new_meeting(folder: Path) -> str:
    """A place to meet for processes of one machine; every run needs a new one."""
    return f"file://{folder.resolve()}/meeting-{time.time_ns()}"


def gathered(session: Session, done: int) -> dict[str, Any]:
    """Weights of all stages after so many steps, by name."""
    whole: dict[str, Any] = {}
    for stage in range(session.stages):
        whole |= load(Path(session.folder) / f"stage-{stage}-of-{session.stages}-step-{done}.pt")["layers"]
    return whole


def again(session: Session, **changes: Any) -> Session:
    """The same session with another meeting, and other grants perhaps."""
    return replace(session, meeting=new_meeting(Path(session.folder)), **changes)


def main(arguments: Sequence[str], write: Callable[[str], Any] = print) -> None:
    """One stage of a session, as a process."""
    data, stage = json.loads(Path(arguments[0]).read_text(encoding="utf-8")), int(arguments[1])
    data |= {"lesson": Lesson(**data["lesson"]), **{name: tuple(data[name]) for name in ("cuts", "energy_limits")}}
    session = Session(**data)
    distributed = need("torch.distributed", "training on several machines")
    distributed.init_process_group("gloo", init_method=session.meeting, rank=stage, world_size=session.stages)
    report = StageProcess(session, stage).run()
    distributed.barrier()
    distributed.destroy_process_group()
    write(json.dumps(asdict(report)))


if __name__ == "__main__":
    main(sys.argv[1:])
