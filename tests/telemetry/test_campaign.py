"""Many bags: finding them, naming them, and a Dask cluster that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bag_cases import small_entries, write_mcap, write_rosbag

from rover_energy.errors import InputError
from rover_energy.telemetry.campaign import Job, find_bags, names_of, run_campaign


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("season")
    for day in ("a", "b"):
        write_rosbag(root / day / "deep" / "run", small_entries(12))
    (root / "c").mkdir()
    write_mcap(root / "c" / "bare.mcap", small_entries(8))
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no bag", encoding="utf-8")
    return root


def test_bags_are_found_once_and_named_apart(season: Path) -> None:
    found = find_bags([season, season / "a" / "deep" / "run"])
    assert [p.relative_to(season).as_posix() for p in found] == ["a/deep/run", "b/deep/run", "c"]
    names = names_of(found)
    assert len(set(names)) == 3
    with pytest.raises(InputError, match=r"holds no \.mcap"):
        find_bags([season / "notes"])


def write(path: Path, job: Job, folder: Path, name: str) -> dict[str, Any]:
    """The audit alone, for a campaign without pages."""
    return job.audit(path, None, name)


@pytest.mark.timeout(60)
def test_a_cluster_that_is_there_is_used_by_its_address(season: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'rover-energy[audit]'")
    paths = find_bags([season])
    alone = run_campaign(paths, Job(tables=False), tmp_path / "alone", write, workers=1)
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(protocol="tcp", **options) as cluster:
        rows = run_campaign(paths, Job(tables=False), tmp_path / "shared", write, cluster=cluster.scheduler_address)
        assert cluster.scheduler.transition_counter > 0, "the work went elsewhere"
    assert repr(rows) == repr(alone)
    assert [row["messages"] for row in rows] == [12, 12, 8]


def test_a_cluster_that_does_not_answer_is_refused_in_one_line(season: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="dask is not installed: pip install 'rover-energy[audit]'")
    with pytest.raises(InputError, match="--dask"):
        run_campaign(find_bags([season]), Job(), tmp_path, write, cluster="nowhere://x")
