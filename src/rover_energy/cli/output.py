"""What the commands print: results for programs on standard output, words for people on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from rover_energy.errors import RoverEnergyError


class Console:
    """Output of one command."""

    as_json: ClassVar[bool] = False

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        Console.as_json = as_json
        self.json, self.quiet = as_json, quiet
        self.people = RichConsole(stderr=True, quiet=quiet, highlight=False)
        self.results = RichConsole(highlight=False)

    @staticmethod
    def fail(error: RoverEnergyError) -> None:
        """One line on standard error; with --json also the typed failure on standard output."""
        print(f"rover-energy: {error}", file=sys.stderr)
        if Console.as_json:
            to_mapping = getattr(error, "to_mapping", None)
            data = to_mapping() if to_mapping else {"status": "failed", "error": type(error).__name__, "message": str(error)}
            print(json.dumps(plain(data), indent=2))

    def say(self, text: str) -> None:
        """A line for people."""
        self.people.print(text)

    def result(self, data: dict[str, Any], table: Table | None = None) -> None:
        """The command's result: JSON on standard output with --json, else the table (or name-value lines)."""
        if self.json:
            print(json.dumps(plain(data), indent=2))
        elif table is not None:
            self.results.print(table)
        else:
            self.results.print(facts_table(data))

    @contextmanager
    def progress(self, total: int) -> Iterator[Step]:
        """A bar over so many steps; nothing is drawn when standard error is not a terminal."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=28), TimeElapsedColumn())
        with Progress(*columns, console=self.people, transient=True, disable=self.quiet) as bar:
            yield Step(bar, bar.add_task("", total=total))


class Step:
    """Advances a progress bar: call it with what begins now."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task, self._begun = bar, task, False

    def __call__(self, description: str) -> None:
        self._bar.update(self._task, description=description, advance=1 if self._begun else 0)
        self._begun = True


def facts_table(data: dict[str, Any]) -> Table:
    """Names and values in two columns."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in data.items():
        table.add_row(f"[dim]{name.replace('_', ' ')}[/dim]", shown(value))
    return table


def shown(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(item) for item in value)
    return str(value)


def plain(value: Any) -> Any:
    """Data that JSON can hold: what is not a finite number becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
