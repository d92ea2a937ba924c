"""The pages against the code: every field, column and check is explained, links lead somewhere, generated parts are current."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rover_energy import errors
from rover_energy.mission import MissionParameters
from rover_energy.parameters import Parameters, describe
from rover_energy.planning.evaluation import Profile
from rover_energy.planning.plan_file import PROFILE_COLUMNS
from rover_energy.planning.refusal import REMEDIES
from rover_energy.rover import RoverParameters

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "sim/README.md")), *sorted(DOCS.glob("*.md"))]


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_generated_parts_are_current(generator: ModuleType) -> None:
    old = [path.name for path, wanted in generator.pages().items() if path.read_text(encoding="utf-8") != wanted]
    assert old == [], "run: python docs/generate.py"


def test_an_old_page_is_noticed(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generator, "PARTS", {**generator.PARTS, "remedies": ("planning.md", lambda: "something else")})
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generator.main() == 1
    assert "planning.md: is not current" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no place for 'other'"):
        generator.filled("other", "a page", "content")


@pytest.mark.parametrize("cls", [RoverParameters, MissionParameters])
def test_every_parameter_is_on_the_page(cls: type[Parameters]) -> None:
    page = text("formats.md")
    assert [row["name"] for row in describe(cls) if f"| `{row['name']}` |" not in page] == []


def test_every_profile_column_is_on_the_page() -> None:
    page = text("nomenclature.md")
    table = page[page.index("## Columns of profile.csv") : page.index("## Parameters")]
    named = set(re.findall(r"`(\w+)`", table))
    columns = set(PROFILE_COLUMNS) | {field.name for field in dataclasses.fields(Profile)}
    assert named == columns


def test_every_check_and_key_of_a_certificate_is_on_the_page(certified: dict) -> None:  # type: ignore[type-arg]
    page = text("formats.md")
    section = page[page.index("## Certificate") : page.index("## rover.yaml")]
    named = set(re.findall(r"`(\w+)`", section))
    assert set(certified) <= named
    assert {check["name"] for check in certified["checks"]} <= named
    assert set(certified["checks"][0]) <= named


def test_every_key_of_a_plan_is_on_the_page(written_plan: dict) -> None:  # type: ignore[type-arg]
    page = text("formats.md")
    section = page[page.index("## plan.json") : page.index("## profile.csv")]
    named = set(re.findall(r"`(?:pieces\[\]\.)?(\w+)`", section))
    assert set(written_plan) | set(written_plan["pieces"][0]) <= named


def reasons() -> set[str]:
    """Words that the planner's modules give as the reason of a refusal, read from their source."""
    found: set[str] = set()
    for path in (ROOT / "src" / "rover_energy" / "planning").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        if path.stem != "baselines":
            found |= set(re.findall(r"\b(?:SearchFailure|TimingError|Refusal)\(\s*\"([a-z_]+)\"", source))
    return found


def test_refusals_are_on_the_page() -> None:
    given = reasons() | {"start_blocked", "goal_blocked", "floor", "energy_budget", "deadline"}
    assert len(given) >= 10
    page = text("planning.md")
    section = page[page.index("## Refusals") : page.index("## Replanning")]
    assert sorted(reason for reason in given if f"`{reason}`" not in section) == []
    assert [name for name in REMEDIES if f"| `{name}` |" not in section] == []


def test_exit_codes_are_on_the_page() -> None:
    codes = {errors.EXIT_CLEAN, errors.EXIT_FAILED, errors.EXIT_USAGE, errors.EXIT_LOSS}
    assert {int(code) for code in re.findall(r"^\| (\d) \| \w+ \|", text("formats.md"), re.MULTILINE)} == codes


def slug(heading: str) -> str:
    """Anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"#+ ", line)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_speak_of_the_product_only(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    found = re.findall(r"(?:/home/|/root/|/work/|/tmp/(?!demo)|/Users/)\S*|\bTODO\b|\bFIXME\b|\B#\d+\b", words)
    assert found == []


def test_pictures_are_small() -> None:
    pictures = sorted((DOCS / "images").glob("*"))
    assert [picture.name for picture in pictures if picture.stat().st_size > 400_000] == []
    assert (DOCS / "images" / "overview.png") in pictures


def test_smoothing_table_states_the_true_worst_errors(generator: ModuleType) -> None:
    """The table's formulas against a scan of the model's own functions."""
    import casadi as ca
    import numpy as np

    from rover_energy.planning import model
    from rover_energy.power.pv import array_gain

    rover = RoverParameters()
    x = np.linspace(-10.0, 10.0, 200_001)

    def scan(function, epsilon):  # type: ignore[no-untyped-def]
        value = np.asarray(function(ca.DM(x * epsilon), epsilon)).ravel()
        return value - np.maximum(0.0, x * epsilon)

    gain = 1.0 / rover.locomotion.drivetrain_efficiency
    over = scan(model.upper_positive, model._DRIVE_EPSILON)
    under = scan(model.lower_positive, model._INCIDENCE_EPSILON)
    assert over.min() >= 0.0
    assert under.max() <= 1e-15
    light = generator.SOLAR_CONSTANT * float(array_gain(rover.pv))
    table = generator.smoothing_table()
    assert f"| {over.max() * gain:.3f} | at zero drive power |" in table
    stated = float(re.search(r"\| ([\d.]+) \| Sun in the panel's plane", table).group(1))  # type: ignore[union-attr]
    assert stated == pytest.approx(-under.min() * light, abs=0.002)
