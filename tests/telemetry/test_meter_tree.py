"""Trees, reconciliation and single-value tests: closed forms, brute force, and the data set's issue format."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.optimize import minimize

from rover_energy.errors import InputError
from rover_energy.telemetry.made_meters import rover_tree
from rover_energy.telemetry.meter_faults import (
    REASONS,
    Issue,
    counter_power,
    disagreement,
    issue_text,
    read_issues,
    runs,
    stuck,
    zeros,
)  # fmt: skip
from rover_energy.telemetry.meter_tree import read_tree, tree_of
from rover_energy.telemetry.reconciliation import reconcile

SMALL = {"meters": {
    "bus": {"rating": 100, "noise": 0.5}, "array": {"parent": "bus", "sign": -1, "noise": 0.3}, "drive": {"parent": "bus",
    "noise": 0.2}, "left": {"parent": "drive", "noise": 0.1}, "right": {"parent": "drive", "noise": 0.1},
}}  # fmt: skip


def test_balances_carry_the_signs() -> None:
    """bus = drive - array, drive = left + right."""
    tree = tree_of(SMALL)
    np.testing.assert_array_equal(tree.balances, [[1, 1, -1, 0, 0], [0, 0, 1, -1, -1]])
    np.testing.assert_allclose(tree.balances @ [20.0, 50.0, 70.0, 40.0, 30.0], 0.0)
    assert tree.parents == ("bus", "drive")


def test_siblings_are_one_group_and_an_inner_meter_is_its_own() -> None:
    assert rover_tree().groups[0] == ("bus", "generator", "array"), "the sources, and the root that only one balance sees"
    assert {len(group) for group in rover_tree().groups} == {1, 2, 3, 4}
    assert ("left", "right") in tree_of(SMALL).groups
    assert ("drive",) in tree_of(SMALL).groups


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"meters": {"a": {"parent": "b"}}}, "is no meter"),
        ({"meters": {"a": {"parent": "b"}, "b": {"parent": "a"}}}, "circle"),
        ({"meters": {"a": {}}}, "no meter has a child"),
        ({"meters": {"a": {}, "b": {"parent": "a", "sign": 0}}}, "neither 1 nor -1"),
        ({"meters": {"a": {}, "b": {"parent": "a", "noise": math.nan}}}, "meters.b.noise"),
        ({"meters": {"a": {}, "b": {"parent": "a", "colour": 1}}}, "unknown key"),
        ({"meter": {}}, "mapping of meters"),
        (None, "mapping of meters"),
    ],
)
def test_trees_that_cannot_be(data: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tree_of(data)


def test_tree_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(yaml.safe_dump(SMALL))
    assert read_tree(tmp_path / "tree.yaml") == tree_of(SMALL)


def test_reconciliation_is_the_constrained_minimum() -> None:
    """Against a general optimiser with the balances as constraints."""
    tree = tree_of(SMALL)
    rng = np.random.default_rng(0)
    z = np.array([20.0, 50.0, 70.0, 40.0, 30.0]) + rng.normal(size=5)
    variance = np.array([0.25, 0.09, 0.04, 0.01, 0.02])
    found = reconcile(tree, z[None], variance[None])
    best = minimize(
        lambda x: float(np.sum((x - z) ** 2 / variance)), z, method="SLSQP", options={"ftol": 1e-14, "maxiter": 500},
        constraints={"type": "eq", "fun": lambda x: tree.balances @ x},
    )  # fmt: skip
    np.testing.assert_allclose(found.values[0], best.x, atol=1e-5)
    assert found.chi2[0] == pytest.approx(best.fun, rel=1e-6)
    np.testing.assert_allclose(tree.balances @ found.values[0], 0.0, atol=1e-12)


def test_misfit_of_a_healthy_tree_is_chi_squared() -> None:
    """Probabilities of many healthy readings are uniform; a tree with less noise than stated would not be."""
    tree = rover_tree()
    rng = np.random.default_rng(1)
    truth = np.zeros((20000, 17))
    variance = np.tile(tree.column("noise") ** 2, (20000, 1))
    found = reconcile(tree, truth + np.sqrt(variance) * rng.normal(size=truth.shape), variance)
    assert set(found.freedom) == {5}
    for level in (0.01, 0.1, 0.5):
        assert np.mean(found.probability < level) == pytest.approx(level, abs=4.0 * math.sqrt(level / 20000))
    error = np.sqrt(np.mean(found.values**2))
    assert error < 0.9 * np.sqrt(np.mean(variance)), "reconciled values are nearer to the truth than the readings"


def test_missing_readings_come_back_where_others_determine_them() -> None:
    tree = tree_of(SMALL)
    exact = np.array([20.0, 50.0, 70.0, 40.0, 30.0])
    one = np.where(np.arange(5) == 3, math.nan, exact)
    both = np.where(np.isin(np.arange(5), (3, 4)), math.nan, exact)
    found = reconcile(tree, np.stack((one, both)))
    np.testing.assert_allclose(found.values[0], exact)
    assert np.isnan(found.values[1][3:]).all(), "their sum is known, but neither of them"
    np.testing.assert_allclose(found.values[1][:3], exact[:3])
    assert list(found.freedom) == [1, 1]
    nothing = reconcile(tree, np.full((1, 5), math.nan))
    assert np.isnan(nothing.probability[0])
    assert np.isnan(nothing.values).all()


def test_what_is_not_metered_loosens_a_balance() -> None:
    tight = tree_of(SMALL)
    loose = tree_of({"meters": {**SMALL["meters"], "bus": {**SMALL["meters"]["bus"], "unmetered": 10.0}}})
    z = np.array([[27.0, 50.0, 70.0, 40.0, 30.0]])
    assert reconcile(tight, z).probability[0] < 1e-6
    assert reconcile(loose, z).probability[0] > 0.1


def test_single_values() -> None:
    assert list(zeros(np.array([0.0, 0.1, 0.0]), 0.0)) == [True, False, True]
    assert not zeros(np.array([0.0]), 0.5).any(), "a meter with a dead band reads 0 rightly"
    power = np.array([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 4.0])
    assert runs(stuck(power)) == [(2, 6)]
    assert not stuck(np.full(9, math.nan)).any()
    assert runs(np.array([True, False, True, True])) == [(0, 0), (2, 3)]


def test_power_against_counter() -> None:
    """A counter that follows the power agrees; one that is scaled, or jumps, does not, at those steps only."""
    t = np.arange(0.0, 50.0)
    power = np.full(50, 40.0)
    energy = np.cumsum(power)
    deviation = np.full(50, 0.1)
    assert not disagreement(t, power, counter_power(t, energy), deviation, 1.0, 100.0).any()
    wrong = power.copy()
    wrong[20:30] = 80.0
    found = np.flatnonzero(disagreement(t, wrong, counter_power(t, energy), deviation, 1.0, 100.0))
    assert list(found) == list(range(21, 30)), "at both ends the load may as well have switched within the step"
    jump = energy + 500.0 * (t >= 10.0)
    assert list(np.flatnonzero(disagreement(t, power, counter_power(t, jump), deviation, 1.0, 100.0))) == [10]
    gap = energy.copy()
    gap[5:8] = math.nan
    assert counter_power(t, gap)[8] == pytest.approx(40.0), "the step goes back over the gap"


def test_issues_go_through_their_file(tmp_path: Path) -> None:
    issues = [Issue("H1.Z16", reason, 1.5e9 + k, 1.5e9 + k + 60.0, comment="made") for k, reason in enumerate(REASONS)]
    (tmp_path / "H1.Z16_issues.yaml").write_text(issue_text(issues))
    back = read_issues(tmp_path / "H1.Z16_issues.yaml")
    assert [(i.meter, i.reason, i.start, i.end, i.comment) for i in back] == [
        (i.meter, i.reason, i.start, i.end, i.comment) for i in issues
    ]
    assert all(issue.correction for issue in back)


def test_issue_times_may_be_text(tmp_path: Path) -> None:
    times = "time_start: '1970-01-02T00:00:00', time_end: '1970-01-02 02:00:00+01:00'"
    (tmp_path / "a.yaml").write_text(f"M@gap@1: {{reason: gap, {times}}}\n")
    (issue,) = read_issues(tmp_path / "a.yaml")
    assert (issue.start, issue.end) == (86400.0, 90000.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("M@gap@1: {reason: broken}", "vocabulary"),
        ("M@gap@1: {time_end: 0}", "before the start"),
        ("M@gap: {}", "is not an issue"),
        ("M@gap@soon: {}", "is no time"),
        ("- 1", "mapping of issues"),
        ("M@gap@1: {colour: red}", "is not an issue"),
    ],
)
def test_issues_that_cannot_be(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=words):
        read_issues(tmp_path / "a.yaml")
