"""Lines for slow links: never more bytes than the link carries, alarms first, and both ends agree to the resolution."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views_cases import Maker

from rover_energy.views.beacon import BY_LETTER, FIELDS, Beacon, decode, written
from rover_energy.views.status import Status


def drive(seconds: float, rate: float, look: float = 0.5) -> tuple[list[tuple[float, str]], Status]:
    make, status, beacon, lines = Maker(), Status(), Beacon(rate), []
    for i in range(round(seconds / look)):
        t = look * i
        status.add("power_state", make.power(t), round(t * 1e9))
        status.add("odom", make.odometry(t), round(t * 1e9))
        line = beacon.line(status, t)
        if line:
            lines.append((t, line))
    return lines, status


@pytest.mark.parametrize("rate", [1.0, 5.0, 50.0])
def test_no_stretch_of_time_carries_more_than_the_link(rate: float) -> None:
    lines, _ = drive(300.0, rate)
    for i, (begin, _) in enumerate(lines):
        for j in range(i, len(lines)):
            carried = sum(len(line) for _, line in lines[i : j + 1])
            assert carried <= rate * (lines[j][0] - begin) + 80.0 + 1e-9
    assert all(line.isascii() and line.endswith("\n") and len(line) <= 80 for _, line in lines)


def test_the_other_end_knows_the_state() -> None:
    """With 20 B/s the reader is never further off than what changes in three seconds, plus the resolution."""
    lines, status = drive(120.0, 20.0)
    values, alarm = decode("".join(line for _, line in lines))
    assert alarm == ""
    assert set(values) == set(BY_LETTER)
    for field in FIELDS:
        now = field.value(status)
        slack = {"m": 90.0, "p": 90.0, "x": 1.2, "y": 0.9}.get(field.letter, 0.0)
        told = values[field.letter]
        assert (math.isnan(told) and math.isnan(now)) or abs(told - now) <= slack + field.resolution


def test_no_field_starves() -> None:
    lines, _ = drive(600.0, 5.0)
    for letter in "mbpxy":
        times = [t for t, line in lines if f"{letter}" in [word[0] for word in line[1:].split()] and line[0] in "=+"]
        assert max(b - a for a, b in itertools.pairwise(times)) < 60.0, letter


def test_an_alarm_goes_first_and_its_end_too() -> None:
    make, status, beacon = Maker(), Status(), Beacon(2.0)
    status.add("odom", make.odometry(0.0), 0)
    assert beacon.line(status, 0.0) == "!NO POWER DATA\n"
    status.add("power_state", make.power(0.1), 10**8)
    assert beacon.line(status, 0.1) == "!OK\n"
    status.add("power_state", make.power(0.2, over=300.0), 2 * 10**8)
    line = beacon.line(status, 0.2)
    assert line.startswith("!OVER")
    assert decode(line)[1].startswith("OVER")
    status.add("power_state", make.power(0.3), 3 * 10**8)
    assert beacon.line(status, 0.3) == "!OK\n"


@given(st.floats(-1e4, 1e4), st.sampled_from([field.resolution for field in FIELDS]))
def test_numbers_are_read_back_to_their_resolution(value: float, resolution: float) -> None:
    text = written(value, resolution)
    assert abs(float(text) - value) <= 0.5 * resolution + 1e-9
    assert " " not in text


def test_what_is_not_known_says_so() -> None:
    assert written(math.nan, 1.0) == written(math.inf, 1.0) == "?"
    values, _ = decode("=m? b61.5\n+b62\n")
    assert math.isnan(values["m"])
    assert values["b"] == 62.0


@pytest.mark.parametrize("text", ["hello\n", "=q5\n"])
def test_other_lines_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a line|unknown field"):
        decode(text)
