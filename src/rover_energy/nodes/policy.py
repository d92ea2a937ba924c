"""SROS2 policy of the graph, from the topic contract: what each node publishes, hears, offers and calls, and nothing else.

    python -m rover_energy.nodes.policy > deploy/sros2_policy.xml

The format is that of sros2's policy.xsd, version 0.2.0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement

from rover_energy.nodes.topics import INFERENCE_TOPICS, TOPICS

VERSION = "0.2.0"
CONTRACT = (*TOPICS, *INFERENCE_TOPICS)
EVERY, NETWORKS = "every node", "every network"  # as publishers in the contract
#: What each node hears, by its name.
HEARD: dict[str, tuple[str, ...]] = {
    "power": ("meter", "trajectory", "reference", "compliance", "inference_run", "inference_receipt", "odom"),
    "power_monitor": ("power_state", "joint_states"),
    "battery_lint": ("battery_state",),
    "terrain": ("odom",),
    "planner": ("odom", "power_state", "trajectory", "compliance"),
    "drive": ("odom", "joint_states", "power_state", "replan", "graph_state", "inference_grant"),
    "simulator": ("cmd_vel", "load_command", "graph_state", "inference_idle"),
    "recorder": tuple(topic.name for topic in CONTRACT),
    "supervisor": ("heartbeat",),
    "commander": ("odom", "power_state", "graph_state"),
    "inference_manager": ("inference_grant", "inference_receipt", "variants_served"),
    "energy_accountant": ("inference_grant", "inference_receipt", "inference_run"),
    "terrain_classifier": ("odom", "inference_stop", "variants_learnt"),
    "telemetry_sentinel": ("power_state", "joint_states", "inference_stop"),
    "log_analyst": ("power_state", "/diagnostics", "telemetry_anomaly", "compliance", "graph_state", "inference_stop"),
    "learning_planner": ("inference_stop",),
    "energy_map_predictor": ("inference_stop",),
}
#: What a node publishes besides what the contract names it for: receipts, diagnostics of its own, exact layers.
RECEIPTS = ("inference_receipt",)
ALSO: dict[str, tuple[str, ...]] = {
    "terrain": ("grid_map",), "energy_accountant": ("/diagnostics",), "terrain_classifier": RECEIPTS,
    "telemetry_sentinel": (*RECEIPTS, "/diagnostics"), "log_analyst": RECEIPTS, "learning_planner": RECEIPTS,
    "energy_map_predictor": (*RECEIPTS, "grid_map_energy"),
}  # fmt: skip
SERVICES: dict[str, tuple[str, ...]] = {
    "power": ("set_load",), "planner": ("can_reach",), "inference_manager": ("reserve_inference", "quote"),
}  # fmt: skip
ACTIONS: dict[str, tuple[str, ...]] = {
    "planner": ("plan_traverse",), "drive": ("drive_traverse",), "log_analyst": ("log_query",),
    "learning_planner": ("train_variant",),
}  # fmt: skip
#: Services that a node calls; an application, like the commander, may call every one.
CALLED: dict[str, tuple[str, ...]] = {node: ("reserve_inference",) for node, said in ALSO.items() if set(RECEIPTS) <= set(said)}
CLIENT, SUPERVISOR = "commander", "supervisor"
HARDWARE = "simulator"  # whatever drives the wheels and reads the meters has its rights
LIFECYCLE = ("change_state", "get_available_states", "get_available_transitions", "get_state", "get_transition_graph")
PARAMETERS = (
    "describe_parameters", "get_parameter_types", "get_parameters", "list_parameters", "set_parameters",
    "set_parameters_atomically", "get_type_description",
)  # fmt: skip
COMMON = ("/rosout", "/parameter_events")


def policy(heard: Mapping[str, Iterable[str]] = HEARD) -> Element:
    """The document; one enclave for the graph, so that one keystore serves a rover."""
    root = Element("policy", version=VERSION)
    profiles = SubElement(SubElement(SubElement(root, "enclaves"), "enclave", path="/rover_energy"), "profiles")
    for node in heard:
        profile = SubElement(profiles, "profile", ns="/", node=node)
        served = [f"~/{name}" for name in (*LIFECYCLE, *PARAMETERS)] if node != CLIENT else [f"~/{n}" for n in PARAMETERS]
        _allow(profile, "services", "service", "reply", [*SERVICES.get(node, ()), *served])
        if node == CLIENT:
            asked = [name for names in SERVICES.values() for name in names]
            _allow(profile, "services", "service", "request", asked)
            _allow(profile, "actions", "action", "call", [name for names in ACTIONS.values() for name in names])
        _allow(profile, "services", "service", "request", CALLED.get(node, ()))
        if node == SUPERVISOR:
            led = [f"{other}/change_state" for other in heard if other not in (CLIENT, SUPERVISOR)]
            _allow(profile, "services", "service", "request", led)
        if node in ACTIONS:
            _allow(profile, "actions", "action", "execute", ACTIONS[node])
        mine = {node, *((EVERY,) if beats(node) else ()), *((NETWORKS,) if node in CALLED else ())}
        said = [*(topic.name for topic in CONTRACT if topic.publisher in mine), *ALSO.get(node, ())]
        lifecycle = ["~/transition_event"] if node != CLIENT else []
        _allow(profile, "topics", "topic", "publish", dict.fromkeys([*said, *lifecycle, *COMMON]))
        _allow(profile, "topics", "topic", "subscribe", dict.fromkeys(["/clock", *heard[node], "/parameter_events"]))
    return root


def beats(node: str) -> bool:
    """Whether a node gives heartbeats: all that the supervisor may lead."""
    return node not in (CLIENT, SUPERVISOR)


def _allow(profile: Element, group: str, kind: str, right: str, names: Iterable[str]) -> None:
    chosen = list(names)
    if chosen:
        rights = SubElement(profile, group, {right: "ALLOW"})
        for name in chosen:
            SubElement(rights, kind).text = name


def text() -> str:
    """The document as a file."""
    root = policy()
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


if __name__ == "__main__":
    print(text(), end="")
