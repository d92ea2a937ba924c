"""Entry point of the `rover-energy` command."""

from __future__ import annotations

import sys
from typing import Any

from rover_energy.errors import EXIT_FAILED, EXIT_USAGE, RoverEnergyError


def main() -> None:
    """Run the command line and end the process with its documented exit code."""
    try:
        from rover_energy.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich", "click"):
            raise
        print(f"rover-energy: {missing.name} is not installed; install it with: pip install 'rover-energy[cli]'", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    sys.exit(run(app))


def run(app: Any, arguments: list[str] | None = None) -> int:
    """Exit code of a command line; every failure that is foreseen ends as one line on standard error."""
    from rover_energy.cli.output import Console

    try:
        result = app(args=arguments, standalone_mode=False)
        return int(result) if isinstance(result, int) else 0
    except RoverEnergyError as error:
        Console.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("rover-energy: interrupted", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_FAILED
    except Exception as error:
        # typer carries its own copy of click, so its exceptions are known by what they offer
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        if hasattr(error, "format_message"):
            print(f"rover-energy: {error.format_message()}; see --help", file=sys.stderr)
            return EXIT_USAGE
        return int(code)


if __name__ == "__main__":
    main()
