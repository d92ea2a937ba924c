"""Compilation on first use: what the cache is keyed by, and what happens where nothing can be compiled."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rover_energy import native
from rover_energy.native import FLAGS, cache_directory, compile_library, find_compiler, load_library

SOURCE = "double twice(double x) { return 2.0 * x; }"
ROOT = Path(__file__).resolve().parents[1]
needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROVER_ENERGY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def call(library: ctypes.CDLL | None, x: float) -> float:
    assert library is not None
    library.twice.argtypes, library.twice.restype = [ctypes.c_double], ctypes.c_double
    return float(library.twice(x))


@needs_compiler
def test_a_library_is_built_and_computes(cache: Path) -> None:
    assert call(load_library(SOURCE, "double"), 3.5) == 7.0
    assert [path.suffix for path in cache.iterdir()] == [".so"]


@needs_compiler
def test_the_same_source_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_library(SOURCE, "double")
    assert first is not None
    stamp = first.stat().st_mtime_ns

    def never(*_: object) -> bool:
        raise AssertionError("compiled again")

    monkeypatch.setattr(native, "_build", never)
    assert compile_library(SOURCE, "double") == first
    assert first.stat().st_mtime_ns == stamp


@needs_compiler
def test_source_flags_and_compiler_make_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [compile_library(SOURCE, "double"), compile_library(SOURCE + "\n", "double")]
    paths.append(compile_library(SOURCE, "double", (*FLAGS, "-DX")))
    other = tmp_path / "other-cc"
    other.write_text('#!/bin/sh\nexec cc "$@"\n', encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("CC", str(other))
    assert find_compiler() == str(other)
    paths.append(compile_library(SOURCE, "double"))
    assert None not in paths
    assert len(set(paths)) == 4


@needs_compiler
def test_a_source_that_does_not_compile_gives_none_and_leaves_nothing(cache: Path) -> None:
    assert compile_library("this is not C", "broken") is None
    assert load_library("this is not C", "broken") is None
    assert list(cache.iterdir()) == []


def test_without_a_compiler_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("ROVER_ENERGY_NO_COMPILER", "1")
        assert find_compiler() is None
        assert compile_library(SOURCE, "double") is None
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    assert find_compiler() is None
    assert load_library(SOURCE, "double") is None


def test_a_compiler_that_does_not_start_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc-broken"
    broken.write_bytes(b"\x00\x01 no program")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    assert find_compiler() == str(broken)
    assert compile_library(SOURCE, "double") is None


@needs_compiler
def test_a_cache_that_cannot_be_made_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("ROVER_ENERGY_CACHE", str(tmp_path / "file" / "below"))
    assert compile_library(SOURCE, "double") is None


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("ROVER_ENERGY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "rover_energy"
    assert cache_directory().is_dir()


RACE = """
import ctypes, sys
sys.path.insert(0, {root!r})
from rover_energy.native import load_library
library = load_library({source!r}, "race")
library.twice.argtypes, library.twice.restype = [ctypes.c_double], ctypes.c_double
print(library.twice(21.0))
"""


@needs_compiler
def test_processes_that_compile_at_once_do_not_disturb_each_other(cache: Path) -> None:
    code = RACE.format(root=str(ROOT / "src"), source=SOURCE + "/* race */")
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ)) for _ in range(6)
    ]
    answers = [child.communicate(timeout=60)[0].strip() for child in children]
    assert answers == ["42.0"] * 6
    assert [path.name.split("-")[0] for path in cache.iterdir()] == ["race"]
