"""Results that appear whole or not at all: written beside their place first, then moved there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rover_energy.errors import InputError

PREFIX = ".rover-energy-"


class ResultFolder:
    """A folder for results, and a hidden one on the same disk in which they are first written.

    Use as a context manager. Entering finds out, before any work is done, whether results can be written, and leaves the
    folder itself untouched; `publish` moves the files over. Leaving removes what was not published.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._staging: Path | None = None

    @property
    def staging(self) -> Path:
        """Where to write."""
        assert self._staging is not None
        return self._staging

    def __enter__(self) -> ResultFolder:
        place = self.out
        try:
            while not place.exists():
                if place == place.parent:
                    break
                place = place.parent
            if not place.is_dir():
                what = "is a file" if place == self.out else f"lies below {place}, which is a file"
                raise InputError(str(self.out), "--out", what, "give a folder")
            self._staging = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except (OSError, ValueError) as error:
            raise _unwritable(self.out, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)

    def publish(self, *, last: str = "", stale: Sequence[str] = ()) -> dict[str, Path]:
        """Move every file into the folder; returns their places by name.

        `last` is moved after all others and its old version removed before them, so that where it stands everything
        belongs to it. Files of the names in `stale` that an earlier run left are removed if it left `last` too.
        """
        names = sorted((path.name for path in self.staging.iterdir()), key=lambda name: (name == last, name))
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            if last and (self.out / last).exists():
                (self.out / last).unlink()
                for name in stale:
                    (self.out / name).unlink(missing_ok=True)
            for name in names:
                os.replace(self.staging / name, self.out / name)
        except OSError as error:
            raise _unwritable(self.out, error) from None
        return {name: self.out / name for name in names}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path with the same suffix to write to; what was written replaces `path` when all went well. Raises InputError."""
    if path.is_dir():
        raise InputError(str(path), "--out", "is a folder", "give the name of a file")
    try:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(str(path), "--out", f"cannot be written ({reason})", "choose a place that exists and may be written to")
