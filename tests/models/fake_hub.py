"""A Hugging Face hub on this machine: repositories that are folders, over HTTP, read only."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GATED = "gated"  # an owner who grants access one by one


class _Hub(BaseHTTPRequestHandler):
    root: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, _, rest = path.removeprefix("/").partition("api/models/")
        parts = (rest if not api else path.removeprefix("/")).split("/")
        folder = self.root / "/".join(parts[:2])
        self.asked.append(path)
        if parts[0] == GATED:
            return self._refuse(403, "GatedRepo")
        if not folder.is_dir():
            return self._refuse(404, "RepoNotFound")
        if parts[3] not in ("main", "v1", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        if api:
            return self._file(folder / "/".join(parts[4:]))
        if parts[2] == "tree":
            return self._json([self._entry(folder, file) for file in files])
        siblings = [{"rfilename": file} for file in files]
        return self._json({"id": "/".join(parts[:2]), "sha": COMMIT, "siblings": siblings})

    def _entry(self, folder: Path, file: str) -> dict[str, Any]:
        content = (folder / file).read_bytes()
        entry: dict[str, Any] = {"type": "file", "path": file, "size": len(content)}
        entry["oid"] = _git_digest(content)
        if file.endswith(".safetensors"):
            oid = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
        return entry

    def _file(self, path: Path) -> None:
        content = path.read_bytes()
        large = path.suffix == ".safetensors"
        digest = hashlib.sha256(content).hexdigest() if large else _git_digest(content)
        self._answer(200, content, {"ETag": f'"{digest}"'})

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b"", {"X-Error-Code": code, "X-Error-Message": "refused\nby the hub"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        lengths = {"Content-Length": str(len(content)), "X-Repo-Commit": COMMIT}
        for name, value in (headers | lengths).items():
            self.send_header(name, value.replace("\n", " "))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def _git_digest(content: bytes) -> str:
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


@contextmanager
def serve(root: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub with the repositories `root/owner/name`, and the paths asked of it."""
    asked: list[str] = []
    handler = type("Hub", (_Hub,), {"root": root, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
