"""plan.json and profile.csv: exact round trip, and one line for every way in which a file can be wrong."""

from __future__ import annotations

import json

import numpy as np
import plan_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rover_energy.errors import InputError
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.plan_file import (
    PROFILE_COLUMNS,
    Plan,
    plan_from_mapping,
    read_plan,
    read_profile,
    write_plan,
    write_profile,
)
from rover_energy.planning.trajectory import Trajectory

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def trajectories(draw):
    pieces = draw(st.integers(1, 4))

    def table():
        return draw(hnp.arrays(float, (pieces, draw(st.integers(1, 5))), elements=FINITE))

    start = draw(hnp.arrays(float, 3, elements=FINITE))
    durations = draw(hnp.arrays(float, pieces, elements=st.floats(1e-300, 1e300)))
    kind = draw(st.sampled_from(["unicycle", "flat", "flat with heading"]))
    if kind == "unicycle":
        return Trajectory("unicycle", start, durations, heading=table(), speed=table())
    return Trajectory("flat", start, durations, x=table(), y=table(), heading=table() if kind != "flat" else None)


@settings(max_examples=60, deadline=None)
@given(trajectory=trajectories())
def test_round_trip_is_exact(tmp_path_factory, trajectory):
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    facts = {"limits": {"speed": 0.1}, "rover": {"name": "r"}, "certificate": {"passed": True}, "solver": {"time": 0.01}}
    write_plan(path, Plan(trajectory, status="solved", extra={"note": [1, None]}, **facts))
    plan = read_plan(path)
    for name in ("start", "durations", "heading", "speed", "x", "y"):
        written, back = getattr(trajectory, name), getattr(plan.trajectory, name)
        assert (written is None) == (back is None)
        assert written is None or np.array_equal(written, back)
    assert plan.status == "solved"
    assert plan.extra == {"note": [1, None]}
    assert {name: getattr(plan, name) for name in facts} == facts


def test_shorter_rows_are_filled_with_zeros():
    pieces = [{"duration": 1, "heading": [0], "speed": [1, 2]}, {"duration": 2.0, "heading": [0, 1, 2], "speed": [3]}]
    plan = plan_from_mapping({"kind": "unicycle", "start": [0, 0, 0], "pieces": pieces})
    assert plan.trajectory.heading.tolist() == [[0, 0, 0], [0, 1, 2]]
    assert plan.trajectory.speed.tolist() == [[1, 2], [3, 0]]


def good():
    return {
        "kind": "unicycle",
        "start": [0.0, 0.0, 0.0],
        "pieces": [{"duration": 1.0, "heading": [0.0], "speed": [1.0]}, {"duration": 1.0, "heading": [0.0], "speed": [1.0]}],
    }


def change(path, value):
    def apply(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return apply


def remove(*path):
    def apply(data):
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return apply


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (remove("kind"), "kind"),
        (remove("start"), "start"),
        (remove("pieces"), "pieces"),
        (remove("pieces", 1, "duration"), "pieces[1].duration"),
        (remove("pieces", 0, "speed"), "pieces[0].speed"),
        (remove("pieces", 1, "heading"), "pieces[1].heading"),
        (change(["kind"], "quintic"), "kind"),
        (change(["start"], [0, 0]), "start"),
        (change(["start"], [0, 0, True]), "start"),
        (change(["start"], "origin"), "start"),
        (change(["pieces"], []), "pieces"),
        (change(["pieces"], {}), "pieces"),
        (change(["pieces", 0], 3), "pieces[0]"),
        (change(["pieces", 0, "duration"], 0.0), "pieces[0].duration"),
        (change(["pieces", 0, "duration"], -1.0), "pieces[0].duration"),
        (change(["pieces", 1, "duration"], "1 s"), "pieces[1].duration"),
        (change(["pieces", 1, "duration"], 10**400), "pieces[1].duration"),
        (change(["pieces", 1, "speed"], []), "pieces[1].speed"),
        (change(["pieces", 1, "speed"], [None]), "pieces[1].speed"),
        (change(["pieces", 1, "speeds"], [1.0]), "pieces[1].speeds"),
        (change(["pieces", 1, "x"], [1.0]), "pieces[1].x"),
        (change(["kind"], "flat"), "pieces[0].speed"),
        (change(["status"], 7), "status"),
        (change(["limits"], [1]), "limits"),
    ],
)
def test_wrong_plans_are_refused_in_one_line(tmp_path, spoil, field):
    data = good()
    spoil(data)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_plan(path)
    assert caught.value.field == field
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_heading_must_be_in_all_pieces_or_none():
    data = {"kind": "flat", "start": [0, 0, 0], "pieces": [{"duration": 1, "x": [0], "y": [0]} for _ in range(2)]}
    data["pieces"][1]["heading"] = [0.0]
    with pytest.raises(InputError, match=r"pieces\[1\]\.heading"):
        plan_from_mapping(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"kind": "unicycle", "kind": "flat"}',
        '{"kind": "unicycle", "start": [NaN, 0, 0]}',
        '{"kind": "unicycle", "start": [1e999, 0, 0], "pieces": []}',
        '{"kind": "unicycle", "start": [Infinity, 0, 0]}',
        "[" * 100000,
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_plan(path)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_plan(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_plan(tmp_path / "binary.json")


def test_nan_is_never_written(tmp_path):
    path = tmp_path / "plan.json"
    with pytest.raises(InputError):
        write_plan(path, Plan(cases.straight(), solver={"time": float("nan")}))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="directory"):
        write_plan(tmp_path / "no" / "plan.json", Plan(cases.straight()))


def profile():
    surface = cases.plane(0.05)
    world = cases.straight(), surface, cases.sunny(), cases.rover(), cases.mission()
    return evaluate_plan(*world, np.linspace(0, 20, 101)).columns()


def test_profile_round_trip(tmp_path):
    columns = profile()
    write_profile(tmp_path / "profile.csv", columns)
    header = (tmp_path / "profile.csv").read_text().splitlines()[0].split(",")
    assert tuple(header[: len(PROFILE_COLUMNS)]) == PROFILE_COLUMNS
    back = read_profile(tmp_path / "profile.csv")
    assert set(back) == set(columns)
    for name, values in columns.items():
        np.testing.assert_allclose(back[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_wrong_profiles_are_refused(tmp_path):
    columns = profile()
    path = tmp_path / "profile.csv"
    with pytest.raises(InputError, match="column is missing"):
        write_profile(path, {name: values for name, values in columns.items() if name != "tilt"})
    with pytest.raises(InputError, match="speed"):
        write_profile(path, {**columns, "speed": columns["speed"][1:]})
    write_profile(path, columns)
    lines = path.read_text().splitlines()
    spoilt = {
        "tilt": [lines[0].replace("tilt", "pitch"), *lines[1:]],
        "line 3": [*lines[:2], lines[2] + ",1", *lines[3:]],
        "line 2": [lines[0], lines[1].replace("0", "x", 1), *lines[2:]],
        "line 4": [*lines[:3], "nan" + lines[3][lines[3].index(",") :], *lines[4:]],
        "rows": lines[:1],
    }
    for field, text in spoilt.items():
        path.write_text("\n".join(text), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_profile(path)
        assert caught.value.field == field
