"""A judge's endpoint: what it says is kept, what it takes counted, what fails told in one line."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.core import Ask, Reply
from harness.evidence.asking import endpoint
from harness.evidence.asking.endpoint import Endpoints


class Service(ThreadingHTTPServer):
    """Answers with what stands in `replies`, the last one from then on."""

    daemon_threads = True

    def __init__(self, *replies: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies, self.asked = list(replies), list[tuple[str, dict, str | None]]()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Who waits for no slow reply is not told on the tests' terminal."""


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers["Authorization"]))
        replies = self.server.replies
        status, text = replies.pop(0) if len(replies) > 1 else replies[0]
        time.sleep(1.0 if text == "slow" else 0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Nothing on the tests' terminal."""


def said(text: str | None, tokens: int = 30) -> tuple[int, str]:
    message = {"choices": [{"message": {"content": text}}], "usage": {"total_tokens": tokens}}
    return 200, json.dumps(message)


@pytest.fixture
def serve() -> Iterator:
    made: list[Service] = []

    def start(*replies: tuple[int, str]) -> tuple[Service, Ask]:
        made.append(Service(*replies))
        url = f"http://127.0.0.1:{made[-1].server_port}/v1/"
        return made[-1], Ask(url, "some-judge", "", "Which of these?", 50, 5.0, 100)

    yield start
    for service in made:
        service.shutdown()
        service.server_close()


def test_a_reply_is_paid_once_and_counted(serve, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", "s3cret")
    service, want = serve(said("1: 5"))
    want = replace(want, key="JUDGE_KEY")
    first = Endpoints(tmp_path)
    assert first.reply(want) == Reply("1: 5", 30)
    assert Endpoints(tmp_path).reply(replace(want, timeout=1.0, budget=1)) == Reply("1: 5", 30)
    ((path, body, key),) = service.asked
    assert (path, key) == ("/v1/chat/completions", "Bearer s3cret")
    assert body["messages"] == [{"role": "user", "content": "Which of these?"}]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("some-judge", 50, 0)
    assert first.spent() == 30
    assert not any("s3cret" in file.read_text() for file in tmp_path.iterdir())


def test_nothing_is_asked_beyond_the_budget(serve, tmp_path: Path):
    service, want = serve(said("1: 5", 60))
    made = Endpoints(tmp_path)
    replies = [made.reply(replace(want, message=str(i))) for i in range(3)]
    assert [reply.tokens for reply in replies] == [60, 60, 0]
    assert replies[2].fault == "the budget of 100 tokens is spent (120)"
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ((200, "<html>hello"), "the endpoint answers <html>hello"),
        ((200, ""), "the endpoint answers nothing"),
        ((401, "no\x1b[2J key"), "the endpoint answers 401 no?[2J key"),
        (said(None), "the endpoint replies without a text"),
        ((200, '{"choices": [], "usage": {"total_tokens": 1}}'), "the endpoint replies without"),
    ],
)
def test_nonsense_is_told_in_one_line_and_not_kept(serve, tmp_path: Path, reply, fault: str):
    _, want = serve(reply)
    found = Endpoints(tmp_path).reply(want)
    assert found.fault.startswith(fault)
    assert len(found.fault.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_busy_endpoint_is_asked_again(serve, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(endpoint, "PAUSE", 0.01)
    service, want = serve((429, "later"), (503, "later"), said("2: 1"))
    assert Endpoints(tmp_path).reply(want).text == "2: 1"
    assert len(service.asked) == 3


def test_one_that_is_slow_or_down_is_not_tested_and_tried_once(serve, tmp_path: Path):
    service, want = serve((200, "slow"))
    made, want = Endpoints(tmp_path), replace(want, timeout=0.2)
    faults = [made.reply(replace(want, message=str(i))).fault for i in range(2)]
    assert faults == [f"not tested: no endpoint at {want.url} (no reply within 0.2 s)"] * 2
    assert len(service.asked) == 1
    down = Endpoints(tmp_path).reply(replace(want, url="http://127.0.0.1:9/v1")).fault
    assert down.startswith("not tested: no endpoint at http://127.0.0.1:9/v1 (")


def test_a_wrong_url_and_a_missing_key_are_told(tmp_path: Path):
    want = Ask("file:///x", "m", "", "?", 5, 1.0, 9)
    assert "must begin with http://" in Endpoints(tmp_path).reply(want).fault
    keyless = replace(want, url="http://x", key="NO_SUCH_KEY_HERE")
    assert Endpoints(tmp_path).reply(keyless).fault.endswith("NO_SUCH_KEY_HERE is not set")
