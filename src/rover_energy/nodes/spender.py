"""How a node runs a network on the bus: asks the inference manager, runs within the permit, is metered, hands in a receipt."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.metering import CpuTime
from rover_energy.inference.receipts import Outcome, Receipt
from rover_energy.nodes import ros
from rover_energy.nodes.grant_messages import receipt_message, run_message

LOOK = 0.05  # [s] of real time between two looks for answers that do not come
ANSWER = 2.0  # [s] of real time for the manager to answer
TICK = 0.01  # [s] of simulated time: below the windows of the meter, so that a timer is called in each
LEAD = 0.04  # [s] of simulated time: two windows of the meter, within which the bus hears of a run before it draws
FAREWELL = 0.5  # [s] of real time for a run to end when its node comes to rest


@dataclass(frozen=True)
class Permit:
    """What a run may take: energy [J], power at any instant [W], duration [s], and until when it must have ended [s].

    floor : it is the reserved perception, with or without a grant. A run that can be interrupted asks `stopped` often.
    """

    request_id: str
    variant: str
    energy: float
    power: float
    duration: float
    until: float
    floor: bool
    clock: Callable[[], float]
    stop: threading.Event = field(default_factory=threading.Event)
    meter: CpuTime = field(default_factory=lambda: CpuTime(clock=time.thread_time))
    mark: list[float] = field(default_factory=list)

    def stopped(self) -> bool:
        """Whether the run must end now: it was told to, its time is over, or its energy is used up. For the run's thread."""
        used = self.meter.end(self.mark[0]).joules if self.mark else 0.0
        return self.stop.is_set() or not self.clock() < self.until or not used < self.energy


@dataclass(frozen=True)
class Spent:
    """What a run has to say of itself; see InferenceReceipt.

    energy : where the run knows better than the meter of processor time, e.g. a count of operations for other hardware, or
    work in further threads and processes. quoted : joules promised for it [J]. then : called in the executor's thread when
    the run has ended, e.g. to publish the answer; not after a run that was stopped or failed.
    """

    quality: float = math.nan
    operations: float = math.nan
    energy_score: float = math.nan
    routed_up: bool = False
    energy: Energy | None = None
    quoted: float = math.nan
    then: Callable[[], None] | None = None


Run = Callable[[Permit], Spent]
Refusal = Callable[[str, str], None]


@dataclass
class _Work:
    """A request and, later, its run. Times of the node's clock [s]; `sent`: real time of the last question [s]."""

    request: Any
    run: Run
    refused: Refusal | None
    asked: float
    deadline: float
    again: float
    sent: float = 0.0
    next_question: float = math.inf
    permit: Permit | None = None
    thread: threading.Thread | None = None
    spent: Spent = field(default_factory=Spent)
    energy: Energy = field(default_factory=lambda: Energy(0.0, Provenance.CPU_TIME_MODEL))
    outcome: Outcome = Outcome.COMPLETED
    problem: str = ""
    begun: float = math.nan
    lasting: float = 0.0
    timer: Any = None
    computed: bool = False
    repeated: bool = False


class Spender:
    """Runs one task of a node, one run at a time, in a thread of its own.

    With simulated time the computer is simulated, too: the run is computed as fast as this machine does, and then draws its
    power from the bus for as long as its energy lasts by simulated time. Its answer counts at the end of that.

    What it never does is raise: without a manager, an answer, or a run that works, there is a refusal or a failed receipt.
    """

    def __init__(self, part: ros.Part, task: str) -> None:
        self.part, self.task = part, task
        self.ros, self.now_of = part.ros, part.ros.get_clock()
        self.simulated = bool(self.ros.get_parameter("use_sim_time").value)
        self.service = ros.need("rover_energy_interfaces.srv").ReserveInference
        self.client = self.ros.create_client(self.service, "reserve_inference")
        self.send = {name: part.publisher(name) for name in ("inference_receipt", "inference_run")}
        part.subscribe("inference_stop", self.on_stop)
        self.guard = self.ros.create_guard_condition(self._computed)
        self.timer = part.every(LOOK, self._look)
        self.prefix, self.count = f"{self.ros.get_name()}/{task}/{time.time_ns():x}.{os.getpid()}", 0
        self.work: _Work | None = None
        self.told = math.inf
        if self.simulated and getattr(part.settings, "lockstep", False):
            self.told, self.idle = -math.inf, part.publisher("inference_idle")
            self.after = self.ros.create_guard_condition(self._tell)  # called when all other timers of this instant were
            self.ticks = self.ros.create_timer(TICK, self.after.trigger)

    def _tell(self) -> None:
        """Let the simulation go on when there is neither an answer of the manager nor a run to be waited for."""
        work, now = self.work, self.now
        asking = work is not None and work.permit is None and not now < work.next_question < math.inf
        computing = work is not None and work.permit is not None and work.timer is None
        if now >= self.told and not asking and not computing:  # and again: who waits may not have been there yet
            self.told = now
            self.idle(ros.message_class("std_msgs/msg/Header")(stamp=ros.stamp_of(now), frame_id=self.ros.get_name()))

    @property
    def now(self) -> float:
        """ROS time [s]."""
        return float(self.now_of.now().nanoseconds) * 1e-9

    @property
    def busy(self) -> bool:
        """Whether a request or a run is open. One whose time is over, though its timer was not yet called, is finished first."""
        work = self.work
        if work is not None and work.timer is not None and not self.now < work.begun + work.lasting:
            self._finish(work, work.begun + work.lasting)
        return self.work is not None

    # --------------------------------------------------------------------------------------------------------- asking

    def ask(
        self, *, amount: float, patience: float, weight: float = 1.0, deferrable: bool = False, run: Run,
        refused: Refusal | None = None,
    ) -> str:  # fmt: skip
        """Ask to run, and run when the manager says yes; the name of the request.

        Parameters
        ----------
        amount : float
            Units of work.
        patience : float
            From now to the answer at most [s], may be infinite. The manager is asked again until then where it says
            TRY_LATER or NO_GRANT.
        weight : float
            Worth of an answer of quality 1 against other requests.
        deferrable : bool
            It may wait for surplus.
        run : callable
            Runs the variant `permit.variant` within the permit, in a thread of its own; ROS is not to be touched there.
        refused : callable, optional
            Gets code and text, once, in the executor's thread: a name of an error of ReserveInference, or BUSY,
            NO_MANAGER, NO_ANSWER.
        """
        self.count += 1
        name, now = f"{self.prefix}/{self.count}", self.now
        request = self.service.Request(
            request_id=name, task=self.task, amount=float(amount), patience=float(patience), weight=float(weight),
            deferrable=deferrable,
        )  # fmt: skip
        again = min(1.0, max(0.1, 0.1 * patience)) if patience == patience else 1.0
        work = _Work(request, run, refused, now, now + patience, again)
        if self.work is not None:
            self._refuse(work, "BUSY", f"{self.task}: {self.work.request.request_id} is not done yet")
            return name
        self.work = work
        self._question(work)
        return name

    def _question(self, work: _Work) -> None:
        work.next_question, work.sent = math.inf, time.monotonic()
        if not self.client.service_is_ready():
            self._refuse(work, "NO_MANAGER", f"{self.task}: no inference_manager answers reserve_inference")
            return
        self.client.call_async(work.request).add_done_callback(lambda future: self._answered(work, future))

    def _done(self) -> None:
        """Something that the simulation may wait for has happened."""
        if self.told < math.inf:
            self.after.trigger()

    def _answered(self, work: _Work, future: Any) -> None:
        answer = None if future.cancelled() or future.exception() is not None else future.result()
        self._done()
        if self.work is not work:  # given up meanwhile: a reservation must not stay open
            if answer is not None and answer.error_code == answer.NONE:
                work.permit, work.outcome = self._permit(work, answer), Outcome.ABORTED
                self._receipt(work, self.now)
            return
        if answer is None:
            self._refuse(work, "NO_ANSWER", f"{self.task}: the inference_manager died over the question")
        elif answer.error_code == answer.NONE:
            work.permit, work.begun = self._permit(work, answer), self.now
            if not self.simulated:
                p = work.permit
                self.send["inference_run"](run_message(p.request_id, work.begun, p.power, p.duration))
            work.thread = threading.Thread(target=self._compute, args=(work,), name=work.request.request_id, daemon=True)
            work.thread.start()
        elif answer.error_code in (answer.TRY_LATER, answer.NO_GRANT) and self.now + work.again < work.deadline:
            # in lockstep once more at this instant: the last run's receipt may be on its way, and simulated time waits
            at_once = self.told < math.inf and not work.repeated
            work.repeated, work.next_question = True, self.now + (0.0 if at_once else work.again)
        else:
            codes = [n for n in dir(self.service.Response) if n.isupper() and getattr(answer, n) == answer.error_code]
            self._refuse(work, codes[0] if codes else str(answer.error_code), answer.error_text)

    def _permit(self, work: _Work, answer: Any) -> Permit:
        return Permit(
            work.request.request_id, answer.variant, answer.energy, answer.power, answer.duration,
            self.now + answer.duration, answer.floor, lambda: self.now,
        )  # fmt: skip

    def _look(self) -> None:
        """Answers that do not come, and questions that are due again."""
        work = self.work
        self._done()
        if work is None or work.permit is not None:
            return
        if work.next_question < math.inf:
            if self.now >= work.next_question:
                self._question(work)
        elif time.monotonic() - work.sent > ANSWER:
            self._refuse(work, "NO_ANSWER", f"{self.task}: the inference_manager gave no answer within {ANSWER:g} s")

    def _refuse(self, work: _Work, code: str, text: str) -> None:
        if self.work is work:
            self.work = None
        self._done()
        if work.refused is not None:
            self._safely(work, lambda: work.refused(code, text))  # type: ignore[misc]

    # -------------------------------------------------------------------------------------------------------- running

    def _compute(self, work: _Work) -> None:
        """In the run's thread."""
        permit = work.permit
        assert permit is not None
        meter = permit.meter
        mark = meter.begin()
        permit.mark.append(mark)
        try:
            work.spent = work.run(permit)
        except Exception as error:  # whatever a network may raise, the node goes on
            work.outcome, work.problem = Outcome.FAILED, f"{type(error).__name__}: {error}"
        taken = meter.end(mark)
        work.energy = taken if work.spent.energy is None else work.spent.energy
        work.computed = True
        self.guard.trigger()

    def _computed(self) -> None:
        """The run's thread is done."""
        work = self.work
        self._done()
        if work is None or not work.computed or work.timer is not None:
            return
        assert work.permit is not None
        if work.outcome is Outcome.COMPLETED and work.permit.stop.is_set():
            work.outcome = Outcome.ABORTED
        if self.simulated:
            self._draw(work, work.permit)
        else:
            self._finish(work, self.now)

    def _draw(self, work: _Work, permit: Permit) -> None:
        """Let the simulated bus carry the run: at its power, from two windows later on."""
        joules = work.energy.joules if work.energy.metered else permit.energy
        work.begun = self.now + LEAD
        work.lasting = joules / permit.power if permit.power > 0.0 else 0.0
        if not work.lasting > 0.0:
            self._finish(work, self.now)
            return
        self.send["inference_run"](run_message(permit.request_id, work.begun, permit.power, work.lasting))
        work.timer = self.ros.create_timer(LEAD + work.lasting, lambda: self._finish(work, work.begun + work.lasting))

    def on_stop(self, message: Any) -> None:
        """The manager says that a run must stop at once."""
        work = self.work
        if work is None or work.permit is None or message.name != work.permit.request_id:
            return
        work.permit.stop.set()
        if work.timer is not None:  # what it has not drawn yet it does not draw any more
            self._cut(work, work.permit)

    def _cut(self, work: _Work, permit: Permit) -> None:
        now = max(self.now, work.begun)
        if not now < work.begun + work.lasting:
            return
        if work.energy.metered:
            drawn = permit.power * (now - work.begun)
            work.energy = Energy(drawn, work.energy.provenance, work.energy.deviation, work.energy.detail)
        work.outcome = Outcome.ABORTED
        self._finish(work, now)

    def _finish(self, work: _Work, at: float) -> None:
        """Hand in the receipt of a run that ended at a time [s], and let the node have its answer."""
        if work.timer is not None:
            work.timer.cancel()
            self.ros.destroy_timer(work.timer)
            work.timer = None
        if self.work is not work:
            return
        self.work = None
        if not self.simulated or work.outcome is Outcome.ABORTED:
            assert work.permit is not None
            self.send["inference_run"](run_message(work.permit.request_id, at, 0.0, 0.0))
        self._receipt(work, at)
        if work.problem:
            self.ros.get_logger().error(f"{self.task}: the run failed: {work.problem}")
        if work.outcome is Outcome.COMPLETED and work.spent.then is not None:
            self._safely(work, work.spent.then)

    def _receipt(self, work: _Work, at: float) -> None:
        permit, spent = work.permit, work.spent
        assert permit is not None
        good = work.outcome is Outcome.COMPLETED
        self.send["inference_receipt"](receipt_message(Receipt(
            at, permit.request_id, self.task, permit.variant, work.outcome, work.energy, quoted=spent.quoted,
            latency=max(0.0, at - work.asked), operations=spent.operations, routed_up=spent.routed_up,
            energy_score=spent.energy_score, quality=spent.quality if good else math.nan,
        )))  # fmt: skip

    def _safely(self, work: _Work, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # an answer that cannot be published takes nothing else down
            self.ros.get_logger().error(f"{work.request.request_id}: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Come to rest: what runs is stopped and has its receipt. Of a node's `deactivate`."""
        work = self.work
        if work is None or work.permit is None:
            self.work = None
            return
        work.permit.stop.set()
        if work.timer is not None:
            self._cut(work, work.permit)
        elif work.thread is not None:
            work.thread.join(FAREWELL)
            work.energy = work.energy if work.computed else UNMETERED
            work.outcome = Outcome.ABORTED
            self._finish(work, self.now)
        self.work = None
