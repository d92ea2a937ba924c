"""Unit, security policy and RViz view against the topic contract and the nodes."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from node_cases import ROOT

from rover_energy.nodes import policy
from rover_energy.nodes.inference_settings import INFERENCE
from rover_energy.nodes.settings import ALL
from rover_energy.nodes.topics import BY_NAME, INFERENCE_TOPICS, QOS, TOPICS

DEPLOY = ROOT / "deploy"
NODES = ROOT / "src" / "rover_energy" / "nodes"
CONTRACT = (*TOPICS, *INFERENCE_TOPICS)
EXACT = {"grid_map", "grid_map_energy"}  # not of the contract: where grid_map_msgs is installed
SPENDERS = {name for name in INFERENCE if "Spender(" in (NODES / f"{name}.py").read_text(encoding="utf-8")}
MODULES = {
    "power_monitor": ("monitor_node",), "commander": ("session",), "power": ("power_node", "forecast_messages", "inference_bus"),
    "drive": ("drive_node", "grant_messages"), **{name: (name,) for name in INFERENCE},
    **{name: (name, "spender") for name in SPENDERS},
}  # fmt: skip
DURABLE = {True: "Transient Local", False: "Volatile"}
RVIZ = {
    "rviz_default_plugins/Path": "nav_msgs/msg/Path", "rviz_default_plugins/Odometry": "nav_msgs/msg/Odometry",
    "rviz_default_plugins/Map": "nav_msgs/msg/OccupancyGrid",
}  # fmt: skip


@pytest.fixture(scope="module")
def profiles() -> dict[str, ElementTree.Element]:
    root = ElementTree.parse(DEPLOY / "sros2_policy.xml").getroot()
    return {str(profile.get("node")): profile for profile in root.iter("profile")}


def names(profile: ElementTree.Element, group: str, right: str) -> list[str]:
    return [str(item.text) for rights in profile.findall(group) if rights.get(right) == "ALLOW" for item in rights]


def test_the_policy_is_what_the_contract_gives() -> None:
    assert (DEPLOY / "sros2_policy.xml").read_text(encoding="utf-8") == policy.text(), "python -m rover_energy.nodes.policy"


def test_every_publisher_of_the_contract_may_publish_and_nobody_else(profiles: dict[str, ElementTree.Element]) -> None:
    for name, profile in profiles.items():
        said = set(names(profile, "topics", "publish")) - {*policy.COMMON, "~/transition_event"}
        everybody = {topic.name for topic in CONTRACT if topic.publisher == policy.EVERY and policy.beats(name)}
        spent = {"inference_run", "inference_receipt", "inference_idle"} if name in SPENDERS else set()
        reports = {"/diagnostics"} if name in ("telemetry_sentinel", "energy_accountant") else set()
        mine = {topic.name for topic in CONTRACT if topic.publisher == name}
        assert said - EXACT == mine | everybody | spent | reports
    assert {t.publisher for t in CONTRACT} - {policy.EVERY, policy.NETWORKS} <= set(profiles) <= {*ALL, *INFERENCE, "commander"}


def test_who_publishes_besides_the_contract(profiles: dict[str, ElementTree.Element]) -> None:
    """By the code: `publisher("...")`, `create_publisher(kind, EXACT, ...)` and names that are looked up in a tuple."""
    for name in INFERENCE:
        text = "".join((NODES / f"{module}.py").read_text(encoding="utf-8") for module in MODULES[name])
        known = {topic.name for topic in CONTRACT} | EXACT
        found = set(re.findall(r'publisher\("([/\w]+)"\)', text))
        for group in re.findall(r"(?:self|part)\.publisher\(name\) for name in \(([^)]*)\)", text):
            found |= set(re.findall(r'"([/\w]+)"', group))
        found |= set(re.findall(r'^EXACT = "(\w+)"', text, re.MULTILINE))
        said = set(names(profiles[name], "topics", "publish")) & known - {"heartbeat"}
        assert said == found, name


def heard_in(module: str) -> set[str]:
    """Topics that a node's code subscribes to, from its text."""
    text = (NODES / f"{module}.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    found = set()
    for call in calls:
        called = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if called in ("subscribe", "watch") and isinstance(call.args[0], ast.Constant):
            found.add(str(call.args[0].value))
    if module == "log_analyst":  # in a loop over their names
        found |= set(re.findall(r'"([/\w]+)"', re.findall(r"for topic in \(([^)]*)\):", text)[0]))
    if module == "session":
        found |= set(re.findall(r'for topic in \("(\w+)", "(\w+)"\)', text)[0])
    return found


@pytest.mark.parametrize("node", [name for name in policy.HEARD if name != "recorder"])
def test_what_a_node_hears_it_may_hear_and_no_more(profiles: dict[str, ElementTree.Element], node: str) -> None:
    allowed = set(names(profiles[node], "topics", "subscribe")) - {"/clock", "/parameter_events"}
    assert allowed == set().union(*(heard_in(module) for module in MODULES.get(node, (f"{node}_node",)))) - {"/clock"}
    assert allowed <= set(BY_NAME)


def test_the_recorder_hears_everything(profiles: dict[str, ElementTree.Element]) -> None:
    assert {topic.name for topic in CONTRACT} <= set(names(profiles["recorder"], "topics", "subscribe"))


def test_services_and_actions_are_those_of_the_code(profiles: dict[str, ElementTree.Element]) -> None:
    files = [*NODES.glob("*_node.py"), *(NODES / f"{name}.py" for name in INFERENCE)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    offered = set(re.findall(r'create_service\((?:kind|services\.\w+|[^\n]*?srv"\)\.\w+), "(\w+)"', code))
    run = set(re.findall(r'"(plan_traverse|drive_traverse|train_variant|log_query)"', code))
    assert {name for listed in policy.SERVICES.values() for name in listed} == offered
    assert {name for listed in policy.ACTIONS.values() for name in listed} == run
    spending = {name for name, profile in profiles.items() if "reserve_inference" in names(profile, "services", "request")}
    assert spending == {*SPENDERS, "commander"}
    client = profiles["commander"]
    assert set(names(client, "actions", "call")) == run
    assert offered <= set(names(client, "services", "request"))


def test_the_policy_follows_the_schema() -> None:
    """Elements and attributes of sros2's policy.xsd 0.2.0."""
    parts = {"topics": ("topic", {"publish", "subscribe"}), "services": ("service", {"reply", "request"}),
             "actions": ("action", {"call", "execute"})}  # fmt: skip
    root = ElementTree.parse(DEPLOY / "sros2_policy.xml").getroot()
    assert (root.tag, root.get("version")) == ("policy", "0.2.0")
    (enclaves,) = root
    assert enclaves.tag == "enclaves"
    for enclave in enclaves:
        assert enclave.tag == "enclave"
        assert re.fullmatch(r"/[a-z_]+", str(enclave.get("path")))
        (profiles,) = enclave
        assert profiles.tag == "profiles"
        for profile in profiles:
            assert profile.tag == "profile"
            assert set(profile.attrib) == {"ns", "node"}
            for rights in profile:
                inner, allowed = parts[rights.tag]
                assert set(rights.attrib) <= allowed
                assert set(rights.attrib.values()) == {"ALLOW"}
                assert [item.tag for item in rights] == [inner] * len(rights) != []


def test_every_display_shows_a_topic_of_the_contract() -> None:
    view = yaml.safe_load((DEPLOY / "rover_energy.rviz").read_text(encoding="utf-8"))["Visualization Manager"]
    shown = [display for display in view["Displays"] if "Topic" in display]
    assert {display["Topic"]["Value"] for display in shown} >= {"path", "odom"}
    for display in shown:
        topic = BY_NAME[display["Topic"]["Value"]]
        assert RVIZ[display["Class"]] == topic.kind
        reliable, latched, _ = QOS[topic.qos]
        assert display["Topic"]["Durability Policy"] == DURABLE[latched]
        assert reliable or display["Topic"]["Reliability Policy"] == "Best Effort"
        assert view["Global Options"]["Fixed Frame"] == topic.frame


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "rover-energy.service", encoding="utf-8")
    return parser


def test_the_unit_starts_the_launch_file_with_its_own_arguments() -> None:
    line = unit()["Service"]["ExecStart"]
    assert "ros2 launch rover_energy rover.launch.py" in line
    text = (ROOT / "launch" / "rover.launch.py").read_text(encoding="utf-8")
    known = set(re.findall(r'^    \("(\w+)", ', text, re.MULTILINE))
    assert set(re.findall(r"(\w+):=", line)) <= known
    used = set(re.findall(r"\$\{(\w+)\}", line))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / "environment.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert used <= given


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    copy = tmp_path / "rover-energy.service"
    copy.write_text((DEPLOY / copy.name).read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "rover-energy.service" in line]
    assert told == []
