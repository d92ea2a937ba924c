"""The MJCF model as MuJoCo understands it, against the description it was made from."""

from __future__ import annotations

import numpy as np
import pytest
from simulation_cases import GRAVITY, ROVER, SUN, drive, plane, rover, surface

from rover_energy.simulation.geometry import CORNERS, WHEELS, rover_geometry
from rover_energy.simulation.mjcf import rover_mjcf
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.protocol import STOP

mujoco = pytest.importorskip("mujoco", reason="needs the extra 'simulation' (mujoco)")


@pytest.mark.parametrize("mass", [60.0, 200.0, 899.0])
def test_mass_centre_and_yaw_inertia_are_those_of_the_rover(mass: float) -> None:
    described = rover(mass)
    g = rover_geometry(described, gravity=GRAVITY)
    model = mujoco.MjModel.from_xml_string(
        rover_mjcf(g, gravity=GRAVITY, ground_nodes=(9, 9), ground_size=(4.0, 4.0, 1.0))
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert model.body_mass.sum() == pytest.approx(mass, rel=1e-6)
    np.testing.assert_allclose(data.subtree_com[1][:2], 0.0, atol=0.02 * g.wheel_base)
    # Inertia of the free joint's rotation about z: moment to turn the whole rover about its origin, joints held.
    turn, moments = np.zeros(model.nv), np.zeros(model.nv)
    turn[5] = 1.0
    mujoco.mj_mulM(model, data, moments, turn)
    assert moments[5] == pytest.approx(described.locomotion.yaw_inertia, rel=1e-4)


def test_joints_and_actuators_are_named_in_order() -> None:
    g = rover_geometry(ROVER, gravity=GRAVITY)
    model = mujoco.MjModel.from_xml_string(
        rover_mjcf(g, gravity=GRAVITY, ground_nodes=(9, 9), ground_size=(4.0, 4.0, 1.0))
    )
    names = [model.actuator(k).name for k in range(model.nu)]
    assert names == [f"drive_{w}" for w in WHEELS] + [f"steer_{c}" for c in CORNERS]
    positions = np.array([model.body(f"wheel_{w}").pos for w in WHEELS])
    assert positions.shape == (6, 3)
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    assert model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC


def test_same_geometry_same_text() -> None:
    texts = {
        rover_mjcf(rover_geometry(ROVER, gravity=GRAVITY), gravity=GRAVITY, ground_nodes=(9, 9), ground_size=(4.0, 4.0, 1.0))
        for _ in range(2)
    }
    assert len(texts) == 1


def test_wheels_share_the_load_on_level_ground() -> None:
    level = plane(0.0)
    simulator = MujocoSimulator(level, surface(level), SUN, ROVER)
    simulator.reset((0.0, 0.0, 0.3))
    drive(simulator, STOP, 1.0)
    loads = dict.fromkeys(WHEELS, 0.0)
    force = np.zeros(6)
    for k in range(simulator.data.ncon):
        mujoco.mj_contactForce(simulator.model, simulator.data, k, force)
        contact = simulator.data.contact[k]
        for geom in (contact.geom1, contact.geom2):
            name = simulator.model.geom(geom).name
            if name.startswith("tyre_"):
                loads[name.removeprefix("tyre_")] += force[0]
    weight = ROVER.locomotion.mass * GRAVITY
    assert sum(loads.values()) == pytest.approx(weight, rel=0.01)
    np.testing.assert_allclose(list(loads.values()), weight / 6.0, rtol=0.08)


def test_differential_keeps_the_body_at_the_mean_of_the_rockers() -> None:
    """One front wheel on a step: its rocker turns up, the other down by as much against the body."""
    ground = plane(0.0)
    height = np.array(ground.height)
    height[60:, 62:] = 0.12  # under the front left wheel only
    stepped = type(ground)(height, ground.x0, ground.y0, ground.cell)
    simulator = MujocoSimulator(stepped, surface(ground), SUN, ROVER)
    simulator.reset((0.0, -0.2, 0.0))
    left, right = (float(simulator.data.joint(f"rocker_{side}").qpos[0]) for side in "lr")
    assert abs(left) > 0.02
    assert left == pytest.approx(-right, abs=2e-3)
