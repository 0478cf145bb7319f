"""A hub on this machine that speaks as much of the protocol as pushing and fetching need."""

import base64
import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

SHA = "a" * 40
WRITES, READS = "hf_writes", "hf_reads"  # tokens
Answer = tuple[int, bytes, dict[str, str]]


@dataclass
class LocalHub:
    """The files of its datasets by name, and which of them are private."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)

    def got(self, parts: list[str]) -> Answer:
        if parts == [""]:
            return said({})
        first = 2 if parts[0] == "api" else 1
        name, rest = "/".join(parts[first : first + 2]), parts[first + 2 :]
        if name not in self.files:
            return said({"error": "Repository not found"}, 401, {"X-Error-Code": "RepoNotFound"})
        if rest[:1] == ["tree"]:
            return said([entry(*item) for item in self.files[name].items()])
        if rest[:1] == ["resolve"]:
            content = self.files[name]["/".join(rest[2:])]
            return 200, content, {"ETag": f'"{oid(content)}"', "X-Repo-Commit": SHA}
        return said({"id": name, "sha": SHA, "siblings": []})

    def posted(self, parts: list[str], body: bytes, token: str) -> Answer:
        if not token.endswith(WRITES):
            return said({"error": "Forbidden: this token may only read"}, 403)
        if parts == ["api", "validate-yaml"]:
            return said({"errors": [], "warnings": []})
        if parts == ["api", "repos", "create"]:
            return said(self.made(json.loads(body)))
        if parts[4] == "preupload":
            how = {"uploadMode": "regular", "shouldIgnore": False}
            return said({"files": [{"path": f["path"], **how} for f in json.loads(body)["files"]]})
        return said(self.committed("/".join(parts[2:4]), body))

    def made(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        self.files.setdefault(name, {})
        if asked.get("private") or asked.get("visibility") == "private":
            self.private.add(name)
        return {"url": f"{self.address}/datasets/{name}"}

    def committed(self, name: str, body: bytes) -> dict[str, Any]:
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.files[name][line["value"]["path"]] = content
        url = f"{self.address}/datasets/{name}/commit/{SHA}"
        return {"commitOid": SHA, "commitUrl": url, "success": True}


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Generator[LocalHub]:
    """The hub of this process until the end."""
    hub = LocalHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler(hub: LocalHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def parts(self) -> list[str]:
            return unquote(urlsplit(self.path).path).strip("/").split("/")

        def do_HEAD(self) -> None:
            self.send(*hub.got(self.parts()), head=True)

        def do_GET(self) -> None:
            self.send(*hub.got(self.parts()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send(*hub.posted(self.parts(), body, str(self.headers["Authorization"])))

        def send(
            self, status: int, content: bytes, headers: dict[str, str], *, head: bool = False
        ) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if not head:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def said(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return status, json.dumps(value).encode(), headers or {}


def entry(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(content), "oid": oid(content)}


def oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
