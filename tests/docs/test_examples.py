"""The examples of the pages run as they stand: Python blocks as programs, command lines against the real command's options."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITH_PYTHON = ["README.md", "docs/planning.md"]
WITH_COMMANDS = ["README.md", "docs/planning.md", "sim/README.md"]


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def command_lines(page: str) -> list[str]:
    """Indented lines of a page that call the command."""
    found = re.findall(r"^    (rover-energy .+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split(" #")[0].split(" > ")[0] for line in found]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the example files lie where the examples expect them, and where they may write."""
    for name in ("config", "sim"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_blocks_run(page: str, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks of a page form one program."""
    found = blocks(page)
    assert found
    exec(compile("\n".join(found), page, "exec"), {"__name__": "example"})
    shown = capsys.readouterr().out
    assert " W" in shown
    if page == "docs/planning.md":
        assert (checkout / "plan.json").is_file()
        assert float(re.search(r"([-\d.]+) s longer under the cap", shown).group(1)) > 0.0  # type: ignore[union-attr]
        assert "deadline deadline" in shown


def test_format_blocks_read_what_a_plan_left(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rover_energy.cli.main import run

    files = ["--terrain", "sim/worlds/crater_field.npz", "--mission", "config/mission_no_battery.yaml", "--no-report", "--quiet"]
    assert run(["plan", *files, "--start", "4,4,0.8", "--goal", "9,8,0.7", "--out", "traverse"]) == 0
    capsys.readouterr()
    exec(compile("\n".join(blocks("docs/formats.md")), "formats.md", "exec"), {"__name__": "example"})
    assert re.search(r"least margin [\d.]+ W at", capsys.readouterr().out)


def test_output_folder_is_listed(checkout: Path) -> None:
    """Every file of a whole run is on the page, and no other."""
    pytest.importorskip("matplotlib")
    from rover_energy.cli.main import run

    files = ["--terrain", "sim/worlds/crater_field.npz", "--mission", "config/mission_no_battery.yaml", "--quiet"]
    assert run(["plan", *files, "--start", "4,4,0.8", "--goal", "9,8,0.7", "--out", "traverse"]) == 0
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page[page.index("## The output folder") : page.index("## plan.json")]
    named = {name for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    assert {path.name for path in (checkout / "traverse").iterdir()} == named


@pytest.mark.parametrize(
    ("start", "code"), [("4,4,0.8", 1), ("4,4,nan", 2)], ids=["refused", "unusable input"]
)
def test_failures_as_json_have_the_keys_of_the_page(
    start: str, code: int, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rover_energy.cli.main import run

    files = ["--terrain", "sim/worlds/crater_field.npz", "--mission", "mission.yaml", "--out", "none", "--json"]
    text = (ROOT / "config" / "mission_no_battery.yaml").read_text(encoding="utf-8")
    (checkout / "mission.yaml").write_text(f"{text}deadline: 5.0\n", encoding="utf-8")
    assert run(["plan", *files, "--start", start, "--goal", "14,12,0.8"]) == code
    found = json.loads(capsys.readouterr().out)
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page[page.index("## Exit codes") : page.index("## The output folder")]
    assert set(found) <= set(re.findall(r"`(\w+)`", section))
    assert found["exit_code"] == code
    assert not (checkout / "none").exists()


def click_command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words name, and the words after its name."""
    import typer

    from rover_energy.cli.app import app

    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_and_options_exist(page: str) -> None:
    pytest.importorskip("typer")
    lines = command_lines(page)
    for line in lines:
        command, rest = click_command(shlex.split(line)[1:])
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, line


def test_commands_are_found_at_all() -> None:
    assert len(command_lines("README.md")) >= 8
    with pytest.raises(AssertionError, match="no command fly"):
        click_command(["fly"])


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets == {"demo", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
