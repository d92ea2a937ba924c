"""Order and health of a graph, without processes: doubles of nodes that obey, refuse, lose requests, die and hang."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rover_energy.nodes.session import Session
from rover_energy.nodes.supervision import AGAIN, LOST, REFUSALS, Member, Roster, State, Step

NAMES = ("recorder", "power", "drive")
AFTER = {Step.CONFIGURE: "inactive", Step.ACTIVATE: "active", Step.DEACTIVATE: "inactive"}


class Graph:
    """Nodes that do what they are asked, and a clock."""

    def __init__(self, optional: tuple[str, ...] = ()) -> None:
        self.roster = Roster([Member(name, required=name not in optional) for name in NAMES])
        self.now, self.done = 100.0, []
        self.states = dict.fromkeys(NAMES, "unconfigured")
        self.instances = {name: f"{name}/1" for name in NAMES}

    def beat(self, *names: str) -> None:
        for name in names or NAMES:
            if self.states[name]:
                self.roster.heard(name, self.states[name], self.instances[name], self.now)

    def work(self, seconds: float = 1.0, deaf: tuple[str, ...] = ()) -> None:
        """Beats and requests every tenth of a second; a deaf node never gets its requests."""
        for _ in range(round(10 * seconds)):
            self.now += 0.1
            self.beat()
            assert self.roster.hanging(self.now) == []
            for name, step in self.roster.steps(self.now):
                self.done.append((name, step))
                if name not in deaf:
                    self.states[name] = AFTER[step]

    def die(self, name: str) -> None:
        self.roster.ended(name, self.instances[name])
        self.states[name] = ""

    def return_(self, name: str) -> None:
        number = int(self.instances[name].split("/")[1]) + 1
        self.states[name], self.instances[name] = "unconfigured", f"{name}/{number}"

    @property
    def ready(self) -> bool:
        return self.roster.verdict(self.now).ready


def test_all_are_configured_in_order_before_the_first_is_activated() -> None:
    graph = Graph()
    graph.work(2.0)
    assert graph.done == [(name, step) for step in (Step.CONFIGURE, Step.ACTIVATE) for name in NAMES]
    assert graph.ready


def test_nothing_is_activated_while_one_is_absent() -> None:
    graph = Graph()
    graph.states["drive"] = ""
    graph.work(5.0)
    assert Step.ACTIVATE not in {step for _, step in graph.done}
    assert graph.roster.verdict(graph.now).text == "drive is absent"


@pytest.mark.parametrize("victim", NAMES)
def test_a_dead_node_alone_is_brought_back(victim: str) -> None:
    graph = Graph()
    graph.work(2.0)
    graph.done.clear()
    graph.die(victim)
    assert graph.roster.verdict(graph.now).text == f"{victim} has ended"
    graph.work(1.0)
    assert graph.done == [], "nobody is there to be asked"
    graph.return_(victim)
    graph.work(1.0)
    assert graph.done == [(victim, Step.CONFIGURE), (victim, Step.ACTIVATE)]
    assert graph.ready


def test_a_successor_heard_before_the_death_was_noticed() -> None:
    graph = Graph()
    graph.work(2.0)
    graph.return_("power")
    graph.beat("power")
    assert not graph.ready
    graph.roster.ended("power", "power/1")  # the news of the old one comes late
    assert graph.roster.entries["power"].state is State.UNCONFIGURED
    graph.work(1.0)
    assert graph.ready


def test_the_rover_may_drive_without_an_optional_node() -> None:
    graph = Graph(optional=("recorder",))
    graph.states["recorder"] = ""
    graph.work(2.0)
    assert graph.ready
    graph.return_("recorder")
    graph.work(1.0)
    assert graph.states["recorder"] == "active"
    graph.die("recorder")
    assert graph.ready


def test_silence_is_not_readiness() -> None:
    graph = Graph()
    graph.work(2.0)
    for _ in range(10):
        graph.now += 0.105
        assert graph.roster.hanging(graph.now - 0.1) == []
        graph.beat("recorder", "drive")
    assert graph.roster.hanging(graph.now) == ["power"]
    assert graph.roster.verdict(graph.now).text.startswith("power is silent for 1.")


def test_a_supervisor_that_was_held_up_kills_nobody_for_it() -> None:
    """The machine stands still for two seconds: nobody is taken for hanging, nobody for ready, until they have had their time."""
    graph = Graph()
    graph.work(2.0)
    graph.now += 2.0
    assert graph.roster.hanging(graph.now) == []
    assert not graph.ready
    graph.beat("recorder", "drive")
    assert not graph.ready
    for _ in range(10):
        graph.now += 0.105
        graph.beat("recorder", "drive")
        found = graph.roster.hanging(graph.now)
    assert found == ["power"]


def test_time_that_is_not_a_number_is_not_readiness() -> None:
    graph = Graph()
    graph.work(2.0)
    assert not graph.roster.verdict(math.nan).ready
    assert set(graph.roster.hanging(math.nan)) == set(NAMES)


def test_a_lost_request_is_sent_again_soon() -> None:
    graph = Graph()
    graph.work(1.0, deaf=("recorder",))
    asked = [item for item in graph.done if item == ("recorder", Step.CONFIGURE)]
    assert 2 <= len(asked) <= 1.0 / LOST + 1
    graph.work(2.0)
    assert graph.ready


def test_a_node_that_works_on_its_transition_is_left_alone() -> None:
    """No heartbeat comes while it is busy, so nothing says that the request was lost; it hangs when its deadline is over."""
    graph = Graph()
    graph.now += 0.1
    graph.beat()
    assert graph.roster.steps(graph.now) == [("recorder", Step.CONFIGURE)]
    for _ in range(50):
        graph.now += 0.1
        graph.beat("power", "drive")
        assert graph.roster.steps(graph.now) == []
        assert graph.roster.hanging(graph.now) == []
    graph.now += 6.0
    assert graph.roster.steps(graph.now) == []
    assert graph.roster.verdict(graph.now).failed
    assert "recorder: configure: nothing within 10 s" in graph.roster.verdict(graph.now).text


def test_refusals_are_repeated_and_then_given_up() -> None:
    graph, times = Graph(), []
    for _ in range(100):
        graph.now += 0.1
        graph.beat()
        for name, step in graph.roster.steps(graph.now):
            times.append(graph.now)
            graph.roster.answered(name, step, False, graph.now)
    assert len(times) == REFUSALS
    assert min(b - a for a, b in pairwise(times)) >= AGAIN - 1e-9
    verdict = graph.roster.verdict(graph.now)
    assert (verdict.ready, verdict.failed) == (False, True)
    assert verdict.text == "recorder: configure refused 3 times"
    graph.return_("recorder")  # another process is another chance
    graph.work(3.0)
    assert graph.ready


def test_down_goes_the_opposite_way() -> None:
    graph = Graph()
    graph.work(2.0)
    graph.done.clear()
    graph.roster.up = False
    assert not graph.ready, "the permission goes first"
    graph.work(2.0)
    assert graph.done == [(name, Step.DEACTIVATE) for name in reversed(NAMES)]
    assert graph.roster.down


def test_words_of_strangers_change_nothing() -> None:
    graph = Graph()
    graph.roster.heard("stranger", "active", "x/1", graph.now)
    graph.roster.heard("power", "confused", "power/1", graph.now)
    assert graph.roster.entries["power"].state is State.ABSENT
    assert set(graph.roster.entries) == set(NAMES)


class RandomGraph(RuleBasedStateMachine):
    """Deaths, returns, lost requests and refusals in any order: never ready unless all are active, and in the end all are."""

    @initialize()
    def begin(self) -> None:
        self.graph = Graph()

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0]), deaf=st.sets(st.sampled_from(NAMES), max_size=2))
    def works(self, seconds: float, deaf: set[str]) -> None:
        self.graph.work(seconds, deaf=tuple(deaf))

    @rule(name=st.sampled_from(NAMES))
    def dies(self, name: str) -> None:
        if self.graph.states[name]:
            self.graph.die(name)

    @precondition(lambda self: "" in self.graph.states.values())
    @rule()
    def returns(self) -> None:
        self.graph.return_(next(name for name, state in self.graph.states.items() if not state))

    @invariant()
    def ready_only_when_all_are_active(self) -> None:
        graph = getattr(self, "graph", None)
        if graph is not None and graph.ready:
            assert set(graph.states.values()) == {"active"}

    def teardown(self) -> None:
        graph = getattr(self, "graph", None)
        if graph is None:
            return
        for name, state in graph.states.items():
            if not state:
                graph.return_(name)
        graph.work(25.0)
        assert graph.ready, graph.roster.verdict(graph.now).text


TestRandomGraph = RandomGraph.TestCase
TestRandomGraph.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_a_client_tells_a_dead_server_from_a_new_supervisor() -> None:
    """A supervisor that has just been restarted has not heard of anybody: that is no news of the node that drives."""
    session = Session(SimpleNamespace(nodes=[], out=Path(), environment=dict, dead=list, words=str))
    assert session.instance("drive") == ("", "")
    for value, expected in (("active a/1", ("active", "a/1")), ("absent ", ("absent", "")), ("absent a/1", ("absent", "a/1"))):
        pairs = [SimpleNamespace(key=key, value=text) for key, text in (("power", "x"), ("drive", value))]
        session.graph = SimpleNamespace(values=pairs)
        assert session.instance("drive") == expected
