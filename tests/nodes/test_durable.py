"""State files: whole at every instant, whatever happens to who writes them; anything else is refused in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rover_energy.errors import InputError
from rover_energy.nodes.durable import Keeper, load, save

WRITER = """
import sys
from pathlib import Path
from rover_energy.nodes.durable import save
k = 0
while True:
    k += 1
    save(Path(sys.argv[1]), {"a": float(k), "b": -float(k), "filler": 0.1 * k}, sync=False)
"""


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    assert load(path, ("a",)) is None
    save(path, {"a": 0.1 + 0.2, "b": -1e-300}, sync=True)
    assert load(path, ("a", "b")) == {"a": 0.1 + 0.2, "b": -1e-300}, "to the last bit"
    assert [p.name for p in path.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "1"}', '{"a": NaN}', '{"a": true}', '{"b": 1}', '{"a": 1e999}', "\ufffd"])
def test_what_is_not_a_state_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="remove it to begin anew") as caught:
        load(path, ("a",))
    assert "\n" not in str(caught.value)


def test_killed_while_writing(tmp_path: Path) -> None:
    """What a reader finds is whole and never older than what it found before, also when the writer was killed."""
    path, last = tmp_path / "state.json", 0.0
    for attempt in range(5):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], env=os.environ)
        while not path.exists():
            time.sleep(0.005)
        last = 0.0
        for _ in range(200):  # a reader beside the writer
            found = load(path, ("a", "b"))
            assert found is not None
            assert found["a"] == -found["b"]
            assert found["a"] >= last
            last = found["a"]
        time.sleep(0.013 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        found = load(path, ("a", "b"))
        assert found is not None
        assert found["a"] == -found["b"]


def test_the_keeper_writes_the_newest_and_says_when_it_cannot(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "state.json")
    for k in range(100):
        keeper.put({"a": float(k)})
    keeper.close()
    assert json.loads((tmp_path / "state.json").read_text(encoding="ascii")) == {"a": 99.0}
    (tmp_path / "file").write_text("no folder", encoding="ascii")
    keeper = Keeper(tmp_path / "file" / "state.json")
    keeper.put({"a": 1.0})
    keeper.close()
    assert "file" in keeper.failure
