"""A real server of completions for the tests: our HF engine behind HTTP, with faults on demand."""

import json
import socket
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.engines.base import Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden
from harness.models.model import Subject


class Service(ThreadingHTTPServer):
    """Serves a subject; each fault of the queue befalls one completion, "" none."""

    daemon_threads = True
    allow_reuse_address = True
    turn = threading.Lock()  # for all: one that was killed may still be at work on the same model

    def __init__(
        self, subject: Subject, stops: Stops, faults: Iterable[str] = (), **changes: Any
    ) -> None:
        super().__init__(("127.0.0.1", changes.pop("port", 0)), Handler)
        self.subject, self.stops, self.faults = subject, stops, deque(faults)
        self.card = {"id": "served", "root": subject.path, "max_model_len": 10**6} | changes
        self.bodies = list[dict[str, Any]]()
        self.open, self.gone = set[socket.socket](), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def kill(self) -> None:
        """Gone in the middle of whatever it does, as by SIGKILL."""
        self.gone.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *args: Any) -> None:
        """Clients hang up in these tests."""

    def completions(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The i-th of a call has the noise of seed + i, as in vLLM; the end of sequence is told."""
        ids = body["prompt"] if isinstance(body["prompt"], list) else self.encode(body["prompt"])
        first = Request(
            ("0",), tuple(ids), len(ids), (), (0,), body.get("seed", 0), "end",
            len(ids) + body["max_tokens"], body["temperature"], body["top_p"],
            under=(Forbidden(tuple(map(int, body.get("logit_bias", {})))),),
        )  # fmt: skip
        todo = [replace(first, key=(str(i),), seed=first.seed + i) for i in range(body["n"])]
        with self.turn:
            done = list(HF(64, 4096).start(self.subject, self.stops, "").sample(todo))
        return [
            self.choice(int(d.request.key[0]), d.token_ids[0], d.finish_reason[0]) for d in done
        ]

    def encode(self, text: str) -> tuple[int, ...]:
        return self.subject.encode(text)

    def choice(self, index: int, ids: tuple[int, ...], reason: str) -> dict[str, Any]:
        text = self.subject.tokenizer.decode(list(ids))
        end = tuple(sorted(self.subject.eos))[:1] if reason == "stop" else ()
        return {
            "index": index, "text": text, "finish_reason": reason, "token_ids": [*ids, *end],
        }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, *args: Any) -> None:
        pass

    def reply(
        self, value: Any, status: int = 200, length: int | None = None, encoding: str = "identity"
    ) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(content)))
        self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        known = self.path == "/v1/models"
        self.reply({"data": [self.server.card]} if known else {}, 200 if known else 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        fault = self.server.faults.popleft() if self.server.faults else ""
        if fault:
            getattr(self, fault)(body)
        else:
            self.reply({"choices": self.server.completions(body)})

    def error(self, body: dict[str, Any]) -> None:
        self.reply({"error": {"message": "out of\nmemory"}}, 500)

    def refusal(self, body: dict[str, Any]) -> None:
        self.reply({"error": {"message": "n is too large"}}, 400)

    def hang(self, body: dict[str, Any]) -> None:
        self.server.gone.wait(60)
        self.close_connection = True

    def garbage(self, body: dict[str, Any]) -> None:
        self.reply(b"<html>no JSON</html>")

    def packed(self, body: dict[str, Any]) -> None:
        self.reply(b"no gzip", encoding="gzip")

    def binary(self, body: dict[str, Any]) -> None:
        self.reply(bytes(range(33)))

    def drop(self, body: dict[str, Any]) -> None:
        self.close_connection = True

    def cut(self, body: dict[str, Any]) -> None:
        self.reply(b'{"choices": [', length=1000)
        self.close_connection = True

    def unbiased(self, body: dict[str, Any]) -> None:
        self.reply({"choices": self.server.completions(body | {"logit_bias": {}})})

    def few(self, body: dict[str, Any]) -> None:
        self.reply({"choices": self.server.completions(body)[1:]})

    def wordless(self, body: dict[str, Any]) -> None:
        choices = self.server.completions(body)
        self.reply({"choices": [{**choice, "token_ids": None} for choice in choices]})

    def short(self, body: dict[str, Any]) -> None:
        choice = {"index": 0, "text": "", "finish_reason": "length", "token_ids": [5]}
        self.reply({"choices": [{**choice, "index": i} for i in range(body["n"])]})

    def foreign(self, body: dict[str, Any], token: int = 10**6) -> None:
        choice = {"index": 0, "text": "", "finish_reason": "stop", "token_ids": [token]}
        self.reply({"choices": [{**choice, "index": i} for i in range(body["n"])]})

    def negative(self, body: dict[str, Any]) -> None:
        self.foreign(body, -1)
