"""The rover without an engine: the demand model to the digit, the engine's rover within a few per cent, and a sol in seconds."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from simulation_cases import GRAVITY, ROVER, SUN, drive, plane, rough, surface

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import drive_power, slip, turn_power
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.simulation.loopback import LoopbackSimulator
from rover_energy.simulation.protocol import STOP, Command, SimulationError
from rover_energy.simulation.soil import SoilScatter
from rover_energy.terrain import Terrain

LOCOMOTION = ROVER.locomotion


def simulator(terrain: Terrain, **options: object) -> LoopbackSimulator:
    return LoopbackSimulator(terrain, surface(terrain), SUN, ROVER, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [-15.0, 0.0, 12.0])
def test_steady_power_is_the_demand_model(degrees: float) -> None:
    slope = math.radians(degrees)
    sim = simulator(plane(degrees))
    sim.reset((0.0, 0.0, 0.0))
    last = drive(sim, Command(0.1), 6.0)[-1]
    speed = 0.1 * (1.0 - float(slip(LOCOMOTION.slip, slope)))
    assert last.speed == pytest.approx(speed, rel=1e-6)
    model = drive_power(LOCOMOTION, speed=speed, acceleration=0.0, along_slope=slope, tilt=abs(slope), gravity=GRAVITY)
    assert last.motor_power == pytest.approx(float(model), rel=1e-4, abs=1e-4)
    assert float(last.wheel_torques @ last.wheel_speeds) / LOCOMOTION.drivetrain_efficiency == pytest.approx(last.motor_power)
    assert np.mean(last.wheel_speeds) * sim.geometry.wheel_radius == pytest.approx(0.1, rel=1e-6)


def test_turning_power_and_rate() -> None:
    sim = simulator(plane(0.0))
    sim.reset((0.0, 0.0, 0.0))
    readings = drive(sim, Command(0.0, 0.1), 12.0)
    rate = 0.1 * (1.0 - LOCOMOTION.slip.flat)
    assert readings[-1].yaw_rate == pytest.approx(rate, rel=1e-6)
    model = float(turn_power(LOCOMOTION, yaw_rate=rate, yaw_acceleration=0.0))
    assert readings[-1].motor_power == pytest.approx(model, rel=1e-4)
    assert readings[-1].heading == pytest.approx(rate * (12.0 - 0.15), rel=1e-3)  # a first-order lag costs its time constant


def test_heading_turns_slower_than_the_body_on_a_slope() -> None:
    """yaw_rate is about body z: the heading, in the map, turns by cos(tilt) of it."""
    sim = simulator(plane(20.0))
    sim.reset((0.0, 0.0, 0.5))
    before = drive(sim, Command(0.0, 0.1), 3.0)[-1]
    after = drive(sim, Command(0.0, 0.1), 0.05)[-1]
    turned = 0.05 * 0.5 * (before.yaw_rate + after.yaw_rate)
    assert after.heading - before.heading == pytest.approx(turned * math.cos(math.radians(20.0)), rel=1e-4)


def test_path_is_that_of_the_unicycle_on_the_surface() -> None:
    """Against a fine integration of dx/dt = v cos(phi) cos(theta), d theta/dt = omega cos(tilt) with the same speeds."""
    ground = rough()
    smooth = surface(ground)
    sim = simulator(ground)
    sim.reset((12.0, 20.0, 0.3))
    readings = drive(sim, Command(0.2, 0.02), 30.0)
    x, y, heading = 12.0, 20.0, 0.3
    before = (0.0, 0.0)
    for r in readings:
        for k in range(5):
            part = (k + 0.5) / 5.0
            speed, rate = before[0] + part * (r.speed - before[0]), before[1] + part * (r.yaw_rate - before[1])
            along = float(smooth.along_slope(x, y, heading))
            x += 0.01 * speed * math.cos(along) * math.cos(heading)
            y += 0.01 * speed * math.cos(along) * math.sin(heading)
            heading += 0.01 * rate * math.cos(float(smooth.tilt(x, y)))
        before = r.speed, r.yaw_rate
    assert (readings[-1].x, readings[-1].y, readings[-1].heading) == pytest.approx((x, y, heading), abs=2e-3)
    assert readings[-1].height == pytest.approx(float(smooth.height(readings[-1].x, readings[-1].y)))


def test_agrees_with_the_engine_on_rough_ground() -> None:
    pytest.importorskip("mujoco", reason="needs the extra 'simulation' (mujoco)")
    from rover_energy.simulation.mujoco_rover import MujocoSimulator

    ground, ends = rough(), []
    for kind in (LoopbackSimulator, MujocoSimulator):
        sim = kind(ground, surface(ground), SUN, ROVER, soil=SoilScatter.random(5), seed=5)
        sim.reset((5.0, 20.0, 0.1))
        ends.append(drive(sim, Command(0.1, 0.005), 40.0)[-1])
    assert ends[0].motor_energy == pytest.approx(ends[1].motor_energy, rel=0.05)
    assert (ends[0].x, ends[0].y) == pytest.approx((ends[1].x, ends[1].y), abs=0.05)
    assert ends[0].heading == pytest.approx(ends[1].heading, abs=0.02)
    assert ends[0].pitch == pytest.approx(ends[1].pitch, abs=0.05)
    assert ends[0].roll == pytest.approx(ends[1].roll, abs=0.05)


def test_a_sol_takes_seconds() -> None:
    """88775 s at 1 s steps, one hour of it driving."""
    ground = rough()
    sim = simulator(ground)
    sim.reset((20.0, 20.0, 0.1))
    began = time.process_time()
    for k in range(88775):
        reading = sim.step(Command(0.1 if (k // 100) % 2 else -0.1) if k < 3600 else STOP, 1.0)
    assert reading.time == pytest.approx(88775.0)
    assert time.process_time() - began < 20.0


def test_steps_of_any_length_agree() -> None:
    ground, energies = rough(), []
    for dt in (0.02, 0.1, 1.0, 10.0):
        sim = simulator(ground)
        sim.reset((12.0, 20.0, 0.1))
        energies.append(drive(sim, Command(0.1), 60.0, dt)[-1].motor_energy)
    assert np.ptp(energies) < 0.005 * np.mean(energies)


def test_power_cap_is_met_exactly() -> None:
    sim = simulator(plane(6.0))
    sim.reset((-5.0, 0.0, 0.0))
    for cap in (20.0, 9.0, 0.0, 30.0):
        drive(sim, Command(0.3, 0.03, cap), 1.0, 0.02)
        powers = np.array([r.motor_power for r in drive(sim, Command(0.3, 0.03, cap), 3.0, 0.02)])
        assert powers.max() <= cap + 1e-9
        assert powers[-1] == pytest.approx(cap, rel=0.01, abs=1e-6)


def test_light_is_that_of_the_power_model() -> None:
    ground = rough()
    scene = Environment.constant(GRAVITY, 1.0, 0.3, 1361.0, 20.0, ground, panel_height=0.7)
    smooth = surface(ground)
    sim = LoopbackSimulator(ground, smooth, scene, ROVER)
    for pose in ((12.0, 20.0, 0.3), (30.0, 8.0, -2.0)):
        reading = sim.reset(pose)
        hx, hy = smooth.gradient(pose[0], pose[1])
        normal = panel_normal(ROVER.pv, hx, hy, pose[2])
        sunlit = scene.sunlit_fraction(pose[0], pose[1], 0.0)
        wanted = pv_power(
            ROVER.pv, normal=normal, sun_direction=scene.sun[0], direct=scene.direct[0], diffuse=20.0, sunlit=sunlit
        )
        assert reading.pv_power == pytest.approx(float(wanted))
        assert reading.panel_incidence == pytest.approx(max(0.0, float(normal @ scene.sun[0])))


def test_light_goes_on_while_parked() -> None:
    times = np.linspace(0.0, 1000.0, 5)
    angles = np.linspace(0.1, 0.5, 5)
    sun = np.stack([np.cos(angles), np.zeros(5), np.sin(angles)], axis=1)
    scene = Environment(times, GRAVITY, sun, np.full(5, 1361.0), np.zeros(5))
    ground = plane(0.0)
    sim = LoopbackSimulator(ground, surface(ground), scene, ROVER)
    sim.reset((0.0, 0.0, 0.0))
    seen = [sim.step(STOP, 100.0).panel_incidence for _ in range(10)]
    np.testing.assert_allclose(seen, scene.sun_direction(np.arange(100.0, 1001.0, 100.0))[:, 2], atol=1e-9)
    assert math.isnan(sim.step(STOP, 100.0).pv_power)  # past what the environment knows


def test_resting_reads_like_standing() -> None:
    sim = simulator(plane(10.0))
    start = sim.reset((0.0, 0.0, 0.0))
    for _ in range(3):
        reading = sim.step(STOP, 50.0)
    assert (reading.x, reading.y, reading.motor_power, reading.motor_energy) == (start.x, start.y, 0.0, 0.0)
    assert reading.imu is not None
    slope = math.radians(10.0)
    np.testing.assert_allclose(reading.imu.acceleration, [GRAVITY * math.sin(slope), 0.0, GRAVITY * math.cos(slope)], atol=1e-6)
    assert reading.pitch == pytest.approx(-slope, abs=1e-6)


def test_imu_orientation_turns_body_axes_into_map_axes() -> None:
    from scipy.spatial.transform import Rotation

    ground = rough()
    sim = simulator(ground)
    for heading in np.linspace(-3.0, 3.0, 9):
        reading = sim.reset((30.0, 8.0, float(heading)))
        assert reading.imu is not None
        turned = Rotation.from_quat(reading.imu.orientation, scalar_first=True)
        np.testing.assert_allclose(turned.as_matrix(), sim.state.rotation, atol=1e-12)
        yaw, pitch, roll = turned.as_euler("ZYX")
        assert (reading.heading, reading.pitch, reading.roll) == pytest.approx((yaw, pitch, roll))


def test_errors() -> None:
    sim = simulator(plane(0.0, size=6.0))
    with pytest.raises(SimulationError, match="reset"):
        sim.step(STOP, 0.1)
    with pytest.raises(InputError, match="off the map"):
        sim.reset((9.0, 0.0, 0.0))
    sim.reset((2.5, 0.0, 0.0))
    with pytest.raises(InputError, match="speed"):
        sim.step(Command(math.nan), 0.1)
    with pytest.raises(SimulationError, match="left the map"):
        drive(sim, Command(0.5), 10.0)
