"""The exceptions of rover_energy: one root, each with the exit code that the command line returns for it."""

from __future__ import annotations

from typing import Any

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LOSS = 3


class RoverEnergyError(Exception):
    """Root of every error raised on purpose by this package."""

    exit_code = EXIT_FAILED


class InputError(RoverEnergyError):
    """An input is missing, unreadable or out of range.

    The message is one line that names the file, the field, the value, the limit and the remedy.
    """

    exit_code = EXIT_USAGE

    def __init__(self, source: str, field: str, problem: str, remedy: str, value: Any = None) -> None:
        self.source, self.field, self.value = source, field, value
        self.problem, self.remedy = problem, remedy
        shown = "" if value is None else f" = {value!r}"
        super().__init__(" ".join(f"{source}: {field}{shown}: {problem}; {remedy}".split()))


class MissingExtraError(RoverEnergyError):
    """An optional dependency is needed for what was asked."""

    exit_code = EXIT_USAGE

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}; install it with: pip install 'rover-energy[{extra}]'")
