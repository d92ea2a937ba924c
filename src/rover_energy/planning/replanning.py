"""Planning on for a rover that drives: from its state of motion to the goal of its earlier plan, in a tenth of a second.

Three ways, the first that gives a certified plan: where the power of the earlier plan is no longer there, what is left of its
path in the fastest time that the power now allows, as the guess of the whole programme; else back onto the plan within some
seconds; else the whole rest anew. Only then is a path searched.
"""

from __future__ import annotations

import time

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.planned import PlannedTraverse
from rover_energy.planning.planner import Planning
from rover_energy.planning.rejoin import Rest
from rover_energy.planning.resume import rest_of
from rover_energy.planning.retiming import TimingError, retime
from rover_energy.planning.solver import Solver
from rover_energy.planning.transcription import Motion, build_programme, continue_programme
from rover_energy.planning.world import World

REST_STEP = 0.05  # [m] between the points of what is left of an earlier path


def replan_traverse(
    world: World, previous: PlannedTraverse, start: Motion, *, solver: Solver, seconds: float = 1.0, scarcer: bool = False
) -> PlannedTraverse:
    """Plan on from where the rover is now, near an earlier plan, to the same goal.

    Parameters
    ----------
    world : World
    previous : PlannedTraverse
        The plan that is driven; its clock says where the rover should be.
    start : Motion
        State of the rover; `time` and `battery_energy` are those of now.
    solver : Solver
    seconds : float
        Most time for each optimisation [s].
    scarcer : bool
        Whether the earlier plan asks for more power than there is now.

    Returns
    -------
    PlannedTraverse

    Raises
    ------
    Refusal
        No plan from here passes its certificate; the earlier plan, or a stop, is what remains.
    """
    return Onward(world, start, previous.trajectory.end_pose, solver, seconds).rerun(previous, scarcer=scarcer)


class Onward(Planning):
    """One planning run of a rover that drives."""

    def rerun(self, previous: PlannedTraverse, *, scarcer: bool) -> PlannedTraverse:
        """A certified plan near an earlier one. Raises Refusal."""
        began = time.perf_counter()
        elapsed = self.start.time - previous.start.time
        best = self._onward(previous, elapsed, scarcer) if 0.0 <= elapsed < previous.duration else None
        return self.run() if best is None else self.finished(best, began)

    def _onward(self, previous: PlannedTraverse, elapsed: float, scarcer: bool) -> PlannedTraverse | None:
        best = None
        if scarcer and previous.trajectory.kind == "unicycle":
            try:
                best = self._retimed(previous, elapsed)
            except TimingError as failure:
                self.notes.append(str(failure))
                if failure.reason == "power":
                    return None  # no programme along this path has a solution
        return best or self._rejoined(previous, elapsed) or self._anew(previous, elapsed)

    def _retimed(self, previous: PlannedTraverse, elapsed: float) -> PlannedTraverse | None:
        """From the fastest drive along what is left of the earlier path. Raises TimingError where there is none."""
        began = time.perf_counter()
        try:
            path = trajectory_path(rest_of(previous.trajectory, elapsed), step=REST_STEP)
            timing = retime(*self.where(path), grid=REST_STEP, start_speed=self.start.speed)
            programme = build_programme(self.world, self.start, path, timing)
        except TimingError:
            raise
        except RoverEnergyError as failure:  # what is left is no path
            self.notes.append(str(failure))
            return None
        finally:
            self.clock.lap("retiming", began)
        return self.optimised(programme, previous.path)

    def _rejoined(self, previous: PlannedTraverse, elapsed: float) -> PlannedTraverse | None:
        """Back onto the earlier plan within some seconds; None when it cannot be, or little of the plan is left."""
        began = time.perf_counter()
        rest = Rest.after(previous.trajectory, elapsed)
        if rest is None:
            return None
        programme = rest.programme(self.world, self.start, elapsed)
        self.clock.lap("transcription", began)
        return self.optimised(programme, previous.path, warm=True, rest=rest)

    def _anew(self, previous: PlannedTraverse, elapsed: float) -> PlannedTraverse | None:
        """The whole rest, with the earlier plan as the guess."""
        began = time.perf_counter()
        programme = continue_programme(self.world, self.start, previous.trajectory, elapsed)
        self.clock.lap("transcription", began)
        return self.optimised(programme, previous.path, warm=True)
