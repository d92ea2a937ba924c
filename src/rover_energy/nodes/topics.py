"""The topic contract: every topic of the graph in one table, from which nodes, documentation and tests take it."""

from __future__ import annotations

from dataclasses import dataclass

INTERFACES = "rover_energy_interfaces"


@dataclass(frozen=True)
class Topic:
    """One topic.

    name : relative, so that a namespace can be put before it, except `/clock`. kind : "package/msg/Name". qos : a key of
    `QOS`. rate : nominal [Hz], 0 for on change. frame : frame_id of the header, empty without one. publisher : node.
    description : what it carries.
    """

    name: str
    kind: str
    qos: str
    rate: float
    frame: str
    publisher: str
    description: str


#: name: (reliable, latched, depth). Everything is reliable: the commands of a rover that must not exceed its supply are few.
QOS: dict[str, tuple[bool, bool, int]] = {
    "stream": (True, False, 20),
    "command": (True, False, 5),
    "latched": (True, True, 1),
    "clock": (False, False, 1),
}

TOPICS: tuple[Topic, ...] = (
    Topic("/clock", "rosgraph_msgs/msg/Clock", "clock", 50.0, "", "simulator", "simulated time"),
    Topic("odom", "nav_msgs/msg/Odometry", "stream", 50.0, "map", "simulator",
          "true pose in the map frame; twist in the body frame, forward speed along the surface"),
    Topic("joint_states", "sensor_msgs/msg/JointState", "stream", 50.0, "base_link", "simulator",
          "wheels: speed [rad/s] and torque [N m]; corners: angle [rad]"),
    Topic("imu", "sensor_msgs/msg/Imu", "stream", 50.0, "base_link", "simulator", "specific force, rates, attitude"),
    Topic("meter", f"{INTERFACES}/msg/PowerState", "stream", 50.0, "base_link", "simulator",
          "what the bus's meters read, means over 20 ms: array, motors; no battery in it"),
    Topic("power_state", f"{INTERFACES}/msg/PowerState", "stream", 10.0, "base_link", "power",
          "sources, loads, battery, available power; 50 Hz in simulation, so that every window can be audited"),
    Topic("battery_state", "sensor_msgs/msg/BatteryState", "stream", 1.0, "base_link", "power", "battery for everyone else"),
    Topic("battery_normalised", "sensor_msgs/msg/BatteryState", "stream", 1.0, "base_link", "battery_lint",
          "battery_state in the units, sign and conventions of its definition; what cannot be is NaN"),
    Topic("load_command", f"{INTERFACES}/msg/LoadCommand", "command", 50.0, "", "power",
          "cap of the motor drivers; when it lapses they take nothing"),
    Topic("cmd_vel", "geometry_msgs/msg/TwistStamped", "command", 50.0, "base_link", "drive",
          "speed of the wheels' rims and yaw rate; lapses after 0.15 s"),
    Topic("reference", "nav_msgs/msg/Odometry", "stream", 25.0, "map", "drive",
          "where the plan is; stamped as the odom that it belongs to"),
    Topic("trajectory", f"{INTERFACES}/msg/EnergyTrajectory", "latched", 0.0, "map", "drive", "the trajectory that is driven"),
    Topic("plan", f"{INTERFACES}/msg/EnergyTrajectory", "latched", 0.0, "map", "planner", "the last plan that was asked for"),
    Topic("path", "nav_msgs/msg/Path", "latched", 0.0, "map", "planner", "the same as poses, for everyone else"),
    Topic("replan", f"{INTERFACES}/msg/EnergyTrajectory", "command", 0.0, "map", "planner",
          "the next certified trajectory of a drive that has left its plan; stamped with the instant at which it begins"),
    Topic("power_forecast", f"{INTERFACES}/msg/PowerForecast", "latched", 0.0, "base_link", "power",
          "load, available power and stored energy ahead as P10, P50, P90, and the time to the floor"),
    Topic("map", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "terrain",
          "what can be driven: 0 free to 99 at a limit of slope or tilt, 100 forbidden, -1 unknown"),
    Topic("map_height", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "terrain",
          "height from lowest 0 to highest 100; both in [m] in the node's log, exact in grid_map"),
    Topic("map_slope", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "terrain", "tilt of the ground [deg], 0 to 90"),
    Topic("map_shadow", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "terrain",
          "part of the Sun's disc that the ground hides now [%]"),
    Topic("map_power", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "terrain",
          "energy of all loads per metre at the pace that power allows [10 J/m], 100 for 1000 J/m and more"),
    Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "stream", 1.0, "", "power_monitor",
          "balance of the bus, battery, agreement of the motors' meter with the wheels; by real time"),
    Topic("heartbeat", "diagnostic_msgs/msg/DiagnosticStatus", "stream", 5.0, "", "every node",
          "name, state of its life cycle as `message`, process as `hardware_id`; by real time and at every transition"),
    Topic("graph_state", "diagnostic_msgs/msg/DiagnosticStatus", "stream", 10.0, "", "supervisor",
          "level OK: every required node is active, the rover may drive; WARN: not so; ERROR: a node was given up; by real time"),
    Topic("compliance", f"{INTERFACES}/msg/ComplianceReport", "latched", 0.0, "map", "drive",
          "audit of the last drive: every window of the meter against what was available"),
)  # fmt: skip

#: Of the nodes of inference, which are not part of every drive.
INFERENCE_TOPICS: tuple[Topic, ...] = (
    Topic("inference_grant", f"{INTERFACES}/msg/InferenceGrant", "latched", 1.0, "", "power",
          "what the networks on board may take; an expired one is worth the floor only"),
    Topic("inference_demand", f"{INTERFACES}/msg/InferenceDemand", "stream", 1.0, "", "inference_manager",
          "what they would like to take"),
    Topic("inference_receipt", f"{INTERFACES}/msg/InferenceReceipt", "stream", 0.0, "", "inference_manager",
          "what a run has taken: from whoever ran it, and from the manager for what was refused or lost"),
    Topic("inference_run", f"{INTERFACES}/msg/LoadCommand", "command", 0.0, "", "every network",
          "the run whose request_id is the command's name draws power_limit from the stamp for lifetime; "
          "not enabled: it has ended at the stamp"),
    Topic("inference_idle", "std_msgs/msg/Header", "command", 0.0, "", "every network",
          "the node frame_id has nothing left to compute at the stamp; only said to a simulation that waits for it"),
    Topic("inference_stop", f"{INTERFACES}/msg/LoadCommand", "command", 0.0, "", "inference_manager",
          "the run whose request_id is the command's name must stop"),
    Topic("terrain_classes", f"{INTERFACES}/msg/TerrainClasses", "latched", 0.0, "map", "terrain_classifier",
          "class of the ground around the rover, with its confidence"),
    Topic("variants_learnt", "std_msgs/msg/String", "latched", 0.0, "", "learning_planner",
          "path of a store that has got a new variant"),
    Topic("variants_served", "std_msgs/msg/String", "latched", 0.0, "", "terrain_classifier",
          "path of a store whose variants of its task the node has loaded: the manager may choose them, too"),
    Topic("telemetry_anomaly", f"{INTERFACES}/msg/TelemetryAnomaly", "stream", 1.0, "", "telemetry_sentinel",
          "how unusual the last stretch of telemetry is"),
    Topic("map_energy", "nav_msgs/msg/OccupancyGrid", "latched", 0.0, "map", "energy_map_predictor",
          "predicted energy of traction per metre [10 J/m], 100 for 1000 J/m and more, -1 unknown"),
)  # fmt: skip

BY_NAME = {topic.name: topic for topic in (*TOPICS, *INFERENCE_TOPICS)}


def markdown() -> str:
    """The table of the documentation."""
    lines = ["| topic | type | QoS | Hz | frame | published by | what |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for t in (*TOPICS, *INFERENCE_TOPICS):
        rate = f"{t.rate:g}" if t.rate else "on change"
        cells = (f"`{t.name}`", f"`{t.kind}`", t.qos, rate, f"`{t.frame}`" if t.frame else "", f"`{t.publisher}`", t.description)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
