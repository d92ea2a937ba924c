"""`rover-energy infer`: tables, stores, a part of a sol, footprints; what is wrong is said in one line with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_cases import rover_energy

STORE = """format: 1
variants:
- {name: a, task: t, quality: 0.9, energy: 1.0, energy_high: 1.5, energy_provenance: measured}
- {name: b, task: t, quality: 0.8, energy: 2.0, energy_high: 2.5, energy_provenance: cpu_time_model}
- {name: c, task: u}
"""


def test_table_of_chosen_systems() -> None:
    done = rover_energy("infer", "table", "footprint", "--seeds", "4,5", "--json")
    assert done.code == 0
    assert done.json["seeds"] == [4, 5]
    assert {f["system"] for f in done.json["figures"]} == {"Green Algorithms", "Counting Carbon", "water"}
    assert all(f["reached"] for f in done.json["figures"])
    assert "Counting Carbon" in rover_energy("infer", "table", "footprint").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("table", "magic"), "system = 'magic': is unknown; use some of grants, cascade"),
        (("table", "footprint", "--seeds", "a"), "is not a list of whole numbers"),
        (("table", "footprint", "--seeds", "1,1"), "holds a seed twice"),
        (("sol", "--share", "nan"), "--share = nan"),
        (("sol", "--hours", "1e9"), "--hours"),
        (("store", "none.yaml"), "none.yaml: file"),
        (("footprint", "none.yaml"), "none.yaml: file"),
    ],
)
def test_usage(words: tuple[str, ...], said: str) -> None:
    done = rover_energy("infer", *words)
    assert done.code == 2
    assert len(done.lines) == 1
    assert said in done.err


def test_store_is_listed_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(STORE, encoding="utf-8")
    done = rover_energy("infer", "store", path)
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines()[1:]}
    assert rows["a"].endswith("yes")
    assert not rows["b"].endswith("yes"), "a is better and cheaper"
    assert "unmetered" in rows["c"]
    assert [v["name"] for v in rover_energy("infer", "store", path, "--task", "u", "--json").json["variants"]] == ["c"]
    path.write_text(STORE.replace("0.9", "9.0"), encoding="utf-8")
    done = rover_energy("infer", "store", path)
    assert done.code == 2
    assert "variants[a].quality = 9.0" in done.err


def test_a_part_of_a_sol() -> None:
    done = rover_energy("infer", "sol", "--seed", "3", "--hours", "1", "--json")
    assert done.code == 0
    facts = done.json
    assert facts["violations"] == 0
    assert 50.0 < facts["worth_of_bound_percent"] <= 100.0
    assert facts["deferrable_on_surplus_percent"] is None, "there is no surplus at midnight"


def test_footprint_names_its_constants(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    entry = "{name: small, seconds: 3600, cores: 4, core_power: 1.6, memory: 4, pue: 1.0}"
    path.write_text(f"computations: [{entry}]", encoding="utf-8")
    done = rover_energy("infer", "footprint", path)
    assert done.code == 0
    assert "0.00789" in done.out
    assert "constants v3.0" in done.out
    assert "CC BY 4.0" in done.out
    assert rover_energy("infer", "footprint", path, "--constants", "v9").code == 2
    path.write_text("computations: [{seconds: .nan}]", encoding="utf-8")
    done = rover_energy("infer", "footprint", path)
    assert (done.code, "computations[0].seconds = nan" in done.err) == (2, True)
