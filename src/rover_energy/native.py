"""Compile small C sources on first use, keep the result, and do without when there is no compiler.

A library is keyed by its source, the compiler and the flags, so a new version of the package never meets an old
binary. The environment variable ROVER_ENERGY_CACHE moves the cache; ROVER_ENERGY_NO_COMPILER=1 behaves as on a
machine without a compiler (every caller then takes its plain fallback).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

FLAGS = ("-O2", "-march=native", "-fPIC", "-shared", "-std=gnu11", "-ffp-contract=off")


def cache_directory() -> Path:
    """Folder of the compiled libraries, created when missing."""
    root = os.environ.get("ROVER_ENERGY_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rover_energy"
    base.mkdir(parents=True, exist_ok=True)
    return base


def find_compiler() -> str | None:
    """Path of the C compiler ($CC, cc, gcc or clang), or None."""
    if os.environ.get("ROVER_ENERGY_NO_COMPILER"):
        return None
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (found := shutil.which(name)):
            return found
    return None


def compile_library(source: str, name: str, flags: tuple[str, ...] = FLAGS) -> Path | None:
    """Path of the shared library built from C `source`, from the cache when it is there.

    Returns None when there is no compiler, it refuses the source, or there is nowhere to keep the library: callers then
    use their plain fallback.
    """
    compiler = find_compiler()
    if compiler is None:
        return None
    key = hashlib.sha256("\0".join((source, compiler, *flags, platform.machine(), platform.node())).encode()).hexdigest()[:20]
    try:
        target = cache_directory() / f"{name}-{key}.so"
        return target if target.exists() or _build(source, target, compiler, flags) else None
    except (OSError, RuntimeError):  # no home, a read-only or full disk, a compiler that does not start
        return None


def _build(source: str, target: Path, compiler: str, flags: tuple[str, ...]) -> bool:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        code, built = Path(folder) / "source.c", Path(folder) / "library.so"
        code.write_text(source, encoding="utf-8")
        result = subprocess.run([compiler, *flags, str(code), "-o", str(built), "-lm"], capture_output=True, check=False)
        if result.returncode != 0:
            return False
        os.replace(built, target)  # atomic: a second process never loads half a library
    return True


def load_library(source: str, name: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL | None:
    """The compiled library, loaded; None without a compiler."""
    path = compile_library(source, name, flags)
    return None if path is None else ctypes.CDLL(str(path))
