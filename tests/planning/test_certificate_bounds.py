"""The bounds between samples against brute force: on wild ground no quantity ever leaves its chord by more than its bound."""

from __future__ import annotations

import numpy as np
import plan_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rover_energy.locomotion.demand import ResistanceParameters, SlipParameters, resistance_force
from rover_energy.planning import certificate_bounds
from rover_energy.planning.certificate_bounds import make_blocks, plan_bounds
from rover_energy.planning.certificate_rates import Rates, planar_rates, product, smooth, spline_hull, spline_windows
from rover_energy.planning.evaluation import motion_on_surface, piece_grid, supply_and_demand
from rover_energy.planning.trajectory import Trajectory
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

INNER = np.linspace(0.0, 1.0, 42)[1:-1]
QUANTITIES = {
    "load": lambda motion, supply: supply.total_power,
    "array": lambda motion, supply: -supply.pv_power,
    "speed": lambda motion, supply: motion.speed,
    "acceleration": lambda motion, supply: np.abs(motion.acceleration),
    "yaw_rate": lambda motion, supply: np.abs(motion.yaw_rate),
    "slope": lambda motion, supply: np.abs(np.tan(motion.along_slope)),
    "gradient": lambda motion, supply: np.tan(motion.tilt),
}


def used_share(trajectory, surface, environment, rover, step):
    """Largest (height above the chord) / (bound) of each quantity over all intervals, seen at 40 points in each.

    An infinite bound is honest (nothing is known, and the check fails); at the certificate's own step there must be none.
    """
    mission = cases.mission()
    piece, local, left = piece_grid(trajectory, step, environment.times)

    def look(pieces, locals_):
        motion = motion_on_surface(trajectory.evaluate_local(pieces, locals_), surface)
        return motion, supply_and_demand(motion, environment, rover, mission)

    motion, supply = look(piece, local)
    blocks = make_blocks(piece, local, left)
    with np.errstate(invalid="ignore", over="ignore"):
        bounds = plan_bounds(trajectory, blocks, motion, supply, surface, environment, rover)
    inner = local[left][:, None] + (local[left + 1] - local[left])[:, None] * INNER
    dense = look(np.repeat(piece[left], INNER.size), inner.ravel())
    shares = {}
    for name, quantity in QUANTITIES.items():
        ends = quantity(motion, supply)
        chord = ends[left][:, None] * (1 - INNER) + ends[left + 1][:, None] * INNER
        above = np.max(quantity(*dense).reshape(inner.shape) - chord, axis=1)
        bound = blocks.spread(getattr(bounds, name).deviation(blocks.dt))
        assert step > 0.01 or np.all(np.isfinite(bound)), name
        bound = np.where(np.isfinite(bound), bound, np.inf)
        shares[name] = float(np.max(above / (bound + 1e-11)))
    return shares


CASES = {
    "plain": {},
    "no slip": {"locomotion": {"slip": SlipParameters(flat=0.0)}},
    "soil": {"locomotion": {"resistance": ResistanceParameters(model="bekker", c1=20.0, c2=100.0), "mass": 84.0}},
    "leaning panel": {"pv": {"panel_pitch": 1.1, "panel_azimuth": 0.7}},
}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    step=st.sampled_from([0.01, 0.03, 0.1, 0.4]),
    blur=st.sampled_from([0.0, 1.0, 2.5]),
    slope=st.sampled_from([0.05, 0.3]),
    case=st.sampled_from(sorted(CASES)),
    light=st.sampled_from(["steady", "low", "changing", "changing low"]),
    flat=st.booleans(),
)
def test_no_quantity_leaves_its_chord_by_more_than_the_bound(seed, step, blur, slope, case, light, flat):
    surface = cases.rough(seed, blur=blur, slope=slope)
    environment = {
        "steady": lambda: cases.sunny(),
        "low": lambda: cases.sunny(elevation=0.05, azimuth=seed % 7),
        "changing": lambda: cases.changing(surface, seed),
        "changing low": lambda: cases.changing(surface, seed, low=True),
    }[light]()
    trajectory = cases.wander(seed, pieces=8, bend=0.2)
    trajectory = cases.as_flat(trajectory) if flat else trajectory
    shares = used_share(trajectory, surface, environment, cases.rover(**CASES[case]), step)
    assert max(shares.values()) <= 1.0, shares


def test_bounds_are_not_idle():
    """On typical ground a good part of each bound is used: a bound too large by orders of magnitude would hide errors."""
    surface = cases.rough(5, blur=2.5, slope=0.15)
    shares = used_share(cases.wander(1), surface, cases.changing(surface), cases.rover(), 0.01)
    assert min(shares.values()) > 0.05, shares


def test_products_of_bounds_hold_for_functions_with_kinks():
    """f = sin t + sawtooth integral, against its declared rates, and f g against the product's."""
    dt = 0.01
    t = np.linspace(0.0, dt, 1001)
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(300):
        k, a, b, corner = rng.uniform(0, 30), rng.normal(size=3), rng.normal(size=3), rng.uniform(0, dt)
        bend = k / 2 * np.minimum(t, 2 * corner - t)  # slope +k/2, then -k/2
        rates = []
        functions = []
        for c, kinked in ((a, True), (b, False)):
            functions.append(c[0] + c[1] * t + c[2] * 50 * t**2 + (bend if kinked else 0.0))
            kink = k if kinked else 0.0
            top, slope = abs(c[0]) + dt * (abs(c[1]) + kink / 2) + 50 * abs(c[2]) * dt**2, abs(c[1]) + 100 * abs(c[2]) * dt
            rates.append(Rates(*(np.array([v]) for v in (top, slope + kink / 2, 100 * abs(c[2]), kink))))
        both = functions[0] * functions[1]
        chord = both[0] + (both[-1] - both[0]) * t / dt
        bound = product(*rates, np.array([dt])).deviation(np.array([dt]))[0]
        worst = max(worst, float(np.max(np.abs(both - chord))) / bound)
    assert 0.2 < worst <= 1.0


def jet(function, h=2e-4):
    """Largest of |f|, |f'|, |f''| at 0 of functions of time that give numbers or vectors (axis 0), by differences."""
    before, here, after = (np.atleast_2d(function(t)) for t in (-h, 0.0, h))
    derivatives = here, (after - before) / (2 * h), (after - 2 * here + before) / h**2
    return [np.linalg.norm(d, axis=0) for d in derivatives]


def quadratics(count, width, scale, seed=0):
    """Random a + b t + c t^2/2, vectors (width, count), and their majorants at t = 0."""
    a, b, c = np.random.default_rng(seed).normal(size=(3, width, count)) * np.array(scale)[:, None, None]
    rates = smooth(*(np.linalg.norm(v, axis=0) for v in (a, b, c)))
    return lambda t: a + b * t + c * t * t / 2, rates, a[0]


SLIP = SlipParameters(flat=0.05, maximum=0.6, gain=8.0)


@pytest.mark.parametrize(
    ("name", "width", "scale"),
    [
        ("secant", 1, (1.0, 1.0, 1.0)), ("secant", 2, (1.0, 1.0, 0.2)), ("sine", 1, (1.0, 1.0, 0.2)),
        ("cosine", 2, (1.0, 1.0, 0.2)), ("slip", 1, (0.3, 0.3, 0.1)), ("slip", 1, (0.3, 0.02, 0.3)),
        ("upward", 2, (0.5, 0.1, 1.0)), ("upward", 2, (0.5, 1.0, 0.01)),
    ],
)  # fmt: skip
def test_bounds_of_functions_of_one_quantity(name, width, scale):
    """Majorants of composed functions against numerical derivatives: never less, and not needlessly more."""
    q, rates, signed = quadratics(4000, width, scale)

    def square(t):
        return np.sum(q(t) ** 2, axis=0)

    def slip_factor(t):
        s = SLIP.maximum / (1 + (SLIP.maximum / SLIP.flat - 1) * np.exp(-SLIP.gain * q(t)))
        return 1 / (1 - s)

    def upward(t):
        return np.stack([*(-q(t)), np.ones(4000)]) / np.sqrt(1 + square(t))

    function, bound = {
        "secant": lambda: (lambda t: np.sqrt(1 + square(t)), certificate_bounds._secant(rates)),
        "sine": lambda: (lambda t: q(t) / np.sqrt(1 + square(t)), certificate_bounds._sine(rates)),
        "cosine": lambda: (lambda t: 1 / np.sqrt(1 + square(t)), certificate_bounds._cosine(rates)),
        "slip": lambda: (slip_factor, certificate_bounds._slip_factor(SLIP, smooth(signed, rates.first, rates.second))),
        "upward": lambda: (
            upward,
            certificate_bounds._panel_normal(None, {"gradient": rates, "slope": rates}, cases.rover(), np.ones(4000)),
        ),
    }[name]()
    for true, limit in zip(jet(function), (bound.value, bound.first, bound.second), strict=True):
        assert np.all(true <= limit * (1 + 1e-5) + 1e-6)
        assert np.max(true[limit > 1e-3] / limit[limit > 1e-3]) > 0.5


@pytest.mark.parametrize("least", [0.5, 0.9])
def test_bounds_of_the_soil(least):
    locomotion = cases.rover(**CASES["soil"]).locomotion
    cosine = np.linspace(least, 1.0, 4001)
    force = resistance_force(locomotion, speed=np.zeros(4001), tilt=np.arccos(cosine), gravity=cases.MOON)
    first = np.gradient(force, cosine)[2:-2]
    second = np.gradient(first, cosine[2:-2])[2:-2]
    limits = certificate_bounds._soil_derivatives(locomotion, cases.MOON, least)
    for true, limit in zip((force, first, second), limits, strict=True):
        assert 0.3 * limit < np.max(np.abs(true)) <= limit * (1 + 1e-4)


def samples_of(trajectory, surface, environment, step):
    piece, local, left = piece_grid(trajectory, step, environment.times)
    motion = motion_on_surface(trajectory.evaluate_local(piece, local), surface)
    supply = supply_and_demand(motion, environment, cases.rover(), cases.mission())
    blocks = make_blocks(piece, local, left)
    planar = planar_rates(trajectory, blocks.piece, 0.5 * (blocks.begin + blocks.end), 0.5 * (blocks.end - blocks.begin))
    return motion, supply, blocks, planar


@pytest.mark.parametrize("hill", [True, False])
def test_slope_along_the_way_on_a_cubic_hill(hill):
    """A cubic height is its own spline: third derivatives do not jump, and p''' is bounded by the smooth part alone.

    On the plane it is the turning of the rover alone that changes the slope along its heading.
    """
    x, y = np.meshgrid(np.arange(81) * 0.25, np.arange(81) * 0.25)
    u, v = x - 7.0, y - 7.0
    height = 0.01 * u**3 - 0.02 * u**2 * v + 0.015 * u * v**2 - 0.01 * v**3 if hill else 0.3 * u + 0.1 * v
    surface = Surface.from_terrain(Terrain(height, 0.0, 0.0, 0.25), 0.0)
    trajectory = cases.wander(2, pieces=8, bend=0.8, speed=0.5)
    motion, supply, blocks, planar = samples_of(trajectory, surface, cases.sunny(), 0.01)
    box = certificate_bounds._boxes(blocks, motion, planar)
    hull = spline_hull(spline_windows(surface.coefficients, 0.0, 0.0, 0.25, box), 0.25, (3,))
    ground = certificate_bounds._ground(planar, hull, certificate_bounds._sampled(blocks, motion, supply), blocks.dt)
    assert np.max(hull.third_range) < 1e-4
    middle, h = 0.5 * (blocks.begin + blocks.end), 4e-3
    look = [motion_on_surface(trajectory.evaluate_local(blocks.piece, middle + k * h), surface).grade for k in range(-2, 3)]
    third = np.abs(look[4] - 2 * look[3] + 2 * look[1] - look[0]) / (2 * h**3)
    limit = ground["slope_rate"].second
    assert np.all(third <= limit * (1 + 1e-3) + 1e-4)
    assert np.max(third / limit) > 0.5


@pytest.mark.parametrize("step", [0.01, 0.05])
def test_sunlit_fraction_along_the_way(step):
    surface, trajectory = cases.rough(0, blur=2.0), cases.wander(2, pieces=8, bend=0.3, speed=0.6)
    environment = cases.changing(surface)
    motion, supply, blocks, planar = samples_of(trajectory, surface, environment, step)
    box = certificate_bounds._boxes(blocks, motion, planar)
    bound = certificate_bounds._sunlit(planar, box, blocks, supply, motion.state.t, environment)
    middle = 0.5 * (blocks.begin + blocks.end)

    def lit(shift):
        state = trajectory.evaluate_local(blocks.piece, middle + shift)
        return environment.sunlit_fraction(state.x, state.y, state.t)

    for true, limit in zip(jet(lit), (bound.value, bound.first, bound.second), strict=True):
        assert np.all(true <= limit * (1 + 1e-6) + 1e-6)
        assert np.max(true / (limit + 1e-9)) > 0.2


def test_tightening_never_raises_a_bound():
    wide = smooth(np.array([5.0, 1.0]), np.array([1.0, 1.0]), np.array([0.0, 0.0]))
    tight = wide.tightened(np.array([2.0, 2.0]), np.array([0.1, 0.1]))
    np.testing.assert_allclose(tight.value, [2.05, 1.0])


@pytest.mark.parametrize("flat", [False, True])
def test_rates_of_the_planar_motion_hold(flat):
    trajectory = cases.wander(4, bend=0.3)
    trajectory = cases.as_flat(trajectory) if flat else trajectory
    for piece in range(trajectory.pieces):
        # Away from the rests, where the heading of a nearly-but-not-quite resting fit is ill-conditioned.
        centre, radius = np.array([0.7]), np.array([0.1])
        planar = planar_rates(trajectory, np.array([piece]), centre, radius)
        local = np.linspace(0.6, 0.8, 401)
        state = trajectory.evaluate_local(np.full(local.size, piece), local)
        h = local[1] - local[0]
        series = {
            "speed": [state.speed, state.speed_rate, np.gradient(state.speed_rate, h)[1:-1]],
            "heading": [None, state.heading_rate, state.heading_acceleration, np.gradient(state.heading_acceleration, h)[1:-1]],
        }
        for name, derivatives in series.items():
            for order, values in enumerate(derivatives):
                if values is not None:
                    top = float(np.max(np.abs(values)))
                    assert top <= getattr(planar, name)[order][0] * (1 + 1e-6) + 1e-9, (name, order)


def test_unknown_direction_gives_an_infinite_bound():
    """A flat piece that comes to rest inside: its heading's rates cannot be bounded there."""
    trajectory = Trajectory("flat", [0, 0, 0], [2.0], x=[[0.0, 1.0, -1.0, 1 / 3]], y=[[0.0]])
    planar = planar_rates(trajectory, np.array([0]), np.array([1.0]), np.array([0.1]))
    assert np.isinf(planar.heading[1][0])
