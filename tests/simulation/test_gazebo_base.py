"""Motors and meter around Gazebo: against the demand model, which knows neither wheels nor joints."""

from __future__ import annotations

import math

import numpy as np
import pytest
from simulation_cases import GRAVITY, ROVER

from rover_energy.simulation.body import BodyState, standing_rotation
from rover_energy.simulation.gazebo_base import GazeboBase, Joints, motion_between
from rover_energy.simulation.geometry import FloatArray, rover_geometry
from rover_energy.simulation.kinematics import rolling_speeds, steering_angles
from rover_energy.simulation.protocol import STOP, Command
from rover_energy.simulation.sdf import STEP, drive_stiffness, gear_friction
from rover_energy.simulation.soil import Motion, SoilScatter, TrueRover

G = rover_geometry(ROVER, gravity=GRAVITY)
WINDOW = 0.02
STEPS = round(WINDOW / STEP)
STRAIGHT = np.zeros(4)
K = drive_stiffness(G)
FRICTION = gear_friction(G)


def base(**soil: float) -> GazeboBase:
    return GazeboBase(G, TrueRover(ROVER.locomotion, SoilScatter(**soil), GRAVITY))


def window(speeds: FloatArray, torques: FloatArray, steering: FloatArray = STRAIGHT) -> Joints:
    """A window of (n, 6) steps with corners at rest."""
    still = np.zeros((len(speeds), 4))
    return Joints(speeds, torques, still, still, steering)


def alike(speeds: FloatArray, torques: FloatArray, steering: FloatArray = STRAIGHT) -> Joints:
    """A window of which all steps are alike."""
    return window(np.tile(speeds, (STEPS, 1)), np.tile(torques, (STEPS, 1)), steering)


def level(speed: float, yaw_rate: float = 0.0) -> BodyState:
    return BodyState(0.0, 0.0, 0.0, np.eye(3), speed, yaw_rate)


@pytest.mark.parametrize("degrees", [0.0, 8.0])
@pytest.mark.parametrize("speed", [0.1, 0.4])
def test_straight_drives_cost_what_the_demand_model_says(speed: float, degrees: float) -> None:
    """Gazebo's wheels feel gravity alone; resistance and slip are the meter's part."""
    slope = math.radians(degrees)
    rotation = standing_rotation(math.tan(slope), 0.0, 0.0)
    state = BodyState(0.0, 0.0, 0.0, rotation, speed, 0.0)
    pull = ROVER.locomotion.mass * GRAVITY * math.sin(slope) * G.wheel_radius / 6.0
    joints = alike(np.full(6, speed / G.wheel_radius), np.full(6, pull))
    part = base()
    wanted = part.truth.motor_power(Motion(speed, 0.0, 0.0, 0.0), slope, slope, 0.0, 0.0)
    assert part.meter(joints, state, WINDOW).power == pytest.approx(wanted, rel=1e-6)


def test_turns_on_the_spot_cost_the_turn_moment() -> None:
    yaw_rate = 0.2
    angles = steering_angles(G, 0.0, yaw_rate)
    wheels = rolling_speeds(G, 0.0, yaw_rate, angles) / G.wheel_radius
    part = base()
    wanted = part.truth.motor_power(Motion(0.0, 0.0, yaw_rate, 0.0), 0.0, 0.0, 0.0, 0.0)
    found = part.meter(alike(wheels, np.zeros(6), angles), level(0.0, yaw_rate), WINDOW)
    assert found.power == pytest.approx(wanted, rel=1e-6)


def test_the_meter_is_the_mean_over_the_steps_wheel_by_wheel() -> None:
    """Neither a wheel that is dragged along nor a step with braking gives anything back."""
    random = np.random.default_rng(4)
    speeds, torques = random.normal(2.0, 0.3, (STEPS, 6)), random.normal(0.0, 4.0, (STEPS, 6))
    part, state = base(resistance=0.0), level(0.3)
    wanted = sum(max(0.0, float(t * w)) for t, w in zip(torques.ravel(), speeds.ravel(), strict=True)) / STEPS
    wanted /= part.truth.efficiency * (1.0 - part.truth.slip(0.0))
    assert part.meter(window(speeds, torques), state, WINDOW).power == pytest.approx(wanted, rel=1e-9)


def test_steering_is_metered_and_leaves_less_to_the_wheels() -> None:
    """Work of the corners over a window, against the closed form; a corner that is pushed by the ground gives nothing back."""
    part = base()
    rates = np.tile([0.5, -0.5, 0.2, 0.0], (STEPS, 1))
    moments = np.tile([3.0, -2.0, -4.0, 9.0], (STEPS, 1))
    standing = Joints(np.zeros((STEPS, 6)), np.zeros((STEPS, 6)), rates, moments, STRAIGHT)
    assert part.meter(standing, level(0.0), WINDOW).power == pytest.approx(2.5 / part.truth.efficiency, rel=1e-9)
    free, bound = base(), part
    for other in (free, bound):
        other._speed = np.full(6, 1.0)
        other._rim[:] = 0.3
    command = Command(0.3, 0.0, 30.0)
    assert np.all(bound.targets(command, STRAIGHT, WINDOW)[0] < free.targets(command, STRAIGHT, WINDOW)[0])


def test_downhill_nothing_flows_back() -> None:
    assert base().meter(alike(np.full(6, 2.0), np.full(6, -9.0)), level(0.3), WINDOW).power == 0.0


def test_a_missing_measurement_is_not_a_power() -> None:
    for torques, speeds in ((np.full(6, math.nan), np.full(6, 2.0)), (np.zeros(6), np.full(6, math.nan))):
        assert math.isnan(base().meter(alike(speeds, torques), level(0.3), WINDOW).power)
    nothing = window(np.zeros((0, 6)), np.zeros((0, 6)))
    assert math.isnan(base().meter(nothing, level(0.3), WINDOW).power)


class Plant:
    """Rover on a slope along or across its wheels: one mass, wheels that roll with it, and Gazebo's law of torque.

    Set speeds act `late` windows after they were sent. `jolts` scatters the wheels' speeds from step to step by this share of
    them, as rigid ground does.
    """

    def __init__(self, part: GazeboBase, *, slope: float = 0.0, late: int = 0, jolts: float = 0.0) -> None:
        self.part, self.slope, self.late, self.jolts = part, slope, late, jolts
        self.motion, self.moved, self.steering = np.zeros(2), np.zeros(2), np.zeros(4)
        self.sent: list[FloatArray] = [np.zeros(6)] * (late + 1)
        self.random = np.random.default_rng(1)
        self.power = 0.0

    def run(self, command: Command, seconds: float) -> FloatArray:
        """Powers of the windows [W]."""
        return np.array([self.window(command) for _ in range(round(seconds / WINDOW))])

    def window(self, command: Command) -> float:
        acting, speeds, torques = self.sent[-1 - self.late], [], []
        rotation = standing_rotation(math.tan(self.slope), 0.0, 0.0)
        for _ in range(STEPS):
            wheels = self.wheels() * self.random.normal(1.0, self.jolts, 6)
            torque = np.clip(K * (acting - wheels), -G.torque_limit, G.torque_limit)
            self.push(torque, G.mass * GRAVITY * math.sin(self.slope))
            inertia = G.mass * G.wheel_radius**2 / 6.0
            rubbed = np.clip(self.wheels() * inertia / STEP, -FRICTION, FRICTION)  # brings to rest, and no farther
            self.push(-rubbed, 0.0)
            self.moved = self.moved + self.motion * STEP
            torque = torque - rubbed
            speeds.append(self.wheels() * self.random.normal(1.0, self.jolts, 6))
            torques.append(torque)
        state = BodyState(0.0, 0.0, 0.0, rotation, *self.motion)
        self.power = self.part.meter(window(np.array(speeds), np.array(torques), self.steering), state, WINDOW).power
        wheels, angles = self.part.targets(command, self.steering, WINDOW)
        self.steering = self.steering + np.clip(angles - self.steering, -0.5 * WINDOW, 0.5 * WINDOW)
        self.sent.append(wheels)
        return self.power

    def wheels(self) -> FloatArray:
        speed, yaw_rate = self.motion.tolist()
        return rolling_speeds(G, speed, yaw_rate, self.steering) / G.wheel_radius

    def push(self, torque: FloatArray, weight: float) -> None:
        """Virtual work of the torques on the two ways in which the body moves, against a share of its weight [N]."""
        ways = np.stack([rolling_speeds(G, 1.0, 0.0, self.steering), rolling_speeds(G, 0.0, 1.0, self.steering)])
        force, moment = ways @ torque / G.wheel_radius
        force -= weight
        inertia = np.array([G.mass, ROVER.locomotion.yaw_inertia])
        self.motion = self.motion + np.array([force, moment]) / inertia * STEP


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("degrees", [0.0, 10.0, -10.0])
def test_the_rover_keeps_the_speed_it_is_told(degrees: float, late: int) -> None:
    plant = Plant(base(), slope=math.radians(degrees), late=late)
    plant.run(Command(0.3, 0.0), 5.0)
    slip = plant.part.truth.slip(plant.slope)
    assert plant.motion[0] == pytest.approx(0.3 * (1.0 - slip), rel=0.01)
    plant.run(STOP, 3.0)
    assert abs(plant.motion[0]) < 1e-3


@pytest.mark.parametrize("late", [0, 2])
def test_a_parked_rover_stays_on_its_slope_without_any_cap_left(late: int) -> None:
    plant = Plant(base(), slope=math.radians(10.0), late=late)
    plant.run(Command(0.0, 0.0, 0.0), 2.0)
    before = plant.moved.copy()
    powers = plant.run(Command(0.0, 0.0, 0.0), 20.0)
    assert abs(plant.moved[0] - before[0]) < 2e-3
    assert powers.max() < 0.01


def test_a_turn_on_the_spot_does_not_slide_down_its_slope() -> None:
    plant = Plant(base(), slope=math.radians(8.0))
    plant.run(STOP, 2.0)
    before = plant.moved.copy()
    plant.run(Command(0.0, 0.2), 10.0)
    assert plant.moved[1] - before[1] > 1.2
    assert abs(plant.moved[0] - before[0]) < 0.02


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("cap", [10.0, 20.0, 60.0])
@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_no_window_is_over_a_cap(degrees: float, cap: float, late: int) -> None:
    """On its way already, the rover is given less than it needs; set speeds come late and the ground is rough."""
    plant = Plant(base(), slope=math.radians(degrees), late=late, jolts=0.05)
    plant.run(Command(0.4, 0.0, 1e3), 3.0)
    needed = plant.power
    plant.run(Command(0.4, 0.0, cap), (late + 1) * WINDOW)  # until it can act
    powers = plant.run(Command(0.4, 0.0, cap), 6.0)
    assert powers.max() <= cap
    if needed > cap >= 20.0:
        assert powers[-100:].mean() > 0.5 * cap  # the slower, the more a change of speed counts


@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_without_power_the_rover_comes_to_rest(degrees: float) -> None:
    """The last centimetres take some watts for a window: friction that is only computed cannot hold a wheel that creeps."""
    plant = Plant(base(), slope=math.radians(degrees), late=1)
    plant.run(Command(0.4, 0.0), 3.0)
    powers = plant.run(Command(0.0, 0.0, 0.0), 3.0)
    assert abs(plant.motion[0]) < 1e-3
    assert powers[2:].sum() * WINDOW < 1.0  # [J]


@pytest.mark.parametrize("late", [0, 2])
def test_a_wheel_that_loses_the_ground_takes_no_more_than_the_cap(late: int) -> None:
    """It spins up within a window; the law of torque alone holds its power then."""
    part, cap = base(), 40.0
    plant = Plant(part, slope=math.radians(6.0), late=late)
    for _ in range(200):
        plant.window(Command(0.4, 0.0, cap))
    set_speeds, speeds = plant.sent[-1 - late], plant.wheels()
    rows = []
    for k in range(STEPS):  # one wheel ever faster, the others as they were
        now = speeds.copy()
        now[2] += 0.3 * (k + 1)
        rows.append((now, K * (set_speeds - now) - FRICTION))
    joints = window(np.array([w for w, _ in rows]), np.array([q for _, q in rows]))
    rotation = standing_rotation(math.tan(plant.slope), 0.0, 0.0)
    assert part.meter(joints, BodyState(0.0, 0.0, 0.0, rotation, *plant.motion), WINDOW).power <= cap


def test_power_of_the_law_is_bounded_at_any_speed() -> None:
    """Brute force over speeds against stiffness * (set speed)^2 / 4 as the documentation says."""
    speeds = np.linspace(-10.0, 10.0, 20001)
    for told in (0.5, 2.0, 3.5):
        assert (K * (told - speeds) * speeds).max() == pytest.approx(K * told**2 / 4.0, rel=1e-6)


def test_wheels_ramp_and_wait_for_the_corners() -> None:
    part = base()
    part.targets(Command(0.3, 0.0), STRAIGHT, WINDOW)
    np.testing.assert_allclose(part._rim, G.parameters.drive_ramp * WINDOW)
    wheels, angles = base().targets(Command(0.0, 0.2), STRAIGHT, WINDOW)
    np.testing.assert_array_equal(wheels, np.zeros(6))
    np.testing.assert_allclose(angles, steering_angles(G, 0.0, 0.2))


def test_wheels_that_work_against_each_other_are_left_soft() -> None:
    """Speeds that no motion of the body gives are met by the wheels' own stiffness alone, those of a motion by all together."""
    part, random = base(), np.random.default_rng(3)
    speeds = random.normal(0.0, 0.1, 6) + 0.5  # too fast to be parked
    part.meter(alike(speeds, np.zeros(6)), level(0.0), WINDOW)
    wheels, _ = part.targets(STOP, STRAIGHT, WINDOW)
    torques = K * (wheels - speeds)
    ways = np.stack([rolling_speeds(G, 1.0, 0.0, STRAIGHT), rolling_speeds(G, 0.0, 1.0, STRAIGHT)], axis=1)
    moved = ways @ np.linalg.lstsq(ways, speeds, rcond=None)[0]
    shared = -3.0 * K * moved
    rubbed = FRICTION * np.sign(speeds)
    np.testing.assert_allclose(torques + K * speeds, shared + rubbed, atol=1e-9)


def test_without_measurements_the_wheels_are_braked() -> None:
    part, rolling = base(), alike(np.full(6, 2.0), np.full(6, 2.0))
    part.meter(rolling, level(0.3), WINDOW)
    nowhere = BodyState(math.nan, 0.0, 0.0, np.full((3, 3), math.nan), 0.3, 0.0)
    for k in range(4):
        assert math.isnan(part.meter(rolling, nowhere, WINDOW).power)
        wheels, _ = part.targets(Command(0.3, 0.0, 50.0), STRAIGHT, WINDOW)
        assert np.all(np.isfinite(wheels))
        assert bool(np.any(wheels)) == (k < 2)
    part.meter(rolling, level(0.3), WINDOW)
    assert np.any(part.targets(Command(0.3, 0.0, 50.0), STRAIGHT, WINDOW)[0])


def test_rest_is_rest() -> None:
    part = base()
    wheels, _ = part.targets(STOP, STRAIGHT, WINDOW)
    np.testing.assert_array_equal(wheels, np.zeros(6))
    assert part.meter(alike(np.zeros(6), np.full(6, 3.0)), level(0.0), WINDOW).power == 0.0


def test_motion_between_poses_of_a_circle() -> None:
    """A circle of radius 5 m at 0.5 m/s, on a slope across the heading."""
    radius, speed = 5.0, 0.5
    rate = speed / radius

    def pose(t: float) -> BodyState:
        a = rate * t
        rotation = standing_rotation(0.0, 0.0, a + math.pi / 2.0)
        return BodyState(radius * math.cos(a), radius * math.sin(a), 0.0, rotation, math.nan, math.nan)

    found = motion_between(pose(3.0), pose(3.02), 0.02)
    assert found.speed == pytest.approx(speed, rel=1e-5)
    assert found.yaw_rate == pytest.approx(rate, rel=1e-6)
