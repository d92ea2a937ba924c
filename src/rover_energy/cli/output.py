"""What the commands print: results on standard output, for programs or people; progress and remarks on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

UNITS = ("s", "m", "W", "J", "Wh", "deg", "A")  # endings of names that are shown as [unit]


class Console:
    """Output of one command."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.json, self.quiet = as_json, quiet

    def say(self, text: str) -> None:
        """A remark for people."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def result(self, data: dict[str, Any], text: str | None = None) -> None:
        """The command's result: JSON with --json, else the text, or names and values."""
        if self.json:
            print(json.dumps(plain(data), indent=2, allow_nan=False))
        else:
            print(facts(data) if text is None else text)

    @contextmanager
    def progress(self, total: int) -> Iterator[Step]:
        """A bar over so many steps; nothing is drawn when standard error is not a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield Step(None, None)
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), BarColumn(bar_width=28), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=RichConsole(stderr=True), transient=True) as bar:
            yield Step(bar, bar.add_task("", total=total))


class Step:
    """Advances a progress bar: call it with what begins now."""

    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task, self._begun = bar, task, False

    def __call__(self, description: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=description, advance=1 if self._begun else 0)
        self._begun = True


def facts(data: dict[str, Any]) -> str:
    """Names and values in two columns."""
    rows = [(label(name), shown(value)) for name, value in data.items() if value is not None]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def label(name: str) -> str:
    """A name as people read it: peak_power_W becomes peak power [W]."""
    words = name.split("_")
    if len(words) > 1 and words[-1] in UNITS:
        return f"{' '.join(words[:-1])} [{words[-1]}]"
    return " ".join(words)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 0) -> str:
    """Columns of text under their titles: the first `left` flush left, the others flush right."""
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    cells = (
        [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in cells)


def shown(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items())
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
