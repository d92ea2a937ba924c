"""Settings of the nodes: each is declared here once and becomes a ROS parameter with unit, bounds and description."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.inference.grants import FloorReserve, GrantPolicy
from rover_energy.parameters import Parameters, parameter
from rover_energy.planning.deviation import DeviationParameters
from rover_energy.power.forecast import ForecastParameters
from rover_energy.power.switched import SheddingParameters

SHED = SheddingParameters()
GRANTS, FLOOR = GrantPolicy(), FloorReserve()
AWAY = DeviationParameters()
AHEAD = ForecastParameters()


@dataclass(frozen=True)
class NodeParameters(Parameters):
    """What every node is told."""

    folder: str = parameter("", description="folder of a plan: plan.json, terrain.npz, rover.yaml, mission.yaml")


@dataclass(frozen=True)
class SimulatorParameters(NodeParameters):
    """The simulated rover."""

    engine: str = parameter("loopback", choices=("loopback", "mujoco"), description="what moves the rover")
    pace: float = parameter(
        0.0, minimum=0.0, maximum=1000.0,
        description="simulated over real time at most; 0: as fast as the nodes answer",
    )  # fmt: skip
    patience: float = parameter(
        1.0, unit="s", minimum=0.0, maximum=60.0,
        description="real time for which the simulation waits for the answers of drive and power; then they have lapsed",
    )  # fmt: skip
    watchdog: float = parameter(
        0.15, unit="s", minimum=0.02, maximum=5.0, description="age at which the motor drivers drop a command or a power cap",
    )  # fmt: skip
    ramp: float = parameter(
        10.0, unit="m/s2", minimum=0.01, maximum=30.0,
        description="fall of the drivers' set point when a command lapses, and its fastest; the brakes may be weaker",
    )  # fmt: skip
    window: float = parameter(
        0.02, unit="s", minimum=0.02, maximum=600.0,
        description="of the meter; a longer one is for a parked rover in the loopback, whose drivers then stay off",
    )  # fmt: skip
    networks: str = parameter(
        "", description="nodes that each window waits for until they have computed, with commas between; they need `lockstep`",
    )  # fmt: skip
    state: str = parameter("", description="file of where the rover stands, for a simulator that is restarted; empty: none")
    resistance: float = parameter(1.0, minimum=0.0, maximum=10.0, description="true over described resistance of the ground")
    slip: float = parameter(1.0, minimum=0.0, maximum=10.0, description="true over described slip")
    mass: float = parameter(1.0, minimum=0.1, maximum=10.0, description="true over described mass")
    seed: int = parameter(0, minimum=0, maximum=2**31 - 1, description="of the soil's patches")


@dataclass(frozen=True)
class GazeboParameters(NodeParameters):
    """The rover in Gazebo, in place of the simulated rover; likewise called `simulator`."""

    watchdog: float = parameter(
        0.15, unit="s", minimum=0.02, maximum=5.0, description="age at which the motor drivers drop a command or a power cap",
    )  # fmt: skip
    ramp: float = parameter(0.4, unit="m/s2", minimum=0.01, maximum=30.0, description="braking of the drivers by themselves")
    resistance: float = parameter(1.0, minimum=0.0, maximum=10.0, description="true over described resistance of the ground")
    slip: float = parameter(1.0, minimum=0.0, maximum=10.0, description="true over described slip")
    mass: float = parameter(1.0, minimum=0.1, maximum=10.0, description="true over described mass, for the soil alone")
    seed: int = parameter(0, minimum=0, maximum=2**31 - 1, description="of the soil's patches")


@dataclass(frozen=True)
class PowerParameters(NodeParameters):
    """The bus."""

    rate: float = parameter(10.0, unit="Hz", minimum=1.0, maximum=50.0, description="of power_state")
    guard: float = parameter(1.0, unit="W", minimum=0.0, maximum=1e5, description="kept back by the cap of the motor drivers")
    tolerance: float = parameter(0.5, unit="W", minimum=0.0, maximum=1e5, description="residual up to which the bus is balanced")
    loads: str = parameter("", description="YAML file with the switched loads; empty: none")
    state: str = parameter("", description="file that keeps the battery's energy over a restart of the node; empty: none")
    save_period: float = parameter(
        1.0, unit="s", minimum=0.02, maximum=3600.0, description="longest time between two writings of the state file",
    )  # fmt: skip
    state_age: float = parameter(
        600.0, unit="s", minimum=0.0, maximum=1e9, description="age above which the state file is not believed any more",
    )  # fmt: skip
    shed_below: float = parameter(
        SHED.shed_below, unit="W", minimum=-1e5, maximum=1e5, description="power left over for motion at which a load goes",
    )  # fmt: skip
    shed_after: float = parameter(
        SHED.shed_after, unit="s", minimum=0.0, maximum=600.0, description="time for which it must be short",
    )  # fmt: skip
    restore_above: float = parameter(
        SHED.restore_above, unit="W", minimum=0.0, maximum=1e5, description="that must be left over with the load on again",
    )  # fmt: skip
    restore_after: float = parameter(
        SHED.restore_after, unit="s", minimum=0.0, maximum=3600.0, description="time for which it must be left over",
    )  # fmt: skip
    grants: bool = parameter(
        False, description="grant loads.inference_power to networks and count what they draw; else it is a constant load",
    )  # fmt: skip
    grant_share: float = parameter(1.0, minimum=0.0, maximum=1.0, description="of loads.inference_power that is granted")
    grant_period: float = parameter(
        GRANTS.period, unit="s", minimum=0.05, maximum=300.0, description="between two grants; each expires after two of them",
    )  # fmt: skip
    inference_priority: int = parameter(20, minimum=0, maximum=255, description="of inference above its floor: 0 is shed first")
    motion_reserve: float = parameter(
        10.0, unit="W", minimum=0.0, maximum=1e5, description="left over for motion, below which inference falls to its floor",
    )  # fmt: skip
    release: float = parameter(
        0.8, unit="s", minimum=0.0, maximum=60.0, description="for which a grant's power is kept after a smaller one",
    )  # fmt: skip
    saving_below: float = parameter(
        GRANTS.saving_below, unit="J", minimum=0.0, maximum=1e12,
        description="store above its floor below which only cheap variants run on battery",
    )  # fmt: skip
    saving_share: float = parameter(
        GRANTS.saving_share, minimum=0.0, maximum=1.0, description="of inference power that is granted then, and energy with it",
    )  # fmt: skip
    surplus_share: float = parameter(
        GRANTS.surplus_share, minimum=0.0, maximum=1.0, description="of shunted power that is granted on top",
    )  # fmt: skip
    surplus_power: float = parameter(
        GRANTS.surplus_power, unit="W", minimum=0.0, maximum=1e4, description="most that is granted on top",
    )  # fmt: skip
    floor_power: float = parameter(
        FLOOR.power, unit="W", minimum=0.0, maximum=1e4, description="mean power that the reserved perception always has",
    )  # fmt: skip
    floor_burst: float = parameter(FLOOR.burst, unit="J", minimum=0.0, maximum=1e6, description="most that it may take at once")
    floor_peak: float = parameter(FLOOR.peak_power, unit="W", minimum=0.0, maximum=1e4, description="most at any instant")
    forecast_period: float = parameter(
        10.0, unit="s", minimum=1.0, maximum=3600.0, description="between two forecasts; at once when a trajectory is driven",
    )  # fmt: skip
    forecast_horizon: float = parameter(
        1800.0, unit="s", minimum=10.0, maximum=86400.0, description="time that a forecast covers",
    )  # fmt: skip
    forecast_light: bool = parameter(
        False, description="the array of a rover at rest is forecast by Sun and ground of the plan's folder, where it stands",
    )  # fmt: skip
    forecast_members: int = parameter(AHEAD.members, minimum=20, maximum=10000, description="of the forecast's ensemble")
    forecast_seed: int = parameter(0, minimum=0, maximum=2**31 - 1, description="of the forecast's ensemble")


@dataclass(frozen=True)
class DriveParameters(NodeParameters):
    """The drive."""

    period: float = parameter(0.04, unit="s", minimum=0.02, maximum=1.0, description="between two commands; a multiple of 20 ms")
    raw_ground: bool = parameter(False, description="predict from the raw ground under the wheels, not from the smooth surface")
    stale: float = parameter(
        0.25, unit="s", minimum=0.02, maximum=5.0,
        description="age at which odometry and PowerState stop the rover: two of their periods and 50 ms",
    )  # fmt: skip
    supervised: bool = parameter(True, description="drive only while the supervisor says that the graph is ready")
    silence: float = parameter(
        2.0, unit="s", minimum=0.1, maximum=60.0, description="real time without odometry after which a drive is given up",
    )  # fmt: skip


@dataclass(frozen=True)
class RecorderParameters(NodeParameters):
    """The recorder."""

    bag: str = parameter("", description="folder of the bag; made by the recorder, must not exist")
    resume: bool = parameter(False, description="begin bag_1, bag_2 ... where the bag exists, as after a restart")
    inference: bool = parameter(False, description="record the topics of inference, too")
    chunk: float = parameter(
        1.0, unit="s", minimum=0.1, maximum=600.0, description="real time after which what was recorded is safe from a crash",
    )  # fmt: skip


@dataclass(frozen=True)
class PlannerParameters(NodeParameters):
    """The planner."""

    stale: float = parameter(
        1.0, unit="s", minimum=0.05, maximum=60.0, description="age at which odometry and PowerState no longer count",
    )  # fmt: skip
    longest: float = parameter(120.0, unit="s", minimum=1.0, maximum=3600.0, description="most time that a request may ask for")
    replan: bool = parameter(True, description="make a new plan while the rover drives, when reality leaves the one it drives")
    replan_distance: float = parameter(
        AWAY.distance, unit="m", minimum=0.01, maximum=10.0, description="across the path, at which that is so",
    )  # fmt: skip
    replan_lag: float = parameter(AWAY.lag, unit="s", minimum=0.1, maximum=3600.0, description="behind the plan, likewise")
    replan_energy: float = parameter(
        AWAY.energy, unit="J", minimum=1.0, maximum=1e9, description="stored energy below the plan's, likewise",
    )  # fmt: skip
    replan_power: float = parameter(
        AWAY.power, unit="W", minimum=0.1, maximum=1e5,
        description="generator and array less constant loads against the plan's, mean of two seconds, likewise",
    )  # fmt: skip
    replan_interval: float = parameter(
        2.0, unit="s", minimum=0.1, maximum=3600.0, description="least time between two new plans; doubles after each refusal",
    )  # fmt: skip


@dataclass(frozen=True)
class TerrainParameters(NodeParameters):
    """The map's layers."""

    resolution: float = parameter(
        0.5, unit="m", minimum=0.02, maximum=100.0, description="cell of the published layers, at least the terrain's"
    )
    period: float = parameter(
        60.0, unit="s", minimum=1.0, maximum=1e5, description="ROS time between two shadow layers, where the Sun moves",
    )  # fmt: skip


@dataclass(frozen=True)
class MonitorParameters(NodeParameters):
    """The power monitor."""

    period: float = parameter(1.0, unit="s", minimum=0.1, maximum=60.0, description="time between two reports")
    clock: str = parameter(
        "real", choices=("real", "topic"),
        description="what measures the period: real time, which sees that everything has stopped, or /clock, as in a replay",
    )  # fmt: skip
    offset: float = parameter(2.0, unit="W", minimum=0.0, maximum=1e5, description="by which the meter may read below the wheels")
    share: float = parameter(0.05, minimum=0.0, maximum=1.0, description="share of the wheels' power, likewise")


@dataclass(frozen=True)
class BatteryLintParameters(NodeParameters):
    """The linter of battery_state."""

    period: float = parameter(5.0, unit="s", minimum=0.1, maximum=600.0, description="real time between two reports")
    window: int = parameter(600, minimum=10, maximum=100000, description="messages that are judged together, the latest ones")
    least: int = parameter(10, minimum=1, maximum=1000, description="messages before any is passed on normalised")
    age: float = parameter(1.0, unit="s", minimum=0.01, maximum=600.0, description="most between stamp and arrival of a message")


@dataclass(frozen=True)
class SupervisorParameters(NodeParameters):
    """The supervisor."""

    nodes: str = parameter("", description="names of the lifecycle nodes in the order of bring-up, with commas between")
    optional: str = parameter("", description="those of them that the rover may drive without")
    busy: str = parameter("planner", description="those that may be silent for `longest` while they work")
    longest: float = parameter(150.0, unit="s", minimum=1.0, maximum=3600.0, description="silence of a node that may be busy")
    silence: float = parameter(
        2.0, unit="s", minimum=0.3, maximum=60.0,
        description="real time without a heartbeat after which a node hangs and is killed",
    )  # fmt: skip
    deadline: float = parameter(20.0, unit="s", minimum=1.0, maximum=600.0, description="most real time for one transition")
    farewell: float = parameter(3.0, unit="s", minimum=0.1, maximum=60.0, description="most real time to take all nodes down")


ALL: dict[str, type[NodeParameters]] = {
    "simulator": SimulatorParameters, "power": PowerParameters, "drive": DriveParameters, "recorder": RecorderParameters,
    "battery_lint": BatteryLintParameters, "supervisor": SupervisorParameters,
    "planner": PlannerParameters, "power_monitor": MonitorParameters, "terrain": TerrainParameters,
}  # fmt: skip

#: Nodes that stand in for one of `ALL`, by module.
INSTEAD: dict[str, type[NodeParameters]] = {"gazebo_base": GazeboParameters}
