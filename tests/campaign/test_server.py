"""No mode of a hostile server outlasts its deadline, shows the key or passes for an answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from harness.core import UserError
from harness.engines.base import Request
from harness.engines.server import Server
from harness.engines.stopping import Stops
from harness.models.model import Subject
from harness.store.folder import make
from harness.text.masking import masked, masked_values, printable
from harness.text.segmentation import offsets
from tests.campaign.server import KEY, MODES, Hostile, honest, whole

TIMEOUT, PATIENCE = 0.4, 0.0
SLACK = 1.5  # of a busy machine
TODO = Request(("t", "a", "0", "0"), (3, 4, 5, 6), 4, (), tuple(range(4)), 1, "end", 68, 1.0, 1.0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE_KEY", KEY)
    monkeypatch.setattr("harness.engines.server.client.FIRST", 0.01)


@contextmanager
def serving(mode: str, subject: Subject) -> Iterator[tuple[Hostile, Server]]:
    server = Hostile(MODES.get(mode, honest), {"id": "served", "root": subject.path})
    conf = Server(server.url, None, "HOSTILE_KEY", 8, True, True, TIMEOUT, PATIENCE, {}, {})
    try:
        yield server, conf
    finally:
        server.end()


def one_line(said: str) -> None:
    assert said.startswith("engine.")
    assert said.isprintable()
    assert len(said) < 700
    assert KEY not in said


@pytest.mark.parametrize("mode", MODES)
def test_a_hostile_server_is_one_line_within_its_deadline(mode: str, subject: Subject):
    with serving(mode, subject) as (_, conf):
        engine = conf.start(subject, Stops(subject.tokenizer, subject.eos, offsets), "")
        since = time.monotonic()
        with pytest.raises(UserError) as caught:
            list(engine.sample([TODO]))
        engine.close()
        assert time.monotonic() - since < 2 * TIMEOUT + PATIENCE + SLACK
        one_line(str(caught.value))


def test_an_honest_server_beside_it_is_understood(subject: Subject):
    with serving("honest", subject) as (_, conf):
        engine = conf.start(subject, Stops(subject.tokenizer, subject.eos, offsets), "")
        (done,) = engine.sample([TODO])
        engine.close()
    assert [ids[0] for ids in done.token_ids] == [3, 4, 5, 6]


@pytest.mark.parametrize("mode", ["drip", "flood", "bomb", "escapes", "key echoed", "deep"])
def test_what_it_offers_is_bounded_too(mode: str, subject: Subject, monkeypatch):
    monkeypatch.setattr("harness.engines.server.client.OFFER", TIMEOUT)
    with serving("honest", subject) as (server, conf):
        server.offer = lambda: MODES[mode]({})
        since = time.monotonic()
        with pytest.raises(UserError) as caught:
            conf.check(subject)
        assert time.monotonic() - since < TIMEOUT + SLACK
        one_line(str(caught.value))


def test_a_name_that_a_server_offers_is_shown_not_obeyed(subject: Subject):
    with serving("honest", subject) as (server, conf):
        said = f'{{"data": [{{"id": "\\u001b[2J{KEY}"}}]}}'.encode()
        server.offer = lambda: whole(said)
        with pytest.raises(UserError, match=r"serves \?\[2J\*\*\*, not") as caught:
            conf.check(subject)
        one_line(str(caught.value))


def test_credentials_do_not_reach_run_yaml(tmp_path: Path):
    url = "https://me:hunter2@host/v1?sig=abc123"
    extra = {"api_key": "s3cret", "top_k": -1, "max_tokens": 3, "x": [url]}
    values = {
        "engine": {"url": url, "key": "MY_KEY", "tokens": True, "extra": extra},
        "mirror": url,
    }
    make(tmp_path / "r", values, {"seed": 1}, "")
    kept = (tmp_path / "r" / "run.yaml").read_text()
    for secret in ("hunter2", "abc123", "s3cret", "me:"):
        assert secret not in kept
    shown = yaml.safe_load(kept)["engine"]
    assert shown["key"] == "MY_KEY"  # the name of a variable
    assert shown["extra"]["top_k"] == -1
    assert shown["url"] == "https://***@host/v1?sig=***"
    assert masked_values({"a": None, "b": 3}) == {"a": None, "b": 3}
    assert masked("no url: a@b") == "no url: a@b"
    assert printable("a\nb\x1b\u202e") == "a b??"
