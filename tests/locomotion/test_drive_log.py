"""Logs and windows: CSV in, averages by hand, what is refused and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rover_energy.errors import InputError
from rover_energy.locomotion.drive_log import DriveLog, average_windows, read_csv_log

HEADER = "t,speed,yaw_rate,along_slope,power\n"


def log(n: int = 61, **changes: object) -> DriveLog:
    t = np.arange(n) * 0.1
    one = np.ones(n)
    values = {
        "name": "a", "t": t, "speed": 0.4 * one, "yaw_rate": 0.1 * np.sign(np.sin(t * 20.0) + 1e-9), "along_slope": 0.1 * one,
        "acceleration": 0.0 * one, "signal": 50.0 * one, "quantity": "power", "usable": np.ones(n, dtype=bool), **changes,
    }  # fmt: skip
    return DriveLog(**values)  # type: ignore[arg-type]


def test_averages_by_hand() -> None:
    windows = average_windows([log()], seconds=3.0)
    assert len(windows) == 2
    assert windows.rejected == 1  # the single sample at 6.0 s
    assert windows.grade == pytest.approx([np.sin(0.1)] * 2)
    assert windows.speed_grade == pytest.approx([0.4 * np.sin(0.1)] * 2)
    assert windows.turning == pytest.approx([0.1, 0.1])
    assert np.all(windows.net_turning < 0.05)


@pytest.mark.parametrize("spoil", ["usable", "speed", "nan", "gap"])
def test_one_bad_sample_costs_its_window_and_no_other(spoil: str) -> None:
    good = log()
    usable, speed, signal, t = good.usable.copy(), good.speed.copy(), good.signal.copy(), good.t.copy()
    if spoil == "usable":
        usable[10] = False
    elif spoil == "speed":
        speed[10] = 0.01
    elif spoil == "nan":
        signal[10] = np.nan
    else:
        t = np.concatenate((t[:10], t[10:] + 0.45))
    windows = average_windows([log(usable=usable, speed=speed, signal=signal, t=t)], seconds=3.0)
    assert len(windows) == 1


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_is_split_by_run_and_missing_cells_are_counted(tmp_path: Path) -> None:
    rows = ["run,power,along_slope,yaw_rate,speed,t", "a,50,0.1,0,0.4,0", "a,,0.1,0,0.5,1", "a,60,0.1,0,0.6,2", "b,70,0,0,0.4,0"]
    text = "\n".join([*rows, "b,70,0,0,0.4,1", ""])
    first, second = read_csv_log(write(tmp_path / "log.csv", text))
    assert (first.name, second.name) == ("a", "b")
    assert first.usable.tolist() == [True, False, True]
    assert first.dropped == {"empty cells": 1}
    assert first.acceleration == pytest.approx([0.1, 0.1, 0.1])
    assert second.quantity == "power"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("t,speed,yaw_rate,along_slope\n0,1,0,0\n", "power or current missing"),
        ("t,speed,yaw_rate,power\n0,1,0,0\n", "along_slope missing"),
        ("", "missing"),
        (HEADER + "0,1,0,0,5\n1,one,0,0,5\n", "line 3, speed = 'one'"),
        (HEADER + "0,1,0,0,5\n0,1,0,0,5\n", "does not ascend"),
        (HEADER + "0,1,0,0,5\n", "fewer than 2"),
    ],
)
def test_bad_csv_is_refused_in_one_line(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        read_csv_log(write(tmp_path / "log.csv", text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        read_csv_log(tmp_path / "nowhere.csv")


def test_no_logs_at_all() -> None:
    with pytest.raises(InputError, match="no log"):
        average_windows([])
