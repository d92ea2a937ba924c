"""Settings of the controller."""

from __future__ import annotations

from dataclasses import dataclass

from rover_energy.parameters import Parameters, group, parameter


@dataclass(frozen=True)
class TrackerParameters(Parameters):
    """Path following."""

    length: float = parameter(
        0.6, unit="m", minimum=0.05, maximum=10.0, description="distance in which an error across the path is driven out",
    )  # fmt: skip
    correction: float = parameter(0.5, unit="1/m", minimum=0.0, description="most curvature added to that of the plan")
    memory: float = parameter(
        1.0, unit="m", minimum=0.05, maximum=1e3, description="distance in which a lasting drift off the path is learnt",
    )  # fmt: skip
    lasting: float = parameter(0.3, unit="1/m", minimum=0.0, description="most curvature that is learnt against such a drift")
    preview: float = parameter(0.1, unit="s", minimum=0.0, maximum=2.0, description="lag of the motors that is made up for")
    pull: float = parameter(
        2.0, unit="1/s", minimum=0.0, maximum=5.0, description="rate at which the reference is drawn to the rover along the path",
    )  # fmt: skip
    creep: float = parameter(0.03, unit="m/s", minimum=0.001, description="speed of the last centimetres to the goal")
    goal_distance: float = parameter(0.10, unit="m", minimum=0.001, description="position error within which the goal is reached")
    goal_heading: float = parameter(0.0873, unit="rad", minimum=0.001, description="heading error, likewise (5 deg)")
    lost_distance: float = parameter(0.5, unit="m", minimum=0.01, description="position error at which the drive is given up")
    lost_heading: float = parameter(0.8, unit="rad", minimum=0.01, description="heading error, likewise")


@dataclass(frozen=True)
class EstimatorParameters(Parameters):
    """What is not known before the drive, and how good the meters are. Shares are of the model's value."""

    resistance: float = parameter(0.2, minimum=0.0, maximum=0.9, description="largest departure of the ground's resistance")
    mass: float = parameter(0.2, minimum=0.0, maximum=0.9, description="largest departure of the mass")
    slip: float = parameter(0.2, minimum=0.0, maximum=0.9, description="largest departure of the slip")
    efficiency: float = parameter(0.0, minimum=0.0, maximum=0.9, description="largest departure of the drivetrain's efficiency")
    turning: float = parameter(0.2, minimum=0.0, maximum=3.0, description="largest departure of the turning moment")
    block: float = parameter(0.4, unit="s", minimum=0.02, maximum=10.0, description="time over which energies are compared")
    meter_noise: float = parameter(0.5, unit="W", minimum=0.0, description="standard deviation of one power reading")
    speed_noise: float = parameter(0.003, unit="m/s", minimum=0.0, description="standard deviation of one speed reading")
    slip_noise: float = parameter(0.02, minimum=1e-4, description="standard deviation of the slip seen over one block")
    slip_offset: float = parameter(0.02, minimum=0.0, description="standard deviation of a constant error of slip (wheel radius)")
    roughness: float = parameter(0.05, minimum=0.0, description="standard deviation of the force over one block that is no trend")
    drift: float = parameter(0.005, unit="1/m^0.5", minimum=0.0, description="random walk of the factors along the path")
    sigmas: float = parameter(1.0, minimum=0.0, maximum=6.0, description="width of the confidence region, standard deviations")


@dataclass(frozen=True)
class GovernorParameters(Parameters):
    """The pace of the plan."""

    margin: float = parameter(0.3, unit="W", minimum=0.0, description="kept below the power that is available, by prediction")
    guard: float = parameter(0.3, unit="W", minimum=0.0, description="kept below it by the drivers' cap, for its overshoot")
    horizon: float = parameter(6.0, unit="s", minimum=0.1, maximum=60.0, description="plan time looked ahead")
    spacing: float = parameter(0.2, unit="s", minimum=0.01, description="between the instants looked at")
    fastest: float = parameter(1.3, minimum=1.0, maximum=2.0, description="highest rate, for making up for lost time")
    rise: float = parameter(0.4, unit="1/s", minimum=0.001, description="fastest rise of the rate")
    fall: float = parameter(0.3, unit="1/s", minimum=0.001, description="fall of the rate that is planned ahead with")
    drop: float = parameter(1.0, unit="1/s", minimum=0.001, description="fastest fall of the rate when it cannot wait")
    supply_sigmas: float = parameter(0.0, minimum=0.0, description="of the supply against the plan, kept as margin ahead")


@dataclass(frozen=True)
class SpeedLimitParameters(Parameters):
    """The rover's own speed under its limit, whatever the wheels are told."""

    margin: float = parameter(0.02, minimum=0.0, maximum=0.5, description="share of the limit that commands stay below it")
    gain: float = parameter(1.0, minimum=0.0, maximum=2.0, description="fall of the command per speed above that")
    time: float = parameter(0.2, unit="s", minimum=0.02, maximum=60.0, description="in which a lasting excess is taken out")
    recovery: float = parameter(0.1, unit="m/s2", minimum=0.001, description="fastest rise of the command afterwards")


@dataclass(frozen=True)
class WatchParameters(Parameters):
    """When the controller no longer trusts what it reads."""

    stale: float = parameter(0.15, unit="s", minimum=0.01, description="age of a measurement: two periods and 50 ms")
    stuck: float = parameter(30.0, unit="s", minimum=0.1, description="time without any advance along the path")
    lateness: float = parameter(3.0, minimum=1.0, description="longest drive, in durations of the plan, beyond a minute")
    tilt: float = parameter(1.25, minimum=1.0, description="most tilt of the body, in tilt limits of the rover")


@dataclass(frozen=True)
class ControlParameters(Parameters):
    """Everything that can be set in the controller."""

    period: float = parameter(0.05, unit="s", minimum=0.005, maximum=1.0, description="time between two commands")
    stop_deceleration: float = parameter(0.4, unit="m/s2", minimum=0.01, description="braking of a stop")
    reserve: float = parameter(
        0.02, minimum=0.0, maximum=1.0, description="share of the energy still to be spent that must remain above the floor",
    )  # fmt: skip
    tracker: TrackerParameters = group(TrackerParameters, "path following")
    estimator: EstimatorParameters = group(EstimatorParameters, "soil, slip and mass")
    governor: GovernorParameters = group(GovernorParameters, "the pace of the plan")
    speed: SpeedLimitParameters = group(SpeedLimitParameters, "the limit of speed")
    watch: WatchParameters = group(WatchParameters, "trust in measurements")
