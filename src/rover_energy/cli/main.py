"""Entry point of the `rover-energy` command."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED, EXIT_USAGE, RoverEnergyError

NAME = "rover-energy"
INTERRUPTED = 130  # what typer makes of control-C
TRACEBACK = "ROVER_ENERGY_TRACEBACK"  # set to 1 to see where an error that nobody foresaw came from


def main() -> None:
    """Run the command line and end the process with its documented exit code."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that being told to end cleans up, too
    sys.exit(run())


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; default those of the process.

    Returns
    -------
    int
        Exit code: 0 clean, 1 failed, 2 usage or unusable input, 3 done with loss. Whatever ends other than clean has said why
        in one line on standard error, and with --json also as a mapping on standard output.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        from rover_energy.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] not in ("typer", "rich", "click", "shellingham"):
            raise
        problem = f"{missing.name} is not installed; install it with: pip install 'rover-energy[cli]'"
        return _end(problem, EXIT_USAGE, {"error": "MissingExtraError"}, as_json)
    try:
        with warnings.catch_warnings():
            if not os.environ.get(TRACEBACK):  # a plan stands on its certificate, not on the absence of warnings
                warnings.simplefilter("ignore")
            result = app(args=words, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
        if result == INTERRUPTED:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else EXIT_CLEAN
    except RoverEnergyError as error:
        return _end(str(error), error.exit_code, _facts(error), as_json)
    except BrokenPipeError:
        # what reads the output has gone; Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return _end("interrupted", EXIT_FAILED, {"error": "KeyboardInterrupt"}, as_json)
    except Exception as error:
        return _other(error, as_json)


def _other(error: Exception, as_json: bool) -> int:
    """Errors of the command line itself, known by what they offer as typer may carry its own copy of click; and surprises."""
    name = type(error).__name__
    if hasattr(error, "format_message"):
        message = error.format_message().strip().rstrip(".")
        if not message:  # no command was given, and the help has been printed instead
            return EXIT_USAGE
        return _end(f"{message}; see {_command(error)} --help", EXIT_USAGE, {"error": "UsageError"}, as_json)
    if name == "Abort":
        return _end("interrupted", EXIT_FAILED, {"error": "KeyboardInterrupt"}, as_json)
    if os.environ.get(TRACEBACK):
        raise error
    if isinstance(error, MemoryError):
        return _end("out of memory; give a smaller map", EXIT_FAILED, {"error": name}, as_json)
    message = f"internal error, {name}: {error}; {TRACEBACK}=1 shows where: please report it with the input"
    return _end(message, EXIT_FAILED, {"error": name}, as_json)


def _command(error: Any) -> str:
    """The command that was meant, as typed."""
    context = getattr(error, "ctx", None)
    return str(getattr(context, "command_path", "") or NAME)


def _facts(error: RoverEnergyError) -> dict[str, Any]:
    """What a program may want to know of a failure: the refusal's own mapping, or the parts of the message."""
    to_mapping = getattr(error, "to_mapping", None)
    if to_mapping is not None:
        return dict(to_mapping())
    parts = {name: getattr(error, name) for name in ("source", "field", "value", "problem", "remedy") if hasattr(error, name)}
    return {"error": type(error).__name__, **parts}


def _end(message: str, code: int, facts: dict[str, Any], as_json: bool) -> int:
    from rover_energy.cli.output import plain

    line = " ".join(message.split())
    try:
        print(f"{NAME}: {line}", file=sys.stderr)
        if as_json:
            print(json.dumps(plain({"status": "failed", "message": line, **facts, "exit_code": code}), indent=2), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    main()
