"""Spender and real inference manager in one process: permit, run in a thread, receipt; stop, failure, silence."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.inference.energy import Energy, Provenance
from rover_energy.inference.grants import Grant, Mode
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.variant import Variant

pytestmark = needs_ros
PRICE = {"energy_provenance": "cpu_time_model", "quality": 0.9, "peak_power": 4.0, "latency": 0.2}
VARIANTS = (
    Variant(name="hazard-floor", task="hazard", energy=0.3, energy_high=0.35, floor=True, **PRICE),
    Variant(name="map", task="map", energy=2.0, energy_high=2.4, **PRICE),
)
REACHED = 0.3  # [J] of real work in the test of the meter


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Manager and a node with two Spenders, in real time; `grant` grants, `sent` has all receipts, runs and stops on the wire."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.grant_messages import grant_message
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.settings import NodeParameters
    from rover_energy.nodes.spender import Spender

    class Network(ros.Part):
        name, parameters = "network", NodeParameters

        def configure(self) -> None:
            self.map, self.hazard = Spender(self, "map"), Spender(self, "hazard")
            self.sent: dict[str, list[Any]] = {"inference_receipt": [], "inference_run": [], "inference_stop": []}
            for name, found in self.sent.items():
                self.subscribe(name, found.append, depth=100)
            self.grant = self.publisher("inference_grant")

    write_store(tmp_path / "variants.yaml", Store.of(VARIANTS))
    values = {"store": str(tmp_path / "variants.yaml"), "grace": 5.0, "floor_burst": 5.0}
    with ros_context(tmp_path, domain(41)) as world:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        manager, part = ros.host(InferenceManager, context=world.context, parameter_overrides=overrides)
        network, asker = ros.host(Network, context=world.context)
        for node in (manager, network):
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            world.executor.add_node(node)
        world.spin(asker.map.client.service_is_ready)

        def grant(sequence: int = 1, **fields: Any) -> None:
            now = part.now
            asker.grant(grant_message(replace(Grant(now, now + 20.0, sequence, Mode.NORMAL, 40.0, 12.0), **fields)))
            world.spin(lambda: getattr(part.manager.budget.grant, "sequence", 0) == sequence)

        yield SimpleNamespace(world=world, manager=part, network=asker, sent=asker.sent, grant=grant, spin=world.spin)
        for node in (manager, network):
            node.destroy_node()


def test_permit_run_receipt_answer(rig: SimpleNamespace) -> None:
    """The run has a thread of its own, is metered by its processor time, and its answer comes after the receipt."""
    from rover_energy.nodes.spender import Spent

    seen: list[Any] = []

    def work(permit: Any) -> Spent:
        begun = time.thread_time()
        while 6.0 * (time.thread_time() - begun) < REACHED:
            math.factorial(400)
        seen.extend([permit, threading.current_thread()])
        return Spent(quality=0.7, operations=12.0, quoted=2.0, then=lambda: seen.append(len(rig.sent["inference_run"])))

    rig.grant()
    name = rig.network.map.ask(amount=1.0, patience=5.0, run=work)
    rig.spin(lambda: len(rig.sent["inference_receipt"]) == 1 and len(rig.sent["inference_run"]) == 2)
    (receipt,), (begin, end) = rig.sent["inference_receipt"], rig.sent["inference_run"]
    assert (receipt.request_id, receipt.outcome, receipt.variant, receipt.task) == (name, receipt.COMPLETED, "map", "map")
    assert receipt.energy == pytest.approx(REACHED, rel=0.2), "6 W per busy core"
    assert receipt.provenance.value == int(Provenance.CPU_TIME_MODEL)
    assert (receipt.quality_estimate, receipt.operations, receipt.energy_quoted) == (0.7, 12.0, 2.0)
    assert (begin.name, begin.enabled, begin.power_limit, end.enabled) == (name, True, 4.0, False)
    permit, thread, _ = seen
    assert (permit.variant, permit.power, permit.floor) == ("map", 4.0, False)
    assert permit.energy == pytest.approx(1.1 * 2.4)
    assert thread is not threading.current_thread()
    rig.spin(lambda: not rig.manager.manager.running)
    assert rig.manager.manager.budget.entry.spent == pytest.approx(receipt.energy), "trued up"


def test_a_stop_reaches_the_run_while_it_works(rig: SimpleNamespace) -> None:
    from rover_energy.nodes.spender import Spent

    started = threading.Event()

    def work(permit: Any) -> Spent:
        started.set()
        until = time.monotonic() + 10.0
        while not permit.stopped():
            assert time.monotonic() < until
            time.sleep(0.005)
        return Spent(quality=0.9, then=lambda: pytest.fail("an answer of a run that was stopped"))

    rig.grant()
    rig.network.map.ask(amount=4.0, patience=9.0, run=work)
    rig.spin(started.is_set)
    rig.grant(2, energy=12.0)  # too little for what is under way
    rig.spin(lambda: bool(rig.sent["inference_receipt"]))
    (receipt,) = rig.sent["inference_receipt"]
    assert len(rig.sent["inference_stop"]) == 1
    assert receipt.outcome == receipt.ABORTED
    assert math.isnan(receipt.quality_estimate)


def test_time_and_energy_end_a_run(rig: SimpleNamespace) -> None:
    from rover_energy.nodes.spender import Spent

    lasted: list[float] = []

    def sleeps(permit: Any) -> Spent:
        while not permit.stopped():
            time.sleep(0.005)
        lasted.append(permit.until - permit.clock())
        return Spent()

    def works(permit: Any) -> Spent:
        while not permit.stopped():
            math.factorial(200)
        return Spent()

    rig.grant()
    rig.network.map.ask(amount=1.0, patience=9.0, run=sleeps)
    rig.spin(lambda: len(rig.sent["inference_receipt"]) == 1)
    assert -0.1 < lasted[0] <= 0.0
    rig.network.hazard.ask(amount=1.0, patience=9.0, run=works)
    rig.spin(lambda: len(rig.sent["inference_receipt"]) == 2)
    assert rig.sent["inference_receipt"][-1].energy <= 1.1 * 2.4 + 0.1


def test_a_run_that_raises_is_a_failed_receipt(rig: SimpleNamespace) -> None:
    rig.grant()
    rig.network.map.ask(amount=1.0, patience=5.0, run=lambda permit: {}["answer"])
    rig.spin(lambda: len(rig.sent["inference_receipt"]) == 1)
    assert rig.sent["inference_receipt"][0].outcome == 2
    assert not rig.network.map.busy


def test_own_energy_takes_the_place_of_the_meters(rig: SimpleNamespace) -> None:
    from rover_energy.nodes.spender import Spent

    rig.grant()
    rig.network.map.ask(
        amount=1.0, patience=5.0, run=lambda permit: Spent(energy=Energy(0.25, Provenance.OPERATION_COUNT))
    )  # fmt: skip
    rig.spin(lambda: len(rig.sent["inference_receipt"]) == 1)
    receipt = rig.sent["inference_receipt"][0]
    assert (receipt.energy, receipt.provenance.value) == (0.25, int(Provenance.OPERATION_COUNT))


def test_refusals(rig: SimpleNamespace) -> None:
    """Without a grant the floor's task runs and the other one is refused, after it has been asked again for all its patience."""
    from rover_energy.nodes.spender import Spent

    said: list[tuple[str, str]] = []
    refused = lambda code, text: said.append((code, text))  # noqa: E731
    began = time.monotonic()
    rig.network.map.ask(amount=1.0, patience=0.6, run=lambda _: Spent(), refused=refused)
    rig.network.map.ask(amount=1.0, patience=0.6, run=lambda _: Spent(), refused=refused)
    rig.network.hazard.ask(amount=1.0, patience=0.6, run=lambda _: Spent(quality=0.5), refused=refused)
    rig.spin(lambda: len(said) == 2)
    assert time.monotonic() - began > 0.35
    assert [code for code, _ in said] == ["BUSY", "NO_GRANT"]
    assert all(text for _, text in said)
    done = [r for r in rig.sent["inference_receipt"] if r.outcome == r.COMPLETED]
    assert [r.variant for r in done] == ["hazard-floor"]
    rig.network.map.ask(amount=math.nan, patience=1.0, run=lambda _: Spent(), refused=refused)
    rig.spin(lambda: len(said) == 3)
    assert said[-1][0] == "INVALID_REQUEST"


def test_a_grant_that_comes_in_time_is_used(rig: SimpleNamespace) -> None:
    from rover_energy.nodes.spender import Spent

    rig.network.map.ask(amount=1.0, patience=8.0, run=lambda _: Spent(quality=0.5), refused=lambda *_: pytest.fail("refused"))
    rig.spin(lambda: rig.network.map.work.next_question < math.inf)
    rig.grant()
    rig.spin(lambda: any(r.outcome == r.COMPLETED for r in rig.sent["inference_receipt"]))


def test_no_manager_and_no_answer(rig: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from rover_energy.nodes import spender

    monkeypatch.setattr(spender, "ANSWER", 0.2)
    said: list[str] = []
    rig.grant()
    silent = rig.network.map
    rig.world.executor.remove_node(rig.manager.ros)
    silent.ask(amount=1.0, patience=5.0, run=lambda _: pytest.fail("ran"), refused=lambda code, _: said.append(code))
    rig.spin(lambda: said == ["NO_ANSWER"])
    rig.world.executor.add_node(rig.manager.ros)  # the answer comes after all: its reservation is given back
    rig.spin(lambda: bool(rig.sent["inference_receipt"]))
    receipt = rig.sent["inference_receipt"][0]
    assert (receipt.outcome, receipt.energy) == (receipt.ABORTED, 0.0)
    rig.spin(lambda: not rig.manager.manager.running)
    monkeypatch.setattr(type(silent.client), "service_is_ready", lambda _: False)
    silent.ask(amount=1.0, patience=5.0, run=lambda _: pytest.fail("ran"), refused=lambda code, _: said.append(code))
    assert said[-1] == "NO_MANAGER"


def test_rest_stops_what_runs(rig: SimpleNamespace) -> None:
    from rover_energy.nodes.spender import Spent

    started = threading.Event()

    def work(permit: Any) -> Spent:
        started.set()
        while not permit.stopped():
            time.sleep(0.005)
        return Spent()

    rig.grant()
    rig.network.map.ask(amount=4.0, patience=9.0, run=work)
    rig.spin(started.is_set)
    rig.network.map.close()
    rig.spin(lambda: bool(rig.sent["inference_receipt"]))
    assert rig.sent["inference_receipt"][0].outcome == 1
    rig.spin(lambda: not rig.manager.manager.running)


@pytest.fixture
def simulated(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    """A Spender that lives by simulated time, answered by the test; `tick` lets that time pass. Parameter: in lockstep."""
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.inference_settings import NetworkParameters
    from rover_energy.nodes.spender import Spender

    idle: list[float] = []
    lockstep = bool(getattr(request, "param", False))

    class Network(ros.Part):
        name, parameters = "network", NetworkParameters

        def configure(self) -> None:
            self.spender = Spender(self, "map")
            self.clock = self.publisher("/clock")
            self.subscribe("inference_idle", lambda m: idle.append(ros.seconds(m.stamp)), depth=100)

    with ros_context(tmp_path, domain(42)) as world:
        node, part = ros.host(Network, context=world.context, parameter_overrides=[
            Parameter("use_sim_time", value=True), Parameter("lockstep", value=lockstep)
        ])  # fmt: skip
        server = node.create_service(ros.need("rover_energy_interfaces.srv").ReserveInference, "reserve_inference", allow)
        assert "SUCCESS" in str(node.trigger_configure())
        sent: dict[str, list[Any]] = {"inference_receipt": [], "inference_run": []}
        part.spender.send = {name: found.append for name, found in sent.items()}
        world.executor.add_node(node)
        world.spin(part.spender.client.service_is_ready)
        times = iter(range(1, 10**6))

        def tick(ready: Any) -> None:
            def step() -> bool:
                if ready():
                    return True
                message = ros.message_class("rosgraph_msgs/msg/Clock")(clock=ros.stamp_of(10.0 + 0.02 * next(times)))
                part.clock(message)
                return False

            world.spin(step)

        tick(lambda: part.spender.now > 10.0)
        yield SimpleNamespace(spender=part.spender, sent=sent, tick=tick, server=server, idle=idle, world=world, part=part)
        node.destroy_node()


def allow(_: Any, response: Any) -> Any:
    response.variant, response.energy, response.power, response.duration = "map", 3.0, 6.0, 5.0
    return response


def test_a_simulated_computer_draws_its_energy_by_simulated_time(simulated: SimpleNamespace) -> None:
    """1.2 J at 6 W are 0.2 s of simulated time, from two windows after the work was done; the answer comes at their end."""
    from rover_energy.nodes.spender import LEAD, Spent

    told: list[float] = []
    price = Energy(1.2, Provenance.OPERATION_COUNT)
    simulated.spender.ask(
        amount=1.0, patience=9.0,
        run=lambda _: Spent(energy=price, quality=0.5, then=lambda: told.append(simulated.spender.now)),
    )  # fmt: skip
    simulated.tick(lambda: bool(told))
    (run,), (receipt,) = simulated.sent["inference_run"], simulated.sent["inference_receipt"]
    begun = run.header.stamp.sec + 1e-9 * run.header.stamp.nanosec
    ended = receipt.stamp.sec + 1e-9 * receipt.stamp.nanosec
    assert (run.power_limit, run.lifetime) == (6.0, pytest.approx(0.2))
    assert ended - begun == pytest.approx(0.2, abs=1e-6)
    assert receipt.latency >= 0.2 + LEAD - 1e-6
    assert 0.0 <= told[0] - ended <= 0.06


@pytest.mark.parametrize("simulated", [True], indirect=True)
def test_a_simulation_is_told_when_all_is_computed(simulated: SimpleNamespace) -> None:
    """In lockstep: not while the manager is asked, nor while a run computes, however long that takes; at once after it."""
    from rover_energy.nodes.spender import Spent

    go = threading.Event()
    simulated.world.spin(lambda: bool(simulated.idle))
    began = simulated.spender.now
    simulated.tick(lambda: simulated.idle[-1] >= began + 0.1)

    def work(_: Any) -> Spent:
        assert go.wait(20.0)
        return Spent(energy=Energy(0.6, Provenance.OPERATION_COUNT))

    simulated.spender.ask(amount=1.0, patience=900.0, run=work)
    asked = simulated.spender.now
    simulated.tick(lambda: simulated.spender.now >= asked + 0.5)
    quiet = time.monotonic() + 0.3
    simulated.world.spin(lambda: time.monotonic() > quiet)
    assert simulated.idle[-1] <= asked + 1e-9
    go.set()
    simulated.world.spin(lambda: simulated.idle[-1] >= asked + 0.5 - 1e-6)
    simulated.tick(lambda: bool(simulated.sent["inference_receipt"]))
    assert simulated.idle == sorted(simulated.idle)


@pytest.mark.parametrize("simulated", [False], indirect=True)
def test_without_lockstep_nothing_is_said(simulated: SimpleNamespace) -> None:
    at = simulated.spender.now
    simulated.tick(lambda: simulated.spender.now > at + 0.2)
    assert simulated.idle == []


def test_a_stop_cuts_what_is_not_drawn_yet(simulated: SimpleNamespace) -> None:
    from rover_energy.nodes.ros import message_class
    from rover_energy.nodes.spender import Spent

    name = simulated.spender.ask(
        amount=1.0, patience=9.0, run=lambda _: Spent(energy=Energy(3.0, Provenance.OPERATION_COUNT))
    )  # fmt: skip
    simulated.tick(lambda: bool(simulated.sent["inference_run"]))
    begun = simulated.spender.work.begun
    simulated.tick(lambda: simulated.spender.now >= begun + 0.1)
    simulated.spender.on_stop(message_class("rover_energy_interfaces/msg/LoadCommand")(name=name))
    (receipt,), (_, end) = simulated.sent["inference_receipt"], simulated.sent["inference_run"]
    assert receipt.outcome == receipt.ABORTED
    assert receipt.energy == pytest.approx(6.0 * (simulated.spender.now - begun), rel=1e-6)
    assert 0.6 <= receipt.energy < 3.0
    assert not end.enabled
