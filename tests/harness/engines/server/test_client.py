"""Sampling from a real server, and what happens when it fails."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core import Draw, Route, UserError
from harness.engines import completions as completing
from harness.engines.base import Finished, LazyEngine, Request
from harness.engines.completions import CompletionEngine
from harness.engines.hf import HF
from harness.engines.server import Server
from harness.engines.stopping import Stops
from harness.evidence.recorder import start_of
from harness.evidence.requests import Recorder
from harness.models.conditions import Forbidden, Recycled, Steered
from harness.models.model import Subject
from harness.run.progress import Meter
from harness.run.sampling import gather
from harness.text.segmentation import offsets
from tests.harness.engines.other import other_weights
from tests.harness.engines.server.service import Service
from tests.harness.run.test_job import drawn, written

pytestmark = pytest.mark.slow

CONF = Server(
    url="http://127.0.0.1:1/v1", model=None, key=None, slots=8, tokens=True, seeds=True,
    timeout=60.0, patience=60.0, extra={"top_k": -1}, checkpoints={},
)  # fmt: skip
Serve = Callable[..., Service]


def anything(checkpoint: str, under: object) -> None:
    """The engine can do all that is asked of it."""


@pytest.fixture
def serve(subject: Subject) -> Iterator[Serve]:
    """Starts services of the tiny model; all are gone after the test."""
    services: list[Service] = []

    def started(*faults: str, **changes: Any) -> Service:
        services.append(Service(subject, stops(subject), faults, **changes))
        return services[-1]

    yield started
    for service in services:
        service.kill()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are short in tests."""
    monkeypatch.setattr("harness.engines.server.client.FIRST", 0.01)


def stops(subject: Subject) -> Stops:
    return Stops(subject.tokenizer, subject.eos, offsets)


def engine(service: Service, **changes: Any) -> CompletionEngine:
    conf = replace(CONF, url=service.url, **changes)
    return conf.start(service.subject, stops(service.subject), "")


def shared(services: Sequence[Service], **changes: Any) -> CompletionEngine:
    first = services[0]
    conf = replace(CONF, url=tuple(service.url for service in services), **changes)
    return conf.start(first.subject, stops(first.subject), "")


def request(cut: int, n: int, **changes: Any) -> Request:
    base = tuple(3 + i % 17 for i in range(24))
    fields = {"extra": (), "seed": 10**6 * cut, "until": "end", "max_length": cut + 12} | changes
    fields = {"draws": tuple(range(n)), "temperature": 1.0, "top_p": 1.0} | fields
    return Request(("t", "a", str(cut), "0"), base, cut, **fields)


def sampled(engine: Any, todo: Sequence[Request]) -> list[Finished]:
    done = sorted(engine.sample(todo), key=lambda f: todo.index(f.request))
    engine.close()
    return done


TODO = [
    request(3, 4),
    request(9, 2, max_length=10),
    request(5, 3, until="answer", extra=(5, 6), max_length=60),
    request(8, 3, until="sentence", max_length=90),
]
GREEDY = [replace(r, temperature=0.0) for r in TODO]


@pytest.mark.parametrize("piece", [1, 5, 64])
def test_greedy_rollouts_are_those_of_the_hf_engine(
    serve: Serve, subject: Subject, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "PIECE", piece)
    found = sampled(engine(serve()), GREEDY)
    ours = sampled(HF(8, 400).start(subject, stops(subject), ""), GREEDY)
    assert found == ours
    assert {reason for f in found for reason in f.finish_reason} >= {"length", "answer"}


def test_several_servers_share_the_requests_of_one_base(serve: Serve) -> None:
    alone = sampled(engine(serve()), TODO)
    services = [serve(), serve()]
    assert sampled(shared(services, slots=4), TODO) == alone
    idle = [serve(), serve()]
    dealt = [replace(r, base=(*r.base[:-1], i)) for i, r in enumerate([TODO[0]] * 4)]
    sampled(shared(idle, slots=100), dealt)  # nobody takes what another is about to begin
    assert [len(service.bodies) for service in idle] == [2, 2]
    assert all(service.bodies for service in services)


def test_what_a_server_that_fails_was_to_do_the_others_do(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = sampled(engine(serve()), TODO)
    broken, sound = serve(*["error"] * 100), serve()
    both = shared([broken, sound], slots=4, patience=0.0)
    done = sorted(both.sample(TODO), key=lambda f: TODO.index(f.request))
    assert done == alone
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith(f"engine.url: {broken.url} fails (it answers 500")
    assert err.endswith("); the others do its share\n")
    asked = len(broken.bodies)
    assert len(sampled(both, TODO)) == len(TODO)
    assert len(broken.bodies) == asked
    left = shared([broken, sound])
    broken.kill()
    again = replace(CONF, url=(broken.url, sound.url))
    again.check(sound.subject)
    assert capsys.readouterr().err.startswith(f"left out: engine.url: no server at {broken.url} (")
    again.able(sound.subject, "", ())
    assert sampled(again.start(sound.subject, stops(sound.subject), ""), TODO) == alone
    left.close()
    failing = [serve(*["error"] * 100), serve(*["error"] * 100)]
    with pytest.raises(UserError, match=r"fails .*; what is finished is kept"):
        sampled(shared(failing, patience=0.0), TODO)


@pytest.mark.parametrize(
    ("url", "words"),
    [((), "names no server"), (("http://a", "http://a"), "names http://a twice"), (("a",), "must")],
)
def test_urls_that_are_none_are_refused(url: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=f"^engine.url: {words}"):
        replace(CONF, url=url)


def test_rollouts_are_what_the_server_wrote(serve: Serve, subject: Subject) -> None:
    """Our engine is behind it, so each draw is known: the noise is that of seed + i."""
    todo = [request(3, 3), request(9, 2)]
    single = [replace(r, draws=(0,), seed=r.seed + i) for r in todo for i in r.draws]
    ours = sampled(HF(8, 400).start(subject, stops(subject), ""), single)
    found = sampled(engine(serve()), todo)
    assert [ids for f in found for ids in f.token_ids] == [f.token_ids[0] for f in ours]
    assert [r for f in found for r in f.finish_reason] == [f.finish_reason[0] for f in ours]


def test_rollouts_end_as_they_should_at_any_temperature(serve: Serve, subject: Subject) -> None:
    """What ends a rollout is at its end and nowhere before, whatever the pieces."""
    many = [
        request(5, 12, until="answer", max_length=90),
        request(8, 12, until="sentence", max_length=90),
        request(6, 12, max_length=60),
    ]
    hot = stops(subject)
    for done in sampled(engine(serve(), slots=20), many):
        until = done.request.until
        for ids, reason in zip(done.token_ids, done.finish_reason, strict=True):
            assert not subject.eos & set(ids)
            assert reason in ("stop", "length", until)
            ends = [
                until != "end" and hot.reached(until, (), ids[: i + 1]) for i in range(len(ids))
            ]
            assert not any(ends[:-1])
            assert (reason == until) == any(ends)
            full = len(done.request.prefix) + len(ids) == done.request.max_length
            assert full or reason != "length"
        assert until == "end" or until in done.finish_reason
        assert len(set(done.token_ids)) > 6


def test_a_draw_does_not_depend_on_what_it_is_asked_with(serve: Serve) -> None:
    service = serve()
    (whole,) = sampled(engine(service), [request(5, 6)])
    (some,) = sampled(engine(service), [request(5, 0, draws=(1, 4, 5))])
    assert some.token_ids == tuple(whole.token_ids[i] for i in (1, 4, 5))
    assert sorted((b["n"], b["seed"]) for b in service.bodies) == [
        (1, 5 * 10**6 + 1), (2, 5 * 10**6 + 4), (6, 5 * 10**6),
    ]  # fmt: skip


def test_a_request_says_what_it_must(serve: Serve, subject: Subject) -> None:
    service = serve()
    sampled(engine(service), [request(5, 2, temperature=0.6, top_p=0.95)])
    (body,) = service.bodies
    assert body == {
        "model": "served", "prompt": list(request(5, 2).prefix), "n": 2, "max_tokens": 12,
        "temperature": 0.6, "top_p": 0.95, "seed": 5 * 10**6, "top_k": -1,
        "return_token_ids": True, "stop_token_ids": sorted(subject.eos),
    }  # fmt: skip
    service.bodies.clear()
    sampled(engine(service, tokens=False, seeds=False), [request(5, 2)])
    (body,) = service.bodies
    assert body["prompt"] == subject.tokenizer.decode(list(request(5, 2).prefix))
    assert not {"seed", "return_token_ids", "stop_token_ids"} & set(body)


def test_text_both_ways_gives_the_same_words(serve: Serve, subject: Subject) -> None:
    """The tiny tokenizer is one word a token, so nothing is lost where text is tokenized again."""
    service = serve()
    ids = sampled(engine(service), GREEDY)
    text = sampled(engine(service, tokens=False), GREEDY)
    assert [f.token_ids for f in ids] == [f.token_ids for f in text]


def test_no_more_is_asked_for_at_once_than_slots(serve: Serve) -> None:
    service, live, most = serve(), set[int](), list[int]()
    plain = service.completions

    def counted(body: dict[str, Any]) -> list[dict[str, Any]]:
        live.add(id(body))
        most.append(sum(b["n"] for b in service.bodies if id(b) in live))
        found = plain(body)
        live.discard(id(body))
        return found

    service.completions = counted
    sampled(engine(service, slots=6), [request(5, 2, seed=i) for i in range(8)])
    assert max(most) == 6


@pytest.mark.parametrize("fault", ["error", "hang", "garbage", "packed", "cut", "drop"])
def test_what_passes_is_asked_for_again(serve: Serve, fault: str) -> None:
    todo = [request(5, 2), request(8, 2)]
    plain = sampled(engine(serve()), todo)
    service = serve(fault, "", fault)
    running = engine(service, timeout=1.5 if fault == "hang" else 60.0)
    assert sampled(running, todo) == plain
    assert running.counts["retries"] >= 2
    assert running.counts["requests"] == 2 + running.counts["retries"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("error", r"fails \(it answers 500 out of memory\); what is finished is kept"),
        ("hang", r"fails \(no reply within 0.2 s\); what is finished"),
        ("garbage", r"fails \(it answers <html>no JSON</html>\)"),
        ("binary", r"fails \(it answers \?{9} \?+\)"),
        ("packed", r"fails \(.*\); what is finished"),
        ("cut", r"fails \(.*\); what is finished"),
        ("drop", r"fails \(.*\); what is finished"),
        ("refusal", r"/v1 answers 400 n is too large"),
        ("few", r"returns [13] of [24] completions; if it knows no n, set sampling\.chunk=1"),
        ("wordless", r"^engine\.tokens: .* returns no token ids; set it to false"),
        ("short", r"wrote 1 of 12 tokens and gives length as the reason"),
        ("foreign", r"wrote the token 1000000, which .* lacks; it serves another model"),
        ("negative", r"wrote the token -1, which .* lacks; it serves another model"),
    ],
)
def test_what_does_not_pass_is_one_line(serve: Serve, fault: str, words: str) -> None:
    service = serve(*[fault] * 50)
    with pytest.raises(UserError, match=words) as caught:
        sampled(engine(service, patience=0.05, timeout=0.2 if fault == "hang" else 60.0), TODO[:2])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("engine.")


def test_what_a_server_offers_is_checked(serve: Serve, subject: Subject) -> None:
    with pytest.raises(UserError, match=r"^engine\.url: no server at .* start it$"):
        CONF.check(subject)
    other = serve(id="b", root="x/other")
    conf = replace(CONF, url=f"{other.url}/")
    with pytest.raises(UserError, match=r"serves b, not .*; if it is the same, name it with"):
        conf.check(subject)
    replace(conf, model="b").check(subject)
    with pytest.raises(UserError, match=r"^engine\.model: .* serves b, not c$"):
        replace(conf, model="c").check(subject)
    replace(CONF, url=serve(id="tiny", root=None).url).check(subject)
    with pytest.raises(UserError, match=r"^engine\.url: .* answers 404 "):
        replace(CONF, url=other.url.replace("/v1", "")).check(subject)


def test_a_checkpoint_has_a_server_of_its_own(
    serve: Serve, subject: Subject, tmp_path: Path
) -> None:
    trained = other_weights(subject, tmp_path)
    who = Subject(
        replace(subject.conf, checkpoints={"trained": str(trained), "same": subject.path})
    )
    conf = replace(CONF, url=serve().url)
    with pytest.raises(UserError, match=r"^engine\.checkpoints\.trained: missing; start a server"):
        conf.able(who, "trained", ())
    with pytest.raises(UserError, match=r"^model\.checkpoints\.none: missing"):
        conf.able(who, "none", ())
    conf.able(who, "same", ())
    wrong = replace(conf, checkpoints={"trained": conf.url})
    with pytest.raises(UserError, match=r"serves served, not .*trained; .*, serve it as trained$"):
        wrong.able(who, "trained", ())
    second = Service(who.checkpoint("trained"), stops(who))
    both = replace(conf, checkpoints={"trained": second.url})
    both.able(who, "trained", [Forbidden])
    lazy = LazyEngine(lambda name: both.start(who, stops(who), name), anything)
    mixed = [replace(r, checkpoint=("", "trained")[i % 2]) for i, r in enumerate(GREEDY)]
    found = sampled(lazy, mixed)
    ours = sampled(
        LazyEngine(lambda name: HF(8, 400).start(who, stops(who), name), anything), mixed
    )
    second.kill()
    assert found == ours
    assert lazy.counts["requests"] > len(second.bodies) > 0


def test_forbidden_tokens_are_biased_away(serve: Serve, subject: Subject) -> None:
    never = (5, 8, 11, 2)
    todo = [replace(r, under=(Forbidden(never),)) for r in GREEDY]
    service = serve()
    found = sampled(engine(service), [*todo, request(5, 2)])
    assert found[:-1] == sampled(HF(8, 400).start(subject, stops(subject), ""), todo)
    biased = [body.get("logit_bias") for body in service.bodies]
    assert {str(i): -100 for i in never} in biased
    assert None in biased
    free = sampled(engine(serve()), GREEDY)
    assert {*never} & {i for f in free for ids in f.token_ids for i in ids}
    with pytest.raises(UserError, match=r"wrote the forbidden token \d+; it ignores logit_bias$"):
        sampled(engine(serve("unbiased")), todo[:1])


@pytest.mark.parametrize(
    "kind", [Steered, Recycled, Steered(0, (1.0,), None, False), Route("rl", "kl", 0.1)]
)
def test_what_a_server_cannot_do_is_refused(subject: Subject, kind: Any) -> None:
    with pytest.raises(UserError, match=r"^engine=server: it cannot sample under \w+ing; choose"):
        CONF.able(subject, "", [Forbidden, kind])


def test_a_server_without_seeds_has_no_replica(subject: Subject) -> None:
    CONF.check_replica(subject)
    with pytest.raises(UserError, match=r"^engine\.seeds: false, so that the server's draws"):
        replace(CONF, seeds=False).check_replica(subject)


def test_a_prefix_longer_than_the_servers_limit_is_named(serve: Serve) -> None:
    limited = engine(serve(max_model_len=16))
    with pytest.raises(UserError, match=r"a prefix of 5 tokens and 12 more exceed the 16 that"):
        sampled(limited, [request(5, 2)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "localhost:8000"}, r"^engine\.url: must begin with http"),
        ({"checkpoints": {"b": "x"}}, r"^engine\.checkpoints\.b: must begin with http"),
        ({"slots": 0}, r"^engine\.slots: must be at least 1, got 0"),
        ({"timeout": 0.0}, r"^engine: timeout must be above 0"),
        ({"key": "NO_SUCH_KEY"}, r"^engine\.key: the environment variable NO_SUCH_KEY is not set"),
    ],
)
def test_a_wrong_option_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        replace(CONF, **change)


def test_a_key_is_sent_and_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret")
    conf = replace(CONF, key="A_KEY")
    assert conf.headers == {"Authorization": "Bearer secret"}
    assert "secret" not in repr(conf)


def test_what_was_finished_is_kept_when_the_server_fails(serve: Serve, recorder: Recorder) -> None:
    trace = written(recorder)[0]

    wanted = [(start_of(trace), [Draw(b, 5) for b in range(4)])]
    service = serve(*[""] * 5, *["error"] * 100)
    meter = Meter("test", None)
    failing = engine(service, patience=0.05, slots=2)
    with pytest.raises(UserError, match="answers 500"):
        gather(recorder, failing, wanted, meter)
    failing.close()
    before = [key for key in drawn(recorder.run) if key[2] == "resample"]
    assert 8 <= len(before) <= 10  # five requests of at most two draws were answered
    service.faults.clear()
    gather(recorder, engine(service), wanted, meter)
    after = [key for key in drawn(recorder.run) if key[2] == "resample"]
    assert after == [(trace.id, b, "resample", d) for b in range(4) for d in range(5)]


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    serve: Serve, recorder: Recorder
) -> None:
    todo = [request(5, 2, seed=9 * i) for i in range(16)]
    plain = sampled(engine(serve()), todo)
    service = serve()

    def replaced() -> None:
        while len(service.bodies) < 4:
            time.sleep(0.005)
        service.kill()
        time.sleep(0.3)
        serve(port=service.server_port)

    killer = threading.Thread(target=replaced)
    killer.start()
    running = engine(service, slots=4)
    assert sampled(running, todo) == plain
    killer.join()
    assert running.counts["retries"] > 0


def test_an_interrupt_lets_go_of_the_server(serve: Serve) -> None:
    service = serve("", "hang", "hang")
    running = engine(service, slots=4)
    since = time.monotonic()
    finished = running.sample([request(5, 2, seed=i) for i in range(3)])
    next(finished)
    finished.close()
    running.close()
    assert time.monotonic() - since < 20
