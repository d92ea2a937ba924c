"""Reading bags: folder, bare file and SQLite give the same; what is no bag is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from views_cases import RATE, SECONDS, write_bag

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.views.bag import Bag
from rover_energy.views.extras import need


def content(path: Path, **part: float) -> list[tuple[str, int, bytes]]:
    with Bag(path) as bag:
        return [(s.topic, s.time, s.data) for s in bag.samples(**part)]  # type: ignore[arg-type]


def test_three_ways_to_keep_the_same_messages(made_bag: Path, tmp_path: Path) -> None:
    pytest.importorskip("mcap", reason="mcap is not installed")
    whole = content(made_bag)
    (bare,) = made_bag.glob("*.mcap")
    assert len(whole) == 4 * (round(SECONDS * RATE) + 1)
    assert sorted(content(bare)) == sorted(whole)
    assert sorted(content(write_bag(tmp_path / "sql", storage="SQLITE3"))) == sorted(whole)


def test_a_part_is_cut_by_time(made_bag: Path) -> None:
    times = {time for _, time, _ in content(made_bag, start=2.0, duration=1.0)}
    assert times == {round((2.0 + i / RATE) * 1e9) for i in range(RATE)}


def test_what_is_no_bag(made_bag: Path, tmp_path: Path) -> None:
    (bare,) = made_bag.glob("*.mcap")
    half, text, empty, one_bit = tmp_path / "half.mcap", tmp_path / "text.mcap", tmp_path / "empty", tmp_path / "bad"
    half.write_bytes(bare.read_bytes()[: bare.stat().st_size // 2])
    text.write_text("not a bag\n", encoding="utf-8")
    empty.mkdir()
    one_bit.mkdir()
    (one_bit / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}\n", encoding="utf-8")
    for path in (half, text, empty, one_bit, tmp_path / "none"):
        with pytest.raises(InputError) as caught, Bag(path) as bag:
            list(bag.samples())
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_bytes_that_do_not_fit_their_definition(made_bag: Path) -> None:
    from dataclasses import replace

    with Bag(made_bag) as bag:
        sample = next(iter(bag.samples({"/power_state"})))
        assert bag.decode(sample).rtg_power == 76.0
        with pytest.raises(InputError, match="does not fit its definition"):
            bag.decode(replace(sample, data=sample.data[:40]))


def test_a_missing_package_is_named_with_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"Foxglove needs nothing_of_this_name; .*rover-energy\[views\]"):
        need("nothing_of_this_name.part", "Foxglove")
