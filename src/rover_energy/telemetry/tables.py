"""Polars, imported when a loader of published tables first needs it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError, MissingExtraError

EXTRA = "tables"


def need_polars() -> Any:
    """The module polars. Raises MissingExtraError."""
    try:
        return importlib.import_module("polars")
    except ImportError:
        raise MissingExtraError("polars", EXTRA, "reading published tables") from None


def read_csv(path: Path, *, separator: str, columns: tuple[str, ...] = ()) -> Any:
    """A table of a CSV file, also gzipped. Raises InputError when it cannot be read or lacks a column."""
    polars = need_polars()
    if not path.is_file():
        raise InputError(str(path), "file", "does not exist", "check the folder's layout")
    try:
        table = polars.read_csv(path, separator=separator, infer_schema_length=10_000, null_values=["", "NaN", "nan"])
    except Exception as error:  # polars has no common root for what a damaged file can raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(str(path), "file", f"is no readable CSV ({reason})", "fetch it again") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(str(path), "columns", f"{', '.join(missing)} missing", "check that it is of the published layout")
    return table
