"""Order and health of the lifecycle nodes of a graph: who is to be asked for which transition, and whether the rover may drive.

Without ROS and without a clock: what was heard goes in, what is to be asked and a verdict come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

LOST = 0.3  # [s] after which a heartbeat in the old state says that a request never arrived
AGAIN = 1.0  # [s] between a refusal and the next request
REFUSALS = 3  # after which a node is given up


class State(Enum):
    """Of a node; the values are the labels of `lifecycle_msgs/State`."""

    ABSENT = "absent"
    UNCONFIGURED = "unconfigured"
    INACTIVE = "inactive"
    ACTIVE = "active"
    FINALIZED = "finalized"


class Step(Enum):
    """A transition that can be asked for."""

    CONFIGURE = "configure"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


BLIND = 0.5  # [s] between two looks from which on the supervisor itself was held up
READY = {State.INACTIVE, State.ACTIVE}


@dataclass(frozen=True)
class Member:
    """One node. `required`: the rover does not drive without it. `patience`: silence after which it counts as hanging [s]."""

    name: str
    required: bool = True
    patience: float = 1.0


@dataclass
class Entry:
    """What is known of a member."""

    member: Member
    state: State = State.ABSENT
    instance: str = ""
    heard: float = -math.inf
    step: Step | None = None
    asked: float = -math.inf
    since: float = math.inf
    refused: int = 0
    deaths: int = 0
    failure: str = ""

    def forget(self) -> None:
        """The process is gone."""
        self.state, self.heard, self.step, self.since, self.refused = State.ABSENT, -math.inf, None, math.inf, 0


@dataclass(frozen=True)
class Verdict:
    """`ready`: every required node is active and heard. `failed`: a node was given up. `text`: the first thing amiss."""

    ready: bool
    failed: bool
    text: str


@dataclass
class Roster:
    """The members in the order in which they are brought up; they are taken down in the opposite order.

    All are configured before the first is activated. A node that comes back is configured and activated again while the others
    stay as they are. `deadline`: for one transition [s]. `up`: whether the graph is wanted up.
    """

    members: Sequence[Member]
    deadline: float = 10.0
    up: bool = True
    entries: dict[str, Entry] = field(init=False)
    looked: float = field(default=-math.inf, init=False)
    resumed: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self.entries = {member.name: Entry(member) for member in self.members}

    def heard(self, name: str, state: str, instance: str, now: float) -> None:
        """A heartbeat: who, in which state, which process, when [s]. A new process under the name begins anew."""
        entry = self.entries.get(name)
        if entry is None:
            return
        if instance != entry.instance:
            if entry.state is not State.ABSENT:  # its successor is heard before its end was noticed
                entry.deaths += 1
            entry.forget()
            entry.instance, entry.failure = instance, ""
        new = State(state) if state in {s.value for s in State} else State.ABSENT
        if new is not entry.state:
            entry.state, entry.step, entry.since, entry.failure, entry.refused = new, None, math.inf, "", 0
        entry.heard = now

    def ended(self, name: str, instance: str) -> None:
        """A process is known to have ended."""
        entry = self.entries[name]
        if entry.instance == instance and entry.state is not State.ABSENT:
            entry.forget()
            entry.deaths += 1

    def answered(self, name: str, step: Step, success: bool, now: float) -> None:
        """The answer to a request; an answer to an older one is passed over."""
        entry = self.entries[name]
        if entry.step is not step or success:  # the state itself comes with the next heartbeat
            return
        entry.refused += 1
        entry.step, entry.since, entry.asked = None, math.inf, now
        if entry.refused >= REFUSALS:
            entry.failure = f"{step.value} refused {entry.refused} times"

    def hanging(self, now: float) -> list[str]:
        """Names of nodes that have been silent for longer than their patience; a node in a transition has its deadline.

        While nobody looked, as on a machine that stood still, nobody could be heard: silence then counts from the next look on.
        """
        if now - self.looked > BLIND:
            self.resumed = now
        found, self.looked = [], now
        for entry in self.entries.values():
            allowed = max(entry.member.patience, self.deadline if entry.step else 0.0)
            if entry.state is not State.ABSENT and not now - max(entry.heard, self.resumed) <= allowed:
                found.append(entry.member.name)
        return found

    def steps(self, now: float) -> list[tuple[str, Step]]:
        """Requests to be sent now [s], which count as sent."""
        wanted = self._upward() if self.up else self._downward()
        return [(entry.member.name, step) for entry, step in wanted if self._ask(entry, step, now)]

    def _upward(self) -> list[tuple[Entry, Step]]:
        found, entries = [], list(self.entries.values())
        everyone = all(e.state in READY for e in entries if e.member.required)
        for entry in entries:
            if entry.state is State.UNCONFIGURED:
                found.append((entry, Step.CONFIGURE))
            elif entry.state is State.INACTIVE and everyone:
                found.append((entry, Step.ACTIVATE))
            elif entry.state is State.ACTIVE or not entry.member.required:
                continue
            if entry.member.required and (entry.state is not State.INACTIVE or everyone):
                break  # the next one waits for it
        return found

    def _downward(self) -> list[tuple[Entry, Step]]:
        for entry in reversed(self.entries.values()):
            if entry.state is State.ACTIVE and not entry.failure:
                return [(entry, Step.DEACTIVATE)]
        return []

    def _ask(self, entry: Entry, step: Step, now: float) -> bool:
        if entry.failure:
            return False
        if entry.step is step:
            if now - entry.since > self.deadline:
                entry.failure = f"{step.value}: nothing within {self.deadline:g} s"
                return False
            if not entry.heard > entry.asked + LOST:
                return False
        elif entry.refused and now - entry.asked < AGAIN:
            return False
        else:
            entry.since = now
        entry.step, entry.asked = step, now
        return True

    @property
    def down(self) -> bool:
        """Whether no node is active any more, apart from those that were given up."""
        return all(entry.state is not State.ACTIVE or entry.failure for entry in self.entries.values())

    def verdict(self, now: float) -> Verdict:
        """Whether the rover may drive at the time `now` [s]."""
        failures = [f"{name}: {entry.failure}" for name, entry in self.entries.items() if entry.failure]
        required = [entry for entry in self.entries.values() if entry.member.required]
        required.sort(key=lambda entry: entry.state is not State.ABSENT)  # who is missing is the cause, not who waits for it
        amiss = [text for entry in required for text in self._amiss(entry, now)]
        failed = any(entry.failure for entry in required)
        if not self.up:
            return Verdict(False, failed, "the graph is being taken down")
        ready = not failed and not amiss
        return Verdict(ready, failed, "" if ready else [*failures, *amiss][0])

    @staticmethod
    def _amiss(entry: Entry, now: float) -> list[str]:
        name = entry.member.name
        if entry.state is State.ABSENT:
            return [f"{name} has ended" if entry.deaths else f"{name} is absent"]
        if entry.state is not State.ACTIVE:
            return [f"{name} is {entry.state.value}"]
        silent = now - entry.heard
        return [] if silent <= entry.member.patience else [f"{name} is silent for {silent:.1f} s"]
