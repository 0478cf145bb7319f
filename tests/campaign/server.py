"""A server that answers completions in every wrong way that we could think of, byte by byte."""

import gzip
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

KEY = "sk-hostile-0123456789"
Body = dict[str, Any]
Sent = Iterator[bytes]


def head(length: int | None, more: str = "", status: str = "200 OK") -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status}\r\n{size}\r\nContent-Type: application/json\r\n{more}\r\n".encode()


def whole(content: bytes, more: str = "", status: str = "200 OK") -> Sent:
    yield head(len(content), more, status) + content


def choices(body: Body, **changes: Any) -> bytes:
    """The reply of an honest server, each choice with these fields changed."""
    n, most = body["n"], body["max_tokens"]
    plain = [
        {"index": i, "text": "x", "finish_reason": "length", "token_ids": [3 + i] * most}
        for i in range(n)
    ]
    return json.dumps({"choices": [choice | changes for choice in plain]}).encode()


def honest(body: Body) -> Sent:
    yield from whole(choices(body))


def drip(body: Body) -> Sent:
    yield head(10**6)
    while True:
        time.sleep(0.02)
        yield b" "


def drip_head(body: Body) -> Sent:
    yield b"HTTP/1.1 200 OK\r\nX: "
    while True:
        time.sleep(0.02)
        yield b"x"


def many_heads(body: Body) -> Sent:
    yield b"HTTP/1.1 200 OK\r\n"
    for i in range(10**5):
        yield f"X-{i}: y\r\n".encode()


def silent(body: Body) -> Sent:
    time.sleep(60)
    yield b""


def flood(body: Body) -> Sent:
    yield head(10**12)
    while True:
        yield b" " * 2**16


def flood_chunks(body: Body) -> Sent:
    yield head(None)
    while True:
        yield b"10000\r\n" + b" " * 2**16 + b"\r\n"


def bomb(body: Body) -> Sent:
    yield from whole(gzip.compress(b" " * 10**8), "Content-Encoding: gzip\r\n")


def unfinished(body: Body) -> Sent:
    yield head(10**6) + choices(body)


def endless_interim(body: Body) -> Sent:
    while True:
        time.sleep(0.01)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def redirect(body: Body) -> Sent:
    yield from whole(b"", "Location: http://127.0.0.1:1/\r\n", "302 Found")


def status(code: str, said: bytes) -> Callable[[Body], Sent]:
    return lambda _: whole(said, "", code)


def said(content: bytes) -> Callable[[Body], Sent]:
    return lambda _: whole(content)


def changed(**changes: Any) -> Callable[[Body], Sent]:
    return lambda body: whole(choices(body, **changes))


def raw(pair: tuple[bytes, bytes]) -> Callable[[Body], Sent]:
    return lambda body: whole(choices(body).replace(*pair))


def fault(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


MODES: dict[str, Callable[[Body], Sent]] = {
    mode.__name__: mode
    for mode in (
        drip, drip_head, many_heads, silent, flood, flood_chunks, bomb, unfinished, endless_interim,
        redirect,
    )
}  # fmt: skip
MODES |= {
    "nothing": lambda _: iter(()),
    "no http": lambda _: iter((b"SSH-2.0-OpenSSH\r\n",)),
    "no length": lambda _: iter((b"HTTP/1.1 200 OK\r\n\r\n",)),
    "negative length": lambda _: iter((head(-5),)),
    "bad status line": lambda _: iter((b"HTTP/9.9 abc\r\n\r\n",)),
    "bad chunk": lambda _: iter((head(None) + b"zz\r\n",)),
    "empty": said(b""),
    "null": said(b"null"),
    "list": said(b"[]"),
    "number": said(b"7"),
    "no choices": said(b'{"choices": []}'),
    "choices null": said(b'{"choices": null}'),
    "choices of text": said(b'{"choices": ["x", "y", "z", "w"]}'),
    "deep": said(b"[" * 100_000),
    "deep choices": said(b'{"choices": ' + b"[" * 50_000),
    "not utf-8": said(b'{"choices": [\xff\xfe]}'),
    "utf-16": said('{"choices": []}'.encode("utf-16")),
    "html": said(b"<html><script>alert(1)</script></html>"),
    "events": said(b'data: {"choices": []}\n\ndata: [DONE]\n\n'),
    "long message": status("400 Bad Request", fault("x" * 10**6)),
    "escapes": status("400 Bad Request", fault("\x1b[2J\x1b]0;owned\x07 \u202egone")),
    "escapes later": status("500 Oops", fault("\x1b[31mred\r\nnew line")),
    "key echoed": status("401 Unauthorized", fault(f"no such key: Bearer {KEY}")),
    "key echoed later": status("503 Busy", fault(f"key {KEY} waits")),
    "key in the text": changed(text=f"your key is {KEY}"),
    "too many requests": status("429 Too Many Requests", b""),
    "not found": status("404 Not Found", b"<h1>404</h1>"),
    "no content": status("204 No Content", b""),
    "odd status": status("999 What", b""),
    "wrong indices": changed(index=7),
    "the same index": changed(index=0),
    "negative index": changed(index=-1),
    "index of text": changed(index="zero"),
    "huge index": raw((b'"index": 0', b'"index": ' + b"9" * 10_000)),
    "identical": changed(token_ids=[5] * 64),
    "more tokens": changed(token_ids=[5] * 1000),
    "fewer tokens": changed(token_ids=[5]),
    "no tokens": changed(token_ids=[]),
    "tokens null": changed(token_ids=None),
    "tokens of text": changed(token_ids=["5"]),
    "tokens of floats": changed(token_ids=[5.5] * 64),
    "tokens beyond": changed(token_ids=[10**9] * 64),
    "tokens below": changed(token_ids=[-1] * 64),
    "huge token": raw((b"[3,", b"[" + b"9" * 10_000 + b",")),
    "nan token": raw((b"[3,", b"[NaN,")),
    "reason null": changed(finish_reason=None),
    "reason odd": changed(finish_reason="content_filter"),
    "reason with escapes": changed(finish_reason="\x1b[31m"),
    "reason a number": changed(finish_reason=3),
    "text null": changed(text=None),
    "half a pair": raw((b'"text": "x"', b'"text": "\\ud800"')),
    "stop unended": changed(finish_reason="abort"),
    "twice": lambda body: iter((head(2) + b"{}" + head(2) + b"{}",)),
}


class Handler(socketserver.BaseRequestHandler):
    server: "Hostile"

    def handle(self) -> None:
        self.request.settimeout(5)
        with suppress(OSError):
            while True:
                line, body = received(self.request)
                if line.startswith(b"GET"):
                    for piece in self.server.offer():
                        self.request.sendall(piece)
                    continue
                for piece in self.server.mode(body):
                    if self.server.over.is_set():
                        return
                    self.request.sendall(piece)
                return


def received(connection: socket.socket) -> tuple[bytes, Body]:
    content = b""
    while b"\r\n\r\n" not in content:
        more = connection.recv(65536)
        if not more:
            raise ConnectionError
        content += more
    first, _, rest = content.partition(b"\r\n\r\n")
    lines = first.lower().split(b"\r\n")
    sizes = [line[15:] for line in lines if line.startswith(b"content-length:")]
    length = int(sizes[0]) if sizes else 0
    while len(rest) < length:
        rest += connection.recv(65536)
    return first, json.loads(rest or b"{}")


class Hostile(socketserver.ThreadingTCPServer):
    """Answers every completion in one mode, /models as `card` says."""

    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, mode: Callable[[Body], Sent], card: Body) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.over = mode, threading.Event()
        self.offer: Callable[[], Sent] = lambda: whole(json.dumps({"data": [card]}).encode())
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def end(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()
