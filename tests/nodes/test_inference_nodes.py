"""Manager and accountant as nodes inside the test: reserve, run, receipt; silence, NaN and expiry leave the floor only."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.inference.energy import UNMETERED, Energy, Provenance
from rover_energy.inference.grants import FloorReserve, Grant, GrantPolicy, Mode, Outlook, floor_energy
from rover_energy.inference.receipts import Outcome, Receipt
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.variant import Variant

pytestmark = needs_ros
FLOOR = FloorReserve(0.5, 0.5, 3.0)
PRICE = {"energy_provenance": "cpu_time_model", "quality": 0.9, "peak_power": 2.0, "latency": 0.05}
VARIANTS = (
    Variant(name="hazard-floor", task="hazard", energy=0.3, energy_high=0.35, floor=True, **PRICE),
    Variant(name="map", task="map", energy=2.0, energy_high=2.4, **PRICE),
    Variant(name="digest", task="digest", energy=5.0, energy_high=6.0, **PRICE),
    Variant(name="unpriced", task="dream"),
)


def needs_service() -> None:
    from rover_energy.nodes import ros

    if not hasattr(ros.need("rover_energy_interfaces.srv"), "ReserveInference"):
        pytest.skip("the installed message package is older: make ros")


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Both nodes, active; the time is the test's."""
    needs_service()
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.energy_accountant import EnergyAccountant
    from rover_energy.nodes.inference_manager import InferenceManager

    write_store(tmp_path / "variants.yaml", Store.of(VARIANTS))
    floor = {"floor_power": 0.5, "floor_burst": 0.5, "floor_peak": 3.0}
    own = {
        InferenceManager: {"store": str(tmp_path / "variants.yaml"), "grace": 1.0},
        EnergyAccountant: {"ledger": str(tmp_path / "l.json")},
    }
    clock = SimpleNamespace(now=100.0)
    with ros_context(tmp_path, domain(31)) as world:
        nodes, parts = [], {}
        for kind, values in own.items():
            overrides = [Parameter(name, value=value) for name, value in {**values, **floor}.items()]
            node, part = ros.host(kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            nodes.append(node)
            parts[part.name] = part
        manager, sent = (
            parts["inference_manager"],
            {name: [] for name in ("inference_demand", "inference_receipt", "inference_stop")},
        )
        manager.send = {name: found.append for name, found in sent.items()}
        manager.timer.cancel()
        monkeypatch.setattr(type(manager), "now", property(lambda _: clock.now))
        yield SimpleNamespace(
            manager=manager, accountant=parts["energy_accountant"], sent=sent, clock=clock, world=world, out=tmp_path
        )
        for node in nodes:
            node.destroy_node()


def message(grant: Grant) -> Any:
    from rover_energy.nodes.grant_messages import grant_message

    return grant_message(grant)


def granted(at: float = 100.0, **fields: Any) -> Grant:
    return replace(Grant(at, at + 2.0, 1, Mode.NORMAL, 20.0, 12.0), **fields)


def reserve(graph: SimpleNamespace, task: str, **fields: Any) -> Any:
    from rover_energy.nodes.ros import message_class

    kind = message_class("rover_energy_interfaces/srv/ReserveInference")
    values = {"request_id": f"{task}/1", "task": task, "amount": 1.0, "patience": 1.0, "weight": 1.0, **fields}
    return graph.manager.on_reserve(kind.Request(**values), kind.Response())


def receipt(name: str, variant: str, energy: Energy, at: float, task: str = "map") -> Any:
    from rover_energy.nodes.grant_messages import receipt_message

    return receipt_message(Receipt(at, name, task, variant, Outcome.COMPLETED, energy, 1, latency=0.05))


def test_reserve_run_receipt(graph: SimpleNamespace) -> None:
    graph.manager.on_grant(message(granted()))
    answer = reserve(graph, "map")
    assert (answer.error_code, answer.variant, answer.floor) == (answer.NONE, "map", False)
    assert answer.energy == pytest.approx(1.1 * 2.4)
    assert answer.duration == pytest.approx(0.1 + 2.0 * 0.05), "time to begin, and twice the latency"
    left = graph.manager.manager.budget.energy_left
    graph.manager.on_receipt(receipt("map/1", "map", Energy(2.1, Provenance.MEASURED), 100.05))
    assert graph.manager.manager.budget.energy_left == pytest.approx(left + 1.1 * 2.4 - 2.1)
    graph.manager.on_receipt(receipt("map/1", "map", Energy(2.1, Provenance.MEASURED), 100.05))
    assert graph.manager.manager.budget.energy_left == pytest.approx(left + 1.1 * 2.4 - 2.1), "a receipt counts once"


def test_without_a_grant_the_floor_only(graph: SimpleNamespace) -> None:
    assert reserve(graph, "map").error_code == 10604
    answer = reserve(graph, "hazard")
    assert (answer.error_code, answer.variant, answer.floor) == (0, "hazard-floor", True)
    graph.manager.on_grant(message(granted()))
    graph.clock.now = 102.5
    answer = reserve(graph, "map", request_id="map/2")
    assert (answer.error_code, answer.energy) == (answer.NO_GRANT, 0.0), "it has expired"


def test_a_grant_that_is_no_grant_changes_nothing(graph: SimpleNamespace) -> None:
    for field, value in (("energy", math.nan), ("power_limit", -1.0), ("intensity", math.nan)):
        bad = message(granted())
        setattr(bad, field, value)
        graph.manager.on_grant(bad)
        graph.accountant.on_grant(bad)
    assert graph.manager.manager.budget.grant is None
    assert graph.accountant.unreadable == 3
    strange = message(granted())
    strange.mode = 200
    graph.manager.on_grant(strange)
    assert graph.manager.manager.budget.grant.mode is Mode.FLOOR


def test_refusals_have_codes(graph: SimpleNamespace) -> None:
    graph.manager.on_grant(message(granted()))
    assert reserve(graph, "opera").error_code == 10602
    assert reserve(graph, "dream").error_code == 10602, "nobody has metered it"
    for bad in ({"amount": math.nan}, {"amount": 0.0}, {"patience": 0.0}, {"request_id": ""}, {"weight": -1.0}):
        answer = reserve(graph, "map", **bad)
        assert (answer.error_code, answer.variant) == (answer.INVALID_REQUEST, "")
        assert answer.error_text
    assert reserve(graph, "map", amount=100.0).error_code == 10603
    assert reserve(graph, "digest", deferrable=True, patience=1e4).error_code == 10603, "no surplus yet"
    graph.manager.active = False
    assert reserve(graph, "map").error_code == 10605


def test_what_can_wait_may_run_on_surplus_and_is_in_the_demand(graph: SimpleNamespace) -> None:
    graph.manager.on_grant(message(granted()))
    assert reserve(graph, "digest", deferrable=True, patience=1e4).error_code == 10603
    graph.manager.on_timer()
    assert graph.sent["inference_demand"][-1].deferrable_energy == pytest.approx(6.0)
    graph.clock.now = 101.0
    graph.manager.on_grant(message(granted(101.0, sequence=2, mode=Mode.SURPLUS, intensity=0.0)))
    assert reserve(graph, "digest", deferrable=True, patience=1e4).error_code == 0


def test_silent_and_uncarried_runs(graph: SimpleNamespace) -> None:
    graph.manager.on_grant(message(granted()))
    assert reserve(graph, "map").error_code == 0
    graph.clock.now = 100.05
    graph.manager.on_grant(message(granted(100.05, sequence=2, energy=1.6)))
    assert [m.name for m in graph.sent["inference_stop"]] == ["map/1"]
    graph.clock.now = 101.5
    graph.manager.on_timer()
    (lost,) = graph.sent["inference_receipt"]
    assert (lost.outcome, lost.request_id, lost.provenance.value) == (lost.FAILED, "map/1", 0)
    assert math.isnan(lost.energy)


def test_quotes(graph: SimpleNamespace) -> None:
    from rover_energy.nodes.ros import message_class

    kind = message_class("rover_energy_interfaces/srv/Quote")
    graph.manager.on_grant(message(granted()))
    ask = lambda **f: graph.manager.on_quote(kind.Request(**{"load": "inference", "amount": 2.0, **f}), kind.Response())  # noqa: E731
    good = ask(task="map")
    assert (good.energy_p50, good.variant_chosen, good.affordable) == (4.0, "map", True)
    assert good.energy_p10 < good.energy_p50 < good.energy_p90 < 4.8
    for fields, code in (
        ({"load": "camera"}, 10402),
        ({"task": "x"}, 10403),
        ({"amount": math.nan}, 10401),
        ({"variant": "unpriced"}, 10404),
    ):
        answer = ask(**fields)
        assert answer.error_code == code
        assert math.isnan(answer.energy_p50)
    assert graph.manager.manager.running == {}, "asking reserves nothing"


def test_the_accountant_reports_and_writes(graph: SimpleNamespace) -> None:
    account = graph.accountant
    account.on_grant(message(granted()))
    account.on_receipt(receipt("a", "map", Energy(0.1, Provenance.CPU_TIME_MODEL), 100.5))
    assert account.status().level == b"\x00"
    account.on_receipt(receipt("b", "map", UNMETERED, 100.6))
    assert (account.status().level, account.account.total.unmetered) == (b"\x01", 1)
    account.on_receipt(receipt("c", "map", Energy(90.0, Provenance.MEASURED), 100.7))
    assert account.status().level == b"\x02"
    account.deactivate()
    data = json.loads((graph.out / "l.json").read_text(encoding="utf-8"))
    assert data["total"]["joules"] == {"measured": 90.0, "cpu_time_model": 0.1}
    assert data["total"]["whole_J"] is None
    assert data["violations"] > 0


def test_messages_keep_everything() -> None:
    from rover_energy.nodes.grant_messages import grant_message, grant_of, receipt_message, receipt_of

    g = granted(100.25, reason="sun", intensity=0.5)
    assert grant_of(grant_message(g)) == g
    r = Receipt(
        101.0,
        "a",
        "t",
        "v",
        Outcome.ABORTED,
        Energy(2.0, Provenance.MEASURED, 0.1),
        3,
        2.2,
        100.5,
        0.5,
        4.0,
        7.0,
        True,
        -1.0,
        0.8,
    )
    assert receipt_of(receipt_message(r)) == r
    empty = receipt_of(type(receipt_message(r))(energy=5.0))
    assert not empty.energy.metered, "joules without provenance are no joules"


def test_the_buss_side_grants_and_keeps_power(tmp_path: Path) -> None:
    """The part of a power node: a grant a period, the power kept is that of the grant in force."""
    from rover_energy.nodes.grant_messages import GrantSource

    sent: list[Any] = []
    part: Any = SimpleNamespace(publisher=lambda _: sent.append)
    source = GrantSource(part, GrantPolicy(period=1.0, lifetime=2.0, power=10.0), FLOOR)
    kept = [source.reserve(0.02 * k, Outlook(50.0)) for k in range(100)]
    assert (len(sent), set(kept)) == (2, {10.0})
    assert source.reserve(2.0, Outlook(math.nan)) == FLOOR.peak_power
    assert (sent[-1].mode, sent[-1].energy) == (int(Mode.FLOOR), floor_energy(FLOOR, 2.0))
    assert [m.sequence for m in sent] == [1, 2, 3]
