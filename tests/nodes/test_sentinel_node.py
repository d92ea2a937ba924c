"""The telemetry sentinel with the real inference manager: a reading per period, anomalies, silence, values that are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from node_cases import domain, needs_ros, ros_context

from rover_energy.inference.grants import Grant, Mode
from rover_energy.inference.sentinel import Network, calibrate, write_sentinel
from rover_energy.inference.store import Store, write_store
from rover_energy.inference.tasks.telemetry_faults import CONTEXT, ROWS, VOCABULARY, make_rows
from rover_energy.inference.variant import Variant, digest
from rover_energy.mission import MissionParameters
from rover_energy.parameters import to_mapping
from rover_energy.rover import RoverParameters

pytestmark = needs_ros
WIDTH, PERIOD = 8, 1.0
REFERENCE = 55.0 / 0.2  # [W], of the default rover
SPEED = RoverParameters().limits.speed


def write_variants(folder: Path) -> Path:
    """A small network of random weights; its depths as variants."""
    rng = np.random.default_rng(0)
    shapes = {
        "embedding": (VOCABULARY, WIDTH), "place": (CONTEXT, WIDTH), "q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH),
        "up": (12, WIDTH), "down": (12, WIDTH), "share": (1,), "step": (WIDTH, WIDTH), "head": (VOCABULARY, WIDTH),
    }  # fmt: skip
    network = Network({name: rng.normal(0.0, 0.3, shape) for name, shape in shapes.items()}, 2)
    path = folder / "sentinel.npz"
    write_sentinel(path, calibrate(network, 2, make_rows(1, 100), 0.02, 5))
    price = {"energy_provenance": "cpu_time_model", "peak_power": 6.0, "latency": 0.3, "task": "telemetry_anomaly"}
    price |= {"artefact": path.name, "checksum": digest(path)}
    write_store(folder / "variants.yaml", Store.of([
        Variant(name=f"sentinel-{d}", tier=d, quality=0.8 + 0.01 * d, energy=0.5 * d, energy_high=1.0 * d, **price)
        for d in (1, 2)
    ]))  # fmt: skip
    return folder / "variants.yaml"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Sentinel and manager in real time; `feed` hands on rows of telemetry, `sent` has readings and diagnostics on the wire."""
    import yaml
    from rclpy.parameter import Parameter

    from rover_energy.nodes import ros
    from rover_energy.nodes.grant_messages import grant_message
    from rover_energy.nodes.inference_manager import InferenceManager
    from rover_energy.nodes.settings import NodeParameters
    from rover_energy.nodes.telemetry_sentinel import TelemetrySentinel

    class Listener(ros.Part):
        name, parameters = "listener", NodeParameters

        def configure(self) -> None:
            self.sent: dict[str, list[Any]] = {name: [] for name in ("telemetry_anomaly", "/diagnostics", "inference_receipt")}
            for name, found in self.sent.items():
                self.subscribe(name, found.append, depth=100)
            self.grant = self.publisher("inference_grant")

    store = write_variants(tmp_path)
    for name, made in (("rover", RoverParameters()), ("mission", MissionParameters())):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(to_mapping(made)), encoding="utf-8")
    own: dict[Any, dict[str, Any]] = {
        InferenceManager: {"store": str(store), "floor_power": 0.0, "floor_burst": 0.0}, Listener: {},
        TelemetrySentinel: {"store": str(store), "folder": str(tmp_path), "period": PERIOD, "report": 0.2},
    }  # fmt: skip
    with ros_context(tmp_path, domain(51)) as world:
        nodes, parts = [], {}
        for kind, values in own.items():
            overrides = [Parameter(name, value=value) for name, value in values.items()]
            node, part = ros.host(kind, context=world.context, parameter_overrides=overrides)
            assert "SUCCESS" in str(node.trigger_configure())
            assert "SUCCESS" in str(node.trigger_activate())
            world.executor.add_node(node)
            nodes.append(node)
            parts[part.name] = part
        sentinel, manager, listener = parts["telemetry_sentinel"], parts["inference_manager"], parts["listener"]
        world.spin(sentinel.spender.client.service_is_ready)

        def grant(**fields: Any) -> None:
            now = manager.now
            listener.grant(grant_message(replace(Grant(now, now + 60.0, 1, Mode.NORMAL, 50.0, 12.0), **fields)))
            world.spin(lambda: manager.manager.budget.grant is not None)

        yield SimpleNamespace(world=world, sentinel=sentinel, sent=listener.sent, grant=grant, spin=world.spin)
        for node in nodes:
            node.destroy_node()


def feed(rig: SimpleNamespace, rows: np.ndarray, *, begin: float = 1000.0, validity: int = 15) -> None:
    """Rows of telemetry as messages at 10 Hz, straight into the node."""
    from rover_energy.nodes import ros

    kinds = {n: ros.message_class(f"rover_energy_interfaces/msg/{n}") for n in ("PowerState", "LoadState")}
    joints = ros.message_class("sensor_msgs/msg/JointState")
    radius, stored, steps = rig.sentinel.radius, 5000.0, 10
    for i in range(steps * len(rows) + 1):
        wheels, motors, generation, imbalance = rows[min(i // steps, len(rows) - 1)]
        spin = wheels * SPEED / radius
        rig.sentinel.on_joints(joints(name=["drive_a", "drive_b", "steer_a"], velocity=[spin, -spin, 9.0]))
        loads = [kinds["LoadState"](name="base", power=55.0), kinds["LoadState"](name="drive", power=motors * REFERENCE)]
        source = generation * REFERENCE
        message = kinds["PowerState"](
            rtg_power=0.4 * source, pv_power=0.6 * source, shunt_power=7.0, loads=loads, battery_energy=stored,
            validity=validity,
        )  # fmt: skip
        message.header.stamp = ros.stamp_of(begin + i * PERIOD / steps)
        rig.sentinel.on_power(message)
        surplus = source - 55.0 - motors * REFERENCE - 7.0
        stored += (imbalance * REFERENCE + surplus) * PERIOD / steps


def test_a_reading_of_the_stretch_within_a_grant(rig: SimpleNamespace) -> None:
    from rover_energy.inference.sentinel import read_sentinel

    rig.grant()
    rows = make_rows(5, 1)[0]
    rows[:, :3] = np.abs(rows[:, :3])
    feed(rig, rows)
    rig.spin(lambda: len(rig.sent["telemetry_anomaly"]) == 1 and bool(rig.sent["inference_receipt"]))
    (reading,), (receipt,) = rig.sent["telemetry_anomaly"], rig.sent["inference_receipt"]
    assert (reading.variant, reading.depth, reading.request_id) == ("sentinel-2", 2, receipt.request_id)
    assert receipt.outcome == receipt.COMPLETED
    assert reading.header.stamp.sec - reading.begin.sec == ROWS * PERIOD
    path = Path(rig.sentinel.settings.store).parent / "sentinel.npz"
    made = rig.sentinel.rows.stretch
    assert made[1:] == pytest.approx(rows[1:], abs=0.15 * np.abs(rows).max()), "a row's first tenth is the one before"
    wanted = read_sentinel(path).judge(made, 2)
    assert (reading.score, reading.threshold) == pytest.approx((wanted.score, wanted.threshold))
    assert reading.anomaly == wanted.anomaly
    rig.spin(lambda: any(s.level == b"\x00" or "unusual" in s.message for m in rig.sent["/diagnostics"] for s in m.status))


def test_a_value_that_is_missing_is_an_anomaly_without_score(rig: SimpleNamespace) -> None:
    rig.grant()
    feed(rig, make_rows(5, 1)[0], validity=15 - 4)
    rig.spin(lambda: bool(rig.sent["telemetry_anomaly"]))
    reading = rig.sent["telemetry_anomaly"][0]
    assert math.isnan(reading.score)
    assert (reading.anomaly, reading.channel) == (True, "imbalance")
    rig.spin(lambda: any("a value is missing" in s.message for m in rig.sent["/diagnostics"] for s in m.status))


def test_without_a_grant_no_reading_and_it_is_said(rig: SimpleNamespace) -> None:
    rig.spin(lambda: any("no whole stretch" in s.message for m in rig.sent["/diagnostics"] for s in m.status))
    feed(rig, make_rows(5, 1)[0])
    rig.spin(lambda: any("not judged: NO_GRANT" in s.message for m in rig.sent["/diagnostics"] for s in m.status))
    assert rig.sent["telemetry_anomaly"] == []
    assert all(s.level == b"\x03" for m in rig.sent["/diagnostics"] for s in m.status)


def test_a_small_grant_runs_a_small_depth(rig: SimpleNamespace) -> None:
    rig.grant(energy=1.5)
    feed(rig, make_rows(5, 1)[0])
    rig.spin(lambda: bool(rig.sent["telemetry_anomaly"]))
    assert (rig.sent["telemetry_anomaly"][0].variant, rig.sent["telemetry_anomaly"][0].depth) == ("sentinel-1", 1)
