"""A headless Chromium steered over its debugging protocol: open a page, wait, take a picture."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist", "--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1400,900",
)  # fmt: skip


class Page:
    """The only page of the browser."""

    def __init__(self, socket: Any) -> None:
        self.socket, self.number = socket, 0
        self.said: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Result of a command; what the page writes to its console meanwhile is kept in `said`."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == self.number:
                assert "error" not in message, message["error"]
                return message["result"]
            if message.get("method") == "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(a.get("value", a.get("description", ""))) for a in message["params"]["args"]))

    def picture(self, path: Path) -> bytes:
        """PNG of what is seen."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(data)
        return data


@contextlib.contextmanager
def page(folder: Path, url: str) -> Iterator[Page]:
    """Open a page."""
    from websockets.sync.client import connect

    assert BROWSER is not None
    profile = folder / "profile"
    with (folder / "browser.txt").open("wb") as log:
        process = subprocess.Popen([BROWSER, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log)
    try:
        place = profile / "DevToolsActivePort"
        until = time.monotonic() + 30.0
        while not (place.is_file() and len(place.read_text().splitlines()) == 2):
            assert time.monotonic() < until, "the browser did not start"
            time.sleep(0.1)
        import urllib.request

        port = place.read_text().splitlines()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        targets = json.loads(opener.open(f"http://127.0.0.1:{port}/json", timeout=20).read())
        address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        with connect(address, max_size=None, proxy=None) as socket:
            opened = Page(socket)
            opened.call("Page.enable")
            opened.call("Runtime.enable")
            opened.call("Page.navigate", url=url)
            yield opened
    finally:
        process.terminate()
        process.wait(10)
