"""The learning planner: makes a better network for the place where the rover is, in slices of granted energy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.inference.distil_or_annotate import Method
from rover_energy.inference.extras import need
from rover_energy.inference.learning.distil import BudgetError, Goal, Job
from rover_energy.inference.learning.school import TASK, TRAINING_TASK, UNIT, generated_ground, read_ground, read_school
from rover_energy.inference.metering import CORE_POWER
from rover_energy.nodes import ros
from rover_energy.nodes.inference_settings import LearningParameters
from rover_energy.nodes.spender import Permit, Spender, Spent

LOOK = 0.05  # [s] of real time between two looks whether a slice has ended
SHARE = 0.9  # of a permit's energy that a slice uses: saving its state comes on top
STORE = "variants.yaml"  # in the folder, by `inference.learning.distil`
CODES = {0: Method.NONE, 1: Method.ANNOTATE, 2: Method.DISTIL}


class Ended(Exception):
    """A goal ends here; `code` is the name of its error."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class LearningPlanner(ros.Part):
    """Thin over `inference.learning.distil`: one goal at a time, each slice by the leave of the inference manager."""

    name, parameters = "learning_planner", LearningParameters

    def configure(self) -> None:
        p = self.settings
        if not p.school:
            raise InputError("learning_planner", "school", "is empty", "name a folder made by: rover-energy infer build")
        for module in ("torch", "onnx", "onnxruntime"):  # the first import takes more than a slice may
            need(module, "learning on board")
        self.school = read_school(Path(p.school))
        self.ground = read_ground(Path(p.ground)) if p.ground else generated_ground(p.seed)
        _ = self.ground.key, self.school.key
        self.folder = Path(p.folder or p.school)
        self.spender = Spender(self, TRAINING_TASK)
        self.announce = self.publisher("variants_learnt")
        self.job: Job | None = None
        self.open, self.working, self.waiting, self.refusal = False, False, None, ("", "")
        self.handle, self.until = None, math.inf
        self.error: Exception | None = None
        self.kind = ros.need("rover_energy_interfaces.action").TrainVariant
        self.server = self.action_server(self.kind, "train_variant", self.execute, lambda: self.active and not self.open)
        self.timer = self.every(LOOK, self.on_timer)

    def deactivate(self) -> None:
        if hasattr(self, "spender"):
            self.spender.close()

    def on_timer(self) -> None:
        """Wake the goal whose slice has ended; leave the queue for one that is not wanted any more."""
        if self.waiting is None:
            return
        if self.spender.busy and not self.working and self.unwanted():
            self.spender.close()
        if not self.spender.busy:
            waiting, self.waiting = self.waiting, None
            waiting.set_result(True)

    def unwanted(self) -> Ended | None:
        """Why the goal must not go on."""
        if self.handle is not None and self.handle.is_cancel_requested:
            return Ended("canceled", "cancelled; its state is kept: the same goal goes on")
        if not self.active or not self.now < self.until:
            why = "the deadline passed" if self.active else "the node was deactivated"
            return Ended("grant_lost", f"{why}; its state is kept: the same goal goes on")
        return None

    async def execute(self, handle: Any) -> Any:
        """TrainVariant."""
        self.open, self.job = True, None
        result = self.kind.Result(quality_before=math.nan, quality=math.nan, energy=0.0, break_even=math.nan)
        try:
            await self.learn(handle)
            self.tell(result)
            handle.succeed()
            self.announce(ros.message_class("std_msgs/msg/String")(data=str((self.folder / STORE).resolve())))
        except Ended as end:
            self.taken(result)
            result.error_code, result.error_text = getattr(result, end.code.upper()), str(end)
            (handle.canceled if end.code == "canceled" else handle.abort)()
        except Exception as error:
            result.error_code, result.error_text = result.INTERNAL_ERROR, f"{type(error).__name__}: {error}"
            handle.abort()
        finally:
            self.open = False
        return result

    async def learn(self, handle: Any) -> None:
        """Slice after slice until the job is done. Raises Ended."""
        request = handle.request
        goal = self.goal_of(request)
        self.handle, self.until = handle, self.now + request.deadline
        while self.job is None or self.job.learnt is None:
            if (end := self.unwanted()) is not None:
                raise end
            await self.one_slice(goal, request.deferrable)
            handle.publish_feedback(self.feedback())

    def goal_of(self, request: Any) -> Goal:
        """The goal of a request. Raises Ended."""
        if request.task != TASK:
            raise Ended("unknown_task", f"task = {request.task!r}: cannot be trained; name {TASK}")
        if request.method not in CODES:
            raise Ended("invalid_goal", f"method = {request.method}: unknown; give AUTO, ANNOTATE or DISTILL")
        if not request.power_limit >= CORE_POWER:
            raise Ended("invalid_goal", f"power_limit = {request.power_limit:g} W: training takes {CORE_POWER:g} W; allow them")
        if not request.deadline > 0.0:
            raise Ended("invalid_goal", f"deadline = {request.deadline:g} s: is not above 0; give infinity for none")
        try:
            return Goal(TASK, CODES[request.method], request.energy_limit, request.label_energy, self.settings.seed)
        except InputError as error:
            raise Ended("invalid_goal", str(error)) from None

    async def one_slice(self, goal: Goal, deferrable: bool) -> None:
        """Ask, and work when the manager says yes. Raises Ended."""
        self.refusal, self.error = ("", ""), None
        self.waiting = done = ros.need("rclpy.task").Future(executor=self.ros.executor)
        patience = max(0.1, self.until - self.now)
        patience = patience if deferrable else min(self.settings.patience, patience)
        self.spender.ask(
            amount=self.settings.slice / UNIT, patience=patience, weight=self.settings.weight, deferrable=deferrable,
            run=lambda permit: self.work(goal, permit), refused=self.on_refused,
        )  # fmt: skip
        await done
        if isinstance(self.error, BudgetError):
            raise Ended("budget_too_small", str(self.error))
        if self.error is not None:
            raise Ended("internal_error", str(self.error))
        code, text = self.refusal
        if code and self.unwanted() is None:
            raise Ended("grant_lost", f"{code}: {text}; its state is kept: the same goal goes on")

    def on_refused(self, code: str, text: str) -> None:
        """Of the spender."""
        self.refusal = code, text

    def work(self, goal: Goal, permit: Permit) -> Spent:
        """One slice, in the spender's thread."""
        self.working = True
        try:
            if self.job is None:
                self.job = Job(goal, self.school, self.ground, self.folder)
            self.job.slice(SHARE * permit.energy, permit.stopped)
        except RoverEnergyError as error:
            self.error = error
            raise
        finally:
            self.working = False
        return Spent(quoted=permit.energy)

    # ------------------------------------------------------------------------------------------------------------ telling

    def feedback(self) -> Any:
        """How far it is."""
        job = self.job
        if job is None:
            return self.kind.Feedback(stage="waiting", quality=math.nan)
        quality = math.nan if job.learnt is None else job.learnt.variant.quality
        stage = "training" if job.stage == "tuning" else job.stage
        return self.kind.Feedback(stage=stage, progress=job.progress, energy=job.energy, quality=quality)

    def taken(self, result: Any) -> None:
        """What was spent and decided so far."""
        if self.job is not None:
            result.energy, result.labels = self.job.energy, self.job.labels
            result.break_even = self.job.decision.break_even

    def tell(self, result: Any) -> None:
        """What was learnt."""
        assert self.job is not None
        self.taken(result)
        learnt = self.job.result()
        result.method = 1 if learnt.decision.method is Method.ANNOTATE else 2
        result.variant, result.artefact = learnt.variant.name, str(self.folder / learnt.variant.artefact)
        result.quality_before, result.quality = learnt.quality_before, learnt.variant.quality


def main() -> None:
    """Entry point."""
    ros.run(LearningPlanner)


if __name__ == "__main__":
    main()
