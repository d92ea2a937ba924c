"""The Rerun recording, read back value by value, and opened in the web viewer."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import BROWSER, page
from views_cases import BASE, INFERENCE, RATE, SECONDS, drive_power, hill, place

from rover_energy.rover import RoverParameters
from rover_energy.telemetry.recording import Recording
from rover_energy.views.series import collect
from rover_energy.views.signals import SIGNALS

pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'rover-energy[views]'")

from rover_energy.views.rerun_recording import TIMELINE, entity, write_recording

COUNT = round(SECONDS * RATE) + 1


@pytest.fixture(scope="module")
def recording(made_bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rerun") / "drive.rrd"
    bag = Recording(made_bag)
    write_recording(path, collect(bag), terrain=hill(), rover=RoverParameters(), name="made")
    return path


def columns(path: Path) -> dict[str, dict[str, list[Any]]]:
    """Values by entity and column."""
    from rerun.chunk import RrdReader

    found: dict[str, dict[str, list[Any]]] = {}
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        kept = found.setdefault(chunk.entity_path, {})
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            is_time = str(column.type).startswith("duration")
            kept.setdefault(name, []).extend((column.cast("int64") if is_time else column).to_pylist())
    return found


def test_values_come_back(recording: Path) -> None:
    found = columns(recording)
    drive = next(s for s in SIGNALS if s.path == "loads[name=drive].power")
    series = found[f"/{entity(drive)}"]
    times = 1e-9 * np.array(series[TIMELINE])
    assert len(times) == COUNT
    values = [row[0] for row in series["Scalars:scalars"] if row]
    assert values == pytest.approx([drive_power(t) for t in times])
    total = found["/charts/power/total_load"]
    expected = [BASE + INFERENCE + drive_power(t) for t in times]
    assert [row[0] for row in total["Scalars:scalars"] if row] == pytest.approx(expected)
    rover = found["/world/rover"]
    places = [row[0] for row in rover["Transform3D:translation"] if row]
    assert np.array(places) == pytest.approx(np.array([place(1e-9 * t) for t in rover[TIMELINE] if t is not None]), abs=1e-4)


def test_ground_and_route_are_there(recording: Path) -> None:
    found = columns(recording)
    assert len(found["/world/ground"]["Mesh3D:vertex_positions"][0]) == 31 * 31
    strips = found["/world/route"]["LineStrips3D:strips"][0]
    ends = np.array([strips[0][0], strips[-1][-1]])
    lift = np.array([0.0, 0.0, 0.05])
    assert ends == pytest.approx(np.array([place(0.0), place(SECONDS)]) + lift, abs=1e-4)
    assert len(found["/world/route"]["LineStrips3D:colors"][0]) == len(strips)


def viewer() -> str:
    import rerun_cli

    return str(Path(rerun_cli.__file__).parent / "rerun")


def test_rerun_itself_accepts_the_file(recording: Path) -> None:
    done = subprocess.run([viewer(), "rrd", "verify", str(recording)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("ROVER_ENERGY_SLOW") != "1", reason="takes half a minute; set ROVER_ENERGY_SLOW=1")
@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine")
def test_the_web_viewer_draws_it(recording: Path, tmp_path: Path) -> None:
    """Ground, route and charts leave their colours in the picture; next to no colours would mean that nothing was drawn."""
    pytest.importorskip("websockets", reason="websockets is not installed")
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed")
    log = tmp_path / "viewer.txt"
    ports = 20000 + os.getpid() % 20000
    line = [viewer(), str(recording), "--serve-web", "--renderer", "webgl"]
    line += ["--web-viewer-port", str(ports), "--port", str(ports + 1)]
    with log.open("wb") as out:
        process = subprocess.Popen([*line, "--bind", "127.0.0.1"], stdout=out, stderr=out)
    try:
        until = time.monotonic() + 30.0
        while "Hosting a web-viewer" not in log.read_text(errors="replace"):
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < until, log.read_text(errors="replace")
            time.sleep(0.2)
        address = f"http://127.0.0.1:{ports}/?url=rerun%2Bhttp://127.0.0.1:{ports + 1}/proxy&renderer=webgl"
        with page(tmp_path, address) as opened:
            for _ in range(12):
                time.sleep(4.0)
                opened.picture(tmp_path / "view.png")
                seen = set(map(tuple, (255 * image.imread(tmp_path / "view.png")[..., :3]).round().astype(int).reshape(-1, 3)))
                if len(seen) > 3000:
                    break
    finally:
        process.terminate()
        process.wait(10)
    assert len(seen) > 3000, "the viewer has drawn next to nothing"
    lines = {tuple(int(s.colour[i : i + 2], 16) for i in (1, 3, 5)) for s in SIGNALS}
    near = [c for c in lines if any(max(abs(a - b) for a, b in zip(c, p, strict=True)) <= 6 for p in seen)]
    assert len(near) >= 4, f"only {near} of the charts' colours are seen"
    assert not re.search(r"panicked|ERROR", log.read_text(errors="replace"))
