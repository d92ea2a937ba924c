"""`rover-energy audit` as typed: files, exit codes, many bags, SQL over them, the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import rover_energy

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'rover-energy[audit]'")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "telemetry"))  # the bags of the tests of telemetry

from bag_cases import write_rosbag
from test_run_audit import drive_entries

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rosbag(tmp_path_factory.mktemp("bags") / "night", drive_entries()[0], per_chunk=40)


def test_a_whole_bag(bag: Path, tmp_path: Path) -> None:
    done = rover_energy("audit", bag, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.json["verdict"] == "clean"
    audit = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert done.json["energy_J"] == audit["energy"]["consumed_J"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"audit.json", "report.html", "tables"}

    import pyarrow.parquet as parquet

    power = parquet.read_table(tmp_path / "out" / "tables" / "power.parquet")
    assert power.num_rows == 500
    assert parquet.read_table(tmp_path / "out" / "tables" / "loads.parquet").num_rows == 1000
    assert set(power.column("bag").to_pylist()) == {"night"}


def test_the_page_needs_nothing_from_anywhere_and_shows_the_figures(bag: Path, tmp_path: Path) -> None:
    (bag / "rover.png").write_bytes(PIXEL)
    try:
        assert rover_energy("audit", bag, "--out", tmp_path / "out").code == 0
    finally:
        (bag / "rover.png").unlink()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "data:image/png;base64," in page
    audit = json.loads((tmp_path / "out" / "audit.json").read_text(encoding="utf-8"))
    assert f"{audit['compliance']['peak_W']:.4g}" in page
    assert 'id="sankey"' in page
    assert page.count("<section") == page.count("</section>") == 9


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine")
def test_the_page_runs_in_a_browser(bag: Path, tmp_path: Path) -> None:
    """Moving over a chart moves the cursor of all and changes the readings."""
    assert rover_energy("audit", bag, "--out", tmp_path / "out").code == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    steer = """<script>
const box = document.querySelector("[data-time]").getBoundingClientRect();
const there = {clientX: box.left + 0.25 * box.width, clientY: box.top};
document.querySelector("[data-time]").dispatchEvent(new PointerEvent("pointermove", there));
document.getElementById("theme").click();
</script></body>"""
    path = tmp_path / "steered.html"
    path.write_text(page.replace("</body>", steer), encoding="utf-8")
    words = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--virtual-time-budget=3000",
        "--dump-dom",
    ]
    shown = subprocess.run([*words, path.as_uri()], capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.search(r'data-theme="(dark|light)"', shown)
    places = [float(v) for v in re.findall(r'class="cursor" style="left: ([\d.]+)%', shown)]
    assert places
    assert all(place == pytest.approx(25.0, abs=0.5) for place in places)


def test_a_cut_bag_ends_with_3_and_says_what_is_lost(bag: Path, tmp_path: Path) -> None:
    data = (bag / "night.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: len(data) // 2])
    done = rover_energy("audit", cut, "--out", tmp_path / "out")
    assert done.code == 3
    assert "done with loss" in done.err
    assert "The bag is damaged." in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_broken_limit_ends_with_1(tmp_path: Path) -> None:
    bag = write_rosbag(tmp_path / "over", drive_entries(over=20.0)[0])
    done = rover_energy("audit", bag, "--out", tmp_path / "out")
    assert done.code == 1
    assert "a limit of power or energy was broken" in done.err
    assert "Limits were broken" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("map.yaml", "wings: /flap\n", "unknown key"),
        ("map.yaml", "battery: {topic: /a, scale: nan}\n", "is not a number"),
        ("map.yaml", "battery: {topic: /a}\nvoltage: {topic: /a}\n", "has a role already"),
        ("map.yaml", "limits: {floor: 80}\n", "is not within 0 .. 1"),
    ],
)
def test_mapping_files_that_cannot_be_used(bag: Path, tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    done = rover_energy("audit", bag, "--out", tmp_path / "out", "--map", tmp_path / name)
    assert done.code == 2
    assert len(done.lines) == 1
    assert told in done.err


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path, tmp_path / "a.txt"):
        if path.suffix:
            path.write_text("x", encoding="utf-8")
        done = rover_energy("audit", path, "--out", tmp_path / "out")
        assert (done.code, len(done.lines)) == (2, 1), done.err


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bags in two folders on a local Dask cluster: whole, over a limit, cut, and one that is none."""
    pytest.importorskip("distributed", reason="dask is not installed: pip install 'rover-energy[audit]'")
    pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'rover-energy[audit]'")
    root = tmp_path_factory.mktemp("field")
    write_rosbag(root / "day1" / "run", drive_entries(200)[0])
    write_rosbag(root / "day2" / "run", drive_entries(300, over=20.0)[0])
    cut = write_rosbag(root / "day2" / "cut", drive_entries(200)[0], per_chunk=20) / "cut.mcap"
    cut.write_bytes(cut.read_bytes()[:9000])
    (root / "day2" / "none").mkdir()
    (root / "day2" / "none" / "none.mcap").write_bytes(b"not a bag at all" * 30)
    done = rover_energy("audit", root, "--out", root / "out", "--json", "--workers", "2")
    assert done.code == 3, done.err
    assert {k: done.json[k] for k in ("bags", "clean", "broken", "lost", "failed")} == {
        "bags": 4, "clean": 1, "broken": 1, "lost": 1, "failed": 1,
    }  # fmt: skip
    return root


@pytest.mark.timeout(120)
def test_many_bags_become_an_archive_that_sql_can_query(archive: Path) -> None:
    import duckdb

    with duckdb.connect(str(archive / "out" / "archive.duckdb"), read_only=True) as base:
        rows = dict(base.execute("SELECT verdict, energy_J FROM runs").fetchall())
        sums = dict(base.execute(
            "SELECT p.bag, sum(p.total_power) * 0.02 FROM power p JOIN runs r USING (bag) "
            "WHERE r.verdict = 'broken' AND t > 0.001 GROUP BY 1"
        ).fetchall())  # fmt: skip
        drive = base.execute("SELECT count(*), max(power) FROM loads WHERE load = 'drive' AND bag LIKE 'day1%'").fetchone()
    assert set(rows) == {"clean", "broken", "lost", "failed"}
    assert list(sums.values()) == [pytest.approx(rows["broken"], rel=1e-9)]
    assert drive == (200, pytest.approx(70.0, abs=0.01))
    assert {p.name for p in (archive / "out" / "bags").iterdir()} >= {"day1_run", "day2_run", "day2_cut"}
