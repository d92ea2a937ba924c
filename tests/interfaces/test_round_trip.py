"""Every message, service and action over real ROS 2 between two nodes. Skipped where ROS 2 is not installed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

ROS_MISSING = "ROS 2 with rover_energy_interfaces is not installed: make ros"
rclpy = pytest.importorskip("rclpy", reason=ROS_MISSING)
pytest.importorskip("rover_energy_interfaces", reason=ROS_MISSING)

from rclpy.action import ActionClient, ActionServer  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402

PACKAGE = "rover_energy_interfaces"
WAIT = 20.0  # [s]


def interfaces(kind: str) -> list[Any]:
    """All classes of one kind ("msg", "srv", "action") that the package exports."""
    module = import_module(f"{PACKAGE}.{kind}")
    return [value for name, value in sorted(vars(module).items()) if isinstance(value, type) and "_" not in name]


def filled(cls: Any, counter: Iterator[int]) -> Any:
    """A message with a different value in every field, two entries in every open sequence."""
    message = cls()
    for name, kind in cls.get_fields_and_field_types().items():
        setattr(message, name, value_of(kind, counter))
    return message


def value_of(kind: str, counter: Iterator[int]) -> Any:
    if kind.startswith("sequence<"):
        inner = kind[len("sequence<") : -1].split(",")[0]
        return [value_of(inner, counter) for _ in range(2)]
    number = next(counter)
    if "/" in kind:
        package, name = kind.split("/")
        return filled(getattr(import_module(f"{package}.msg"), name), counter)
    if kind.startswith("string"):
        return f"text {number}"
    if kind == "boolean":
        return True
    return number + 0.1 if kind in ("double", "float") else number % 256


def counter_from(start: int) -> Iterator[int]:
    while True:
        start += 1
        yield start


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    os.environ["ROS_LOG_DIR"] = str(tmp_path_factory.mktemp("ros_log"))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=os.getpid() % 100 + 1)
    executor = SingleThreadedExecutor(context=context)
    pair = tuple(rclpy.create_node(name, context=context) for name in ("sender", "receiver"))
    for node in pair:
        executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield pair
    executor.shutdown()
    thread.join(WAIT)
    rclpy.try_shutdown(context=context)


def wait_until(condition: Any) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"nothing came within {WAIT:g} s"
        time.sleep(0.005)


@pytest.mark.parametrize("cls", interfaces("msg"), ids=lambda cls: cls.__name__)
def test_message(nodes: tuple[Any, Any], cls: Any) -> None:
    sender, receiver = nodes
    quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    sent = filled(cls, counter_from(0))
    received: list[Any] = []
    receiver.create_subscription(cls, f"test/{cls.__name__}", received.append, quality)
    sender.create_publisher(cls, f"test/{cls.__name__}", quality).publish(sent)
    wait_until(lambda: received)
    assert received[0] == sent
    assert received[0] != cls()


@pytest.mark.parametrize("cls", interfaces("srv"), ids=lambda cls: cls.__name__)
def test_service(nodes: tuple[Any, Any], cls: Any) -> None:
    sender, receiver = nodes
    request, response = filled(cls.Request, counter_from(0)), filled(cls.Response, counter_from(100))
    seen: list[Any] = []

    def answer(incoming: Any, _: Any) -> Any:
        seen.append(incoming)
        return response

    receiver.create_service(cls, f"test/{cls.__name__}", answer)
    client = sender.create_client(cls, f"test/{cls.__name__}")
    assert client.wait_for_service(timeout_sec=WAIT)
    future = client.call_async(request)
    wait_until(future.done)
    assert seen == [request]
    assert future.result() == response


@pytest.mark.parametrize("cls", interfaces("action"), ids=lambda cls: cls.__name__)
def test_action(nodes: tuple[Any, Any], cls: Any) -> None:
    sender, receiver = nodes
    goal, result = filled(cls.Goal, counter_from(0)), filled(cls.Result, counter_from(100))
    feedback = filled(cls.Feedback, counter_from(200))
    seen: list[Any] = []
    heard: list[Any] = []

    def execute(handle: Any) -> Any:
        seen.append(handle.request)
        handle.publish_feedback(feedback)
        handle.succeed()
        return result

    server = ActionServer(receiver, cls, f"test/{cls.__name__}", execute)
    client = ActionClient(sender, cls, f"test/{cls.__name__}")
    assert client.wait_for_server(timeout_sec=WAIT)
    accepted = client.send_goal_async(goal, feedback_callback=lambda message: heard.append(message.feedback))
    wait_until(accepted.done)
    finished = accepted.result().get_result_async()
    wait_until(finished.done)
    wait_until(lambda: heard)
    assert (seen, heard) == ([goal], [feedback])
    assert finished.result().result == result
    client.destroy()
    server.destroy()


def test_unmeasured_stays_unmeasured(nodes: tuple[Any, Any]) -> None:
    """NaN must arrive as NaN and infinity as infinity: they are the words for "unknown" and "no cap"."""
    sender, receiver = nodes
    state = import_module(f"{PACKAGE}.msg").PowerState
    received: list[Any] = []
    quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    receiver.create_subscription(state, "test/unmeasured", received.append, quality)
    sender.create_publisher(state, "test/unmeasured", quality).publish(
        state(battery_energy=float("nan"), available_power=float("inf"))
    )
    wait_until(lambda: received)
    assert np.isnan(received[0].battery_energy)
    assert np.isposinf(received[0].available_power)
    assert received[0].validity == 0
