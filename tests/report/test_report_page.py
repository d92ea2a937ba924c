"""The page of a traverse: sound HTML, nothing fetched, everything on it, the numbers those of the input."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import describe
from rover_energy.report import extras, figures, page, route_map, write_report
from rover_energy.report.columns import OPTIONAL, REQUIRED, read_columns
from rover_energy.report.palette import COLOURS, QUANTITIES, css_variables
from rover_energy.rover import RoverParameters

VOID = {"meta", "link", "input", "br", "img", "hr"}
LOADING = ("src", "href", "xlink:href", "srcset", "action", "poster", "data")


class Checker(HTMLParser):
    """Checks nesting and collects what a browser would load, ids, and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.styles: list[str] = []
        self.outputs: dict[str, list[str]] = {}
        self._column = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADING:
                self.loads.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "style":
                self.styles.append(value or "")
        self._column = dict(attrs).get("data-column") or "" if tag == "output" else ""
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> closes another element, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        if self.stack[-1:] == ["style"]:
            self.styles.append(data)
        elif self.stack[-1:] != ["script"]:
            self.words.append(data)
        if self._column:
            self.outputs.setdefault(self._column, []).append(data)
            self._column = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split()).replace("−", "-")


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.stack == []
    assert len(checker.ids) == len(set(checker.ids))
    assert all(load.startswith(("data:", "#")) for load in checker.loads)
    for style in checker.styles:
        assert "@import" not in style
        assert all(url.startswith(("data:", "#")) for url in re.findall(r"url\(['\"]?([^)'\"]*)", style))
    assert html.startswith("<!doctype html>")
    return checker


def page_of(made: Any, title: str = "Test traverse", **changes: Any) -> str:
    given = {**made.arguments(), **changes}
    profile = given.pop("profile")
    return page.traverse_page(title=title, columns=read_columns(profile), **given)


@pytest.fixture(autouse=True)
def _coarse_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures: these tests are about the page around them."""
    monkeypatch.setattr(route_map, "PIXELS", 240)
    monkeypatch.setattr(figures, "DPI", 40)


@pytest.fixture(scope="module", name="html")
def html_fixture(traverse: Any) -> str:
    return page_of(traverse)


def embedded(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found.group(1))
    return data


def test_the_page_is_sound_and_needs_no_network(html: str) -> None:
    checker = check(html)
    script = html.split("<script>")[1]
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|WebSocket|https?:", script)
    assert {"map", "chart-loads", "chart-limits", "chart-sources", "chart-battery", "certificate", "parameters"} <= set(
        checker.ids
    )
    assert len(html) < 3_000_000


def test_every_column_is_read_out_or_embedded(html: str, traverse: Any) -> None:
    data, checker = embedded(html), check(html)
    assert set(REQUIRED) | set(OPTIONAL) | {"margin", "height"} == set(data["columns"])
    hidden = {"x", "y"}  # these are the map itself
    assert set(REQUIRED) | set(OPTIONAL) - hidden <= set(checker.outputs) | hidden
    for name in set(REQUIRED) & set(checker.outputs):
        assert QUANTITIES[name].label or name in checker.text


def test_embedded_values_are_the_input_and_keep_its_peaks(html: str, traverse: Any) -> None:
    table = embedded(html)["columns"]
    t = np.array(table["t"])
    index = np.rint(t / 0.01).astype(int)
    np.testing.assert_allclose(t, traverse.profile["t"][index], atol=6e-4)
    for name in REQUIRED + OPTIONAL:
        shown, true = np.array(table[name], dtype=float), np.asarray(traverse.profile[name]) * QUANTITIES[name].scale
        np.testing.assert_allclose(shown, true[index], atol=0.051 if name != "x" else 0.0051)
        assert shown.max() == pytest.approx(true.max(), abs=0.051)
        assert shown.min() == pytest.approx(true.min(), abs=0.051)


def test_the_cursor_rests_at_the_least_margin(html: str, traverse: Any) -> None:
    worst = int(np.argmin(traverse.profile["available_power"] - traverse.profile["total_power"]))
    outputs, data = check(html).outputs, embedded(html)
    assert data["columns"]["t"][data["rest"]] == pytest.approx(traverse.profile["t"][worst], abs=6e-4)
    assert {float(v) for v in outputs["total_power"]} == {round(float(traverse.profile["total_power"][worst]), 1)}
    assert float(outputs["speed"][0]) == pytest.approx(traverse.profile["speed"][worst], abs=6e-4)


def test_headline_figures_equal_the_input(html: str, traverse: Any) -> None:
    text, profile = check(html).text, traverse.profile
    peak = profile["total_power"].max()
    assert f"Peak power {peak:.1f} W" in text
    assert f"{np.hypot(np.diff(profile['x']), np.diff(profile['y'])).sum():.4g} m" in text
    assert "2 min 10 s" in text
    assert f"Energy used {np.mean(profile['total_power']) * 130.0 / 1000.0:.2f} kJ" in text
    assert f"{100 * profile['state_of_charge'][-1]:.3g} %" in text


def test_every_check_appears_with_its_numbers(html: str, traverse: Any) -> None:
    text = check(html).text
    assert "✓ Certificate passed. All 5 checks hold, sampled every 10 ms (13001 samples)." in text
    for row in traverse.certificate["checks"]:
        assert row["name"].replace("_", " ").capitalize() in text
    for shown in ("0.17453 rad", "0.2618 rad", "0.55321", "2.3e-5 m", "0.001 m", "1e-6", "0.031 W"):
        assert shown in text
    assert text.count("✓ passed") == 5
    assert "41.23 kJ" in text


def test_every_parameter_appears_with_value_and_unit(html: str, traverse: Any) -> None:
    text = check(html).text
    for kind in (RoverParameters, MissionParameters):
        for row in describe(kind):
            assert row["name"].split(".")[-1] in text
            assert row["description"].replace("−", "-") in text
    assert "drivetrain_efficiency 0.6" in text
    assert "mass 200 kg" in text
    assert "fatrop" in text
    assert "Solver stages search" in text


@pytest.mark.parametrize("samples", [2, 7])
def test_few_samples(make_traverse: Any, samples: int, tmp_path: Path) -> None:
    files = write_report(tmp_path, title="Few", **make_traverse(samples=samples).arguments())
    check(files.html.read_text(encoding="utf-8"))
    assert all(path.stat().st_size > 2_000 for path in files.pictures.values())


def test_standing_still(make_traverse: Any) -> None:
    made = make_traverse(samples=50)
    still = {name: np.full(50, 7.0) for name in ("x", "y")} | {
        name: np.zeros(50) for name in ("speed", "yaw_rate", "acceleration")
    }
    assert "drives 0 m" in check(page_of(made, profile={**made.profile, **still})).text


def test_no_battery_is_said(make_traverse: Any) -> None:
    text = check(page_of(make_traverse(samples=500, battery=False))).text
    assert "No battery on this rover" in text
    assert "Battery none" in text
    assert "not finite" not in text


def test_a_failed_certificate_is_loud(make_traverse: Any) -> None:
    text = check(page_of(make_traverse(samples=500, passed=False))).text
    assert "✕ Certificate failed. 1 of 5 checks do not hold" in text
    assert "Total power." in text
    assert text.count("✕ failed") == 1
    assert "✓ Certificate passed" not in text


@pytest.mark.parametrize("passed", [None, "yes", 1, float("nan")])
def test_only_true_counts_as_passed(traverse: Any, passed: Any) -> None:
    text = check(page_of(traverse, certificate={**traverse.certificate, "passed": passed})).text
    assert "✕ Certificate failed" in text
    assert "✕ Certificate failed" in check(page_of(traverse, certificate={})).text


def test_a_failed_check_outweighs_a_passed_certificate(traverse: Any) -> None:
    checks = [{**row, "passed": row["name"] != "speed"} for row in traverse.certificate["checks"]]
    text = check(page_of(traverse, certificate={**traverse.certificate, "checks": checks})).text
    assert "1 of 5 checks do not hold" in text


def test_a_check_passed_beyond_its_limit_is_marked(traverse: Any) -> None:
    checks = [{**row, "margin": -1e-6 if row["name"] == "speed" else row["margin"]} for row in traverse.certificate["checks"]]
    text = check(page_of(traverse, certificate={**traverse.certificate, "checks": checks})).text
    assert text.count("✓ passed, in tolerance") == 1


def test_a_profile_that_denies_the_certificate_is_said(traverse: Any) -> None:
    supply = traverse.profile["available_power"] - 10.0
    text = check(page_of(traverse, profile={**traverse.profile, "available_power": supply})).text
    assert "although the certificate says passed" in text
    assert "The certificate states a least power margin of" in text


def test_loads_that_nothing_meets_are_said(traverse: Any) -> None:
    lack = np.where(np.arange(13001) == 777, 4.2, 0.0)
    text = check(page_of(traverse, profile={**traverse.profile, "unserved_power": lack})).text
    assert "Loads of up to 4.2 W, at 7.77 s, are met by no source." in text


def test_the_limit_that_binds_for_long_is_named(traverse: Any) -> None:
    held = np.where(np.arange(13001) < 2600, 0.1, 0.0)
    text = check(page_of(traverse, profile={**traverse.profile, "acceleration": held})).text
    assert "What holds it back most is acceleration, at its limit for 20 % of the time." in text


def test_values_that_are_not_finite_are_said_and_left_out(traverse: Any) -> None:
    drive = traverse.profile["drive_power"].copy()
    drive[4000:5000] = np.nan
    html = page_of(traverse, profile={**traverse.profile, "drive_power": drive})
    assert "1000 of 13001 values of drive_power are not finite" in check(html).text
    assert None in embedded(html)["columns"]["drive_power"]
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan", "", html.split('id="data"')[0].split("</style>")[1])


def test_markup_in_names_is_text(make_traverse: Any) -> None:
    made = make_traverse(samples=100)
    evil = "</script><script>alert(1)</script>"
    checks = [{**row, "name": evil, "unit": evil} for row in made.certificate["checks"]]
    plan = {**made.plan, "status": evil, evil: evil}
    html = page_of(
        made, title=evil, certificate={**made.certificate, "checks": checks}, plan=plan, rover=RoverParameters(name=evil)
    )
    assert html.count("<script") == 2
    assert evil in " ".join(check(html).words)


def test_without_environment_or_options(traverse: Any) -> None:
    profile = {name: value for name, value in traverse.profile.items() if name not in OPTIONAL}
    mission = MissionParameters(deadline=200.0, energy_budget=2e4)
    square = [(10.0, 10.0), (11.0, 10.0), (11.0, 11.0)]
    text = check(page_of(traverse, profile=profile, environment=None, plan={}, mission=mission, keep_outs=[square])).text
    assert "of 3 min 20 s until the deadline" in text
    assert "of 20 kJ budget" in text


def test_equal_input_gives_equal_files(make_traverse: Any, tmp_path: Path) -> None:
    made = make_traverse(samples=300)
    one, two = (write_report(tmp_path / name, title="Twice", **made.arguments()) for name in ("a", "b"))
    assert one.html.read_bytes() == two.html.read_bytes()
    for name, path in one.pictures.items():
        assert path.read_bytes() == two.pictures[name].read_bytes()


def test_inputs_that_cannot_be_used_are_named(traverse: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="report: certificate"):
        write_report(tmp_path, **{**traverse.arguments(), "certificate": None})
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="directory"):
        write_report(tmp_path / "file", **traverse.arguments())


def test_a_missing_package_is_one_sentence(traverse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"needs matplotlib; install it with: pip install 'rover-energy\[report\]'"):
        write_report(tmp_path, **traverse.arguments())


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_contrast_meets_wcag(dark: bool) -> None:
    """Text at least 4.5 to 1 against the ground, filled areas at least 1.9 to 1 (they are also named in legends)."""
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css_variables(dark)))
    ground = luminance(found["ground"])

    def contrast(name: str) -> float:
        light, low = sorted((luminance(found[name]), ground), reverse=True)
        return (light + 0.05) / (low + 0.05)

    assert all(contrast(name) >= 4.5 for name in ("ink", "soft", "limit", "good"))
    assert all(contrast(name.replace("_", "-")) >= 1.9 for name in COLOURS)
