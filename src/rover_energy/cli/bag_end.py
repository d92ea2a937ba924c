"""How commands that read a bag end: what of it was lost is said in one line, and decides the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from rover_energy.errors import EXIT_CLEAN, EXIT_LOSS

if TYPE_CHECKING:
    from rover_energy.telemetry.recording import Recording


def finish(recordings: Iterable[Recording], code: int = EXIT_CLEAN, *, quiet: bool = False) -> None:
    """End with `code`, or with "done with loss" when anything of the bags could not be used."""
    lost = [recording for recording in recordings if recording.loss.any]
    for recording in lost:
        if not quiet:
            print(f"rover-energy: {recording.path}: done with loss: {recording.loss.words()}", file=sys.stderr)
    code = EXIT_LOSS if lost else code
    if code != EXIT_CLEAN:
        raise typer.Exit(code)
