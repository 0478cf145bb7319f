"""Engines of several checkpoints, one after another."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Route, UserError
from harness.engines.base import Finished, LazyEngine, Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden, Recycled, Steered
from harness.models.model import Subject
from harness.text.segmentation import offsets
from tests.harness.engines.other import other_weights


def anything(checkpoint: str, under: object) -> None:
    """The engine can do all that is asked of it."""


@pytest.fixture
def pair(subject: Subject, tmp_path: Path) -> Subject:
    """The tiny model with another checkpoint."""
    checkpoints = {"trained": str(other_weights(subject, tmp_path))}
    return Subject(replace(subject.conf, checkpoints=checkpoints))


def requests(checkpoints: Iterable[str]) -> list[Request]:
    base = tuple(3 + i % 17 for i in range(12))
    return [
        Request((str(i),), base, 4 + i, (), (0, 1), i, "end", 20 + i, 1.0, 0.9, name)
        for i, name in enumerate(checkpoints)
    ]


class Journal:
    """Engines of a subject, counted, and the order in which they start, take and end."""

    def __init__(self, subject: Subject) -> None:
        self.subject, self.events = subject, list[tuple[str, str]]()

    def start(self, checkpoint: str) -> "Noted":
        self.events.append(("start", checkpoint))
        return Noted(self, checkpoint)


class Noted:
    """The real engine of a checkpoint, which notes what happens to it."""

    def __init__(self, journal: Journal, checkpoint: str) -> None:
        who = journal.subject
        stops = Stops(who.tokenizer, who.eos, offsets)
        self.engine = HF(4, 100).start(who, stops, checkpoint)
        self.journal, self.checkpoint, self.counts = journal, checkpoint, Counter[str]()

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        for done in self.engine.sample(requests):
            self.counts["requests"] += 1
            yield done

    def close(self) -> None:
        self.journal.events.append(("close", self.checkpoint))


def by_key(found: Iterable[Finished]) -> dict[tuple[str, ...], Finished]:
    return {done.request.key: done for done in found}


def test_checkpoints_of_one_stream_are_sampled_one_after_another(pair: Subject) -> None:
    journal = Journal(pair)
    lazy = LazyEngine(journal.start, anything)
    names = ["", "trained", "", "trained", "trained", ""]
    found = by_key(lazy.sample(requests(names)))
    assert journal.events == [("start", ""), ("close", ""), ("start", "trained")]
    assert lazy.counts == {"requests": 6}
    for name in ("", "trained"):
        alone = [r for r in requests(names) if r.checkpoint == name]
        apart = by_key(Noted(journal, name).sample(alone))
        assert {key: found[key] for key in apart} == apart
    same = [replace(r, checkpoint="") for r in requests(names)]
    other = by_key(Noted(journal, "").sample(same))
    differ = [key for key in found if found[key].token_ids != other[key].token_ids]
    assert set(differ) == {("1",), ("3",), ("4",)}


def test_nothing_is_started_for_nothing_and_no_request_is_asked_for_early(pair: Subject) -> None:
    journal, asked = Journal(pair), list[int]()
    lazy = LazyEngine(journal.start, anything)
    assert list(lazy.sample([])) == []
    assert journal.events == []

    def coming() -> Iterator[Request]:
        for i, request in enumerate(requests([""] * 9)):
            asked.append(i)
            yield replace(request, base=(*request.base, 3 + i))

    next(lazy.sample(coming()))
    assert len(asked) < 9


def test_what_hf_cannot_do_is_one_line(pair: Subject) -> None:
    conf, width = HF(4, 100), pair.config.hidden_size
    conf.able(pair, "trained", [Steered, Forbidden, Recycled])
    conf.able(pair, "", [Steered(-1, (0.0,) * width, None, True), Forbidden((5,)), Recycled(3, ())])
    for under, words in [
        (Steered(4, (0.0,) * width, None, True), r"^layer 4: the model has blocks 0 to 3$"),
        (Recycled(-5, (3,)), r"^layer -5: the model has blocks 0 to 3$"),
        (Steered(0, (0.0,), None, True), r"^condition: a steering vector of 1 numbers; .* 32$"),
        (Forbidden((99,)), r"^condition: the token 99; the model has 23$"),
    ]:
        with pytest.raises(UserError, match=words):
            conf.able(pair, "", [under])
    with pytest.raises(UserError, match=r"^model\.checkpoints\.base: missing"):
        conf.able(pair, "base", [])


def test_where_another_checkpoint_cannot_take_over_is_one_line(
    pair: Subject, tmp_path: Path
) -> None:
    conf, width = HF(4, 100), pair.config.hidden_size
    conf.able(pair, "", [Route("trained", "kl", 0.1)])
    conf.able(pair, "trained", [Route("", "probe", 0.1, -1, (0.1,) * width)])
    words = shutil.copytree(pair.conf.checkpoints["trained"], tmp_path / "words")
    file = words / "tokenizer.json"
    file.write_text(file.read_text().replace('" pears"', '" plums"'))
    checkpoints = {**pair.conf.checkpoints, "words": str(words)}
    other = Subject(replace(pair.conf, checkpoints=checkpoints))
    for route, told in [
        (Route("none", "kl", 0.1), r"^model\.checkpoints\.none: missing"),
        (Route("trained", "probe", 0.1, 4, (0.1,) * width), r"^layer 4: the model has blocks"),
        (Route("trained", "probe", 0.1, 0, (0.1,)), r"^condition: a probe of 1 numbers"),
        (Route("words", "kl", 0.1), r"^model\.checkpoints\.words: token 8 is ' plums' to its"),
    ]:
        with pytest.raises(UserError, match=told):
            conf.able(other, "", [route])
