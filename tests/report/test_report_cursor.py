"""The script of the page in a real browser, without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rover_energy.report.columns import read_columns
from rover_energy.report.page import traverse_page

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=3000",
)  # fmt: skip
STEER = """<script>
const slider = document.getElementById("scrub");
slider.value = 250;
slider.dispatchEvent(new Event("input"));
document.getElementById("theme").click();
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome on this machine")
def test_the_slider_moves_every_readout_to_the_nearest_sample(traverse: Any, tmp_path: Path) -> None:
    given = traverse.arguments()
    profile = given.pop("profile")
    html = traverse_page(title="Browser", columns=read_columns(profile), **given)
    (tmp_path / "page.html").write_text(html.replace("</body>", STEER), encoding="utf-8")
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "page.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    moved = [float(left) for left in re.findall(r'class="cursor" style="left: ([0-9.]+)%', dom)]
    assert len(moved) >= 8
    assert len(set(moved)) == 1
    assert moved[0] == pytest.approx(25.0, abs=0.4)  # samples stand a three-hundredth of the time apart, or closer
    sample = round(moved[0] / 100.0 * 13000)
    readings = dict(re.findall(r'<output data-column="([a-z_]+)" data-decimals="\d">([^<]*)</output>', dom))
    for name, scale in (("total_power", 1.0), ("speed", 1.0), ("state_of_charge", 100.0), ("heading", 180.0 / np.pi)):
        assert float(readings[name].replace("−", "-")) == pytest.approx(scale * profile[name][sample], abs=0.06)
    assert re.search(r'<html[^>]*data-theme="dark"', dom)
    assert ">Light</button>" in dom
