"""A headless Chromium, driven over its debugging pipe; needs nothing but the browser itself."""

import base64
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run --mute-audio "
    "--disable-background-networking --disable-dev-shm-usage "
    "--autoplay-policy=no-user-gesture-required"
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a plain web server of a folder's files, as GitHub Pages is one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Browser:
    """One page; `troubles` are uncaught errors and console errors, of it and its workers.

    Offline, but for `origin`, such as http://127.0.0.1:8000. `flags` are more of the command line.
    """

    def __init__(self, profile: Path, origin: str | None = None, flags: Sequence[str] = ()) -> None:
        self.profile, self.origin, self.flags = profile, origin, flags
        self.troubles: list[str] = []
        self._number, self._buffer = 0, b""

    def __enter__(self) -> "Browser":
        assert CHROMIUM is not None
        from_us, to_browser = os.pipe()
        to_us, from_browser = os.pipe()
        self._write, self._read = to_browser, to_us

        def connect() -> None:  # the browser reads from descriptor 3 and writes to 4
            copies = os.dup(from_us), os.dup(from_browser)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        command = [CHROMIUM, *FLAGS.split(), *self.flags, f"--user-data-dir={self.profile}"]
        with open(self.profile.with_suffix(".log"), "wb") as log:
            self._process = subprocess.Popen(
                command, pass_fds=(3, 4), preexec_fn=connect, stdout=log, stderr=log
            )
        self.process_id = self._process.pid
        os.close(from_us)
        os.close(from_browser)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        if self.origin is None:
            self.call("Network.setBlockedURLs", urls=["http*"])
        workers = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
        self.call("Target.setAutoAttach", **workers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    _session = None

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a command of the DevTools protocol."""
        number = self._send(self._session, method, parameters)
        while (answer := self._receive()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _send(self, session: str | None, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def open(self, page: Path | str) -> None:
        """Load a page, a file or of the origin, and wait until it is complete."""
        url = page.resolve().as_uri() if isinstance(page, Path) else f"{self.origin}/{page}"
        self.call("Page.navigate", url=url)
        while (event := self._receive()).get("method") != "Page.loadEventFired":
            self._note(event)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, or of the promise that it is."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file.resolve())])

    def resize(self, width: int, height: int) -> None:
        """Pretend to be a screen of this size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def screenshot(self) -> bytes:
        """What the screen shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 16)
            assert part, self.profile.with_suffix(".log").read_text()
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)  # type: ignore[no-any-return]

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Target.attachedToTarget":
            self._send(parameters["sessionId"], "Runtime.enable", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.troubles.append(str(parameters["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.troubles.append(str(parameters["entry"]))
        if event.get("method") == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.troubles.append(str(parameters["args"]))
        if event.get("method") == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("data:", "file:", "blob:", self.origin or "file:")):
                self.troubles.append(f"asks the network for {url}")
