"""A sharper lower bound on the time of drives along a path whose energy is limited, by convex optimisation.

`energy_timing.energy_bound` adds the time that the battery needs to the time of the fastest drive, as if the energy lost in
braking and in charging could always be saved. Here all are chosen together. Over the square z of the speed at the stations,
the time of an interval is convex, its work W >= gain (m dz/2 + F dl), W >= 0 is convex, and z lies below that of the fastest
drive. With tau the clock, of which an interval takes at least what z needs (so waiting is allowed), the net energy of an
interval s dtau - W is linear, s being the most that the supply there has above the constant loads; the store gains at most
charge_efficiency times it, and at most it over discharge_efficiency. Budget and floor read

    c tau_end + sum W <= B,        E_0 + sum q >= E_floor at every station.

Every drive within the horizon satisfies this (Jensen's inequality serves within an interval), and the programme is convex, so
its optimum is a lower bound, up to the solver's tolerance and the discretisation. What it leaves out (the power limit where
the drive is slower than the fastest, the charge limit, yaw inertia, what resistance linear in speed has above its chord) would
only add time.
"""

from __future__ import annotations

from typing import Any

import casadi as ca
import numpy as np

from rover_energy.planning.energy_timing import best_case, least_work
from rover_energy.planning.retiming import Drive
from rover_energy.planning.retiming_kernel import SpeedProblem
from rover_energy.power.battery import floor_energy

LEAST_SQUARE = 1e-8  # [m2/s2] below which a squared speed is not followed


def convex_time_bound(task: Drive, horizon: float) -> float:
    """Lower bound [s] for drives of `task` from rest to rest that take no longer than `horizon` [s].

    Raises RuntimeError when the solver does not reach its tolerance.
    """
    problem = task.problem()
    supply, timing = best_case(task, least_work(problem), horizon)
    n = len(timing.time)
    top = np.maximum(timing.speed**2, LEAST_SQUARE)
    z, work, tau, stored = ca.MX.sym("z", n), ca.MX.sym("w", n - 1), ca.MX.sym("t", n), ca.MX.sym("q", n - 1)
    root = ca.sqrt(z)
    passing = 2.0 * ca.DM(problem.step) / (root[1:] + root[:-1])
    rise = z[1:] - z[:-1]
    mean = 0.5 * (z[1:] + z[:-1])
    drag = problem.c2 + problem.c1 / np.sqrt(np.maximum(top[1:], top[:-1]))  # c1 v >= its chord c1 z / v_top
    pull = 0.5 * problem.mass * rise + ca.DM(problem.step) * (ca.DM(problem.force) + ca.DM(drag) * mean)
    spent = work + ca.DM(problem.scrub * problem.step)
    rows = [
        (tau[1:] - tau[:-1] - passing, 0.0, np.inf),
        (work - ca.DM(problem.gain) * pull, 0.0, np.inf),
        (rise, -2.0 * problem.acceleration * problem.step, 2.0 * problem.acceleration * problem.step),
        *_energy_rows(task, supply, spent, tau, stored),
    ]
    lower = np.concatenate([np.broadcast_to(low, row.numel()) for row, low, _ in rows])
    upper = np.concatenate([np.broadcast_to(high, row.numel()) for row, _, high in rows])
    options = {"print_time": False, "ipopt": {"print_level": 0, "sb": "yes", "tol": 1e-9, "max_iter": 500, "max_wall_time": 30.0}}
    variables = ca.vertcat(z, work, tau, stored)
    solver = ca.nlpsol("bound", "ipopt", {"x": variables, "f": tau[-1], "g": ca.vertcat(*(r for r, _, _ in rows))}, options)
    start = [np.maximum(0.9 * top, LEAST_SQUARE), np.maximum(_work(problem, top), 0.0) + 0.1, 1.1 * timing.time, np.zeros(n - 1)]
    low_x = [np.full(n, LEAST_SQUARE), np.zeros(n - 1), np.zeros(n), np.full(n - 1, -np.inf)]
    high_x = [top, np.full(n - 1, np.inf), np.concatenate(([0.0], np.full(n - 1, np.inf))), np.full(n - 1, np.inf)]
    start, low_x, high_x = (np.concatenate(parts) for parts in (start, low_x, high_x))
    result = solver(x0=start, lbx=low_x, ubx=high_x, lbg=lower, ubg=upper)
    if not solver.stats()["success"]:
        raise RuntimeError(f"the bound's solver ended with {solver.stats()['return_status']}")
    return float(result["f"])


def _work(problem: SpeedProblem, squared: Any) -> Any:
    return problem.gain * (0.5 * problem.mass * np.diff(squared) + problem.force * problem.step)


def _energy_rows(task: Drive, supply: Any, spent: Any, tau: Any, stored: Any) -> list[tuple[Any, float, float]]:
    mission, battery = task.mission, task.rover.battery
    rows: list[tuple[Any, float, float]] = []
    if mission.energy_budget is not None:
        rows.append((task.constant_load * tau[-1] + ca.sum1(spent), -np.inf, mission.energy_budget))
    if mission.use_battery:
        surplus = np.maximum(supply[1:], supply[:-1]) - task.constant_load
        net = ca.DM(surplus) * (tau[1:] - tau[:-1]) - spent
        rows.append((battery.charge_efficiency * net - stored, 0.0, np.inf))
        rows.append((net / battery.discharge_efficiency - stored, 0.0, np.inf))
        rows.append((ca.cumsum(stored), floor_energy(battery) - task.energy, np.inf))
    return rows
