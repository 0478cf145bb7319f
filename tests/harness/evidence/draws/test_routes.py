"""Rollouts that two checkpoints write, from what is wanted to what is recorded."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import UserError
from harness.core import Condition, Draw, Forbid, Route, Steer
from harness.engines.base import LazyEngine
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.draws.arms import declare, meanings
from harness.evidence.recorder import Recorder, start_of
from harness.evidence.requests import requests
from harness.evidence.wants import checkpoints
from harness.models.model import Subject
from harness.run.progress import Meter
from harness.run.sampling import gather
from harness.store import rollouts, schema
from harness.store.files import parts
from tests.harness.engines.other import other_weights
from tests.harness.run.test_job import written

INFINITE = float("inf")


@pytest.fixture
def paired(recorder: Recorder, tmp_path: Path) -> Recorder:
    """The tiny model with another checkpoint under two names."""
    path = str(other_weights(recorder.subject, tmp_path))
    known = {"trained": path, "again": path}
    return replace(recorder, subject=Subject(replace(recorder.subject.conf, checkpoints=known)))


def routed(threshold: float, arm: str, **changes: object) -> Draw:
    under = (Route("again", "kl", threshold), Forbid((" so",)))
    return Draw(1, 3, arm=arm, condition=Condition(**{"under": under} | changes))


def test_the_share_that_another_wrote_is_recorded(paired: Recorder) -> None:
    trace = written(paired)[0]
    who = paired.subject
    stops = Stops(who.tokenizer, who.eos, paired.segmenter)
    conf = HF(8, 400)
    engine = LazyEngine(
        lambda name: conf.start(who, stops, name), lambda name, under: conf.able(who, name, under)
    )
    half = Condition(under=(Route("again", "random", 0.5),))
    some = Draw(1, 3, arm="some", condition=half)
    wants = [routed(0.0, "all"), routed(INFINITE, "none"), some, Draw(1, 3)]
    gather(paired, engine, [(start_of(trace), wants)], Meter("test", None))
    found = rollouts.load(paired.folder(trace.id))
    everything = found["all", 1]
    assert everything.routed.tolist() == everything.n_tokens.tolist()
    assert found["none", 1].routed.tolist() == [0, 0, 0]
    mixed = found["some", 1]
    assert 0 < mixed.routed.sum() < mixed.n_tokens.sum()
    assert mixed.take(mixed.draw > 0).routed.tolist() == mixed.routed.tolist()[1:]
    assert found["resample", 1].routed is None
    frame = parts(paired.folder(trace.id), schema.ROLLOUTS)
    assert frame["routed"].null_count() == 3


def test_what_routes_is_named_once_and_belongs_to_what_an_arm_means(paired: Recorder) -> None:
    trace = written(paired)[0]
    start = start_of(trace)
    request, *_ = requests(paired, start, [routed(0.1, "a")])
    assert request.route == Route("trained", "kl", 0.1)  # the first name of this checkpoint
    assert checkpoints([routed(0.1, "a")]) == ["", "again"]
    declare(paired.run, trace.id, [routed(INFINITE, "a")], paired.sampling)
    declare(paired.run, trace.id, [routed(INFINITE, "a")], paired.sampling)
    for other in (routed(-INFINITE, "a"), routed(0.5, "a"), routed(INFINITE, "a", under=())):
        with pytest.raises(UserError, match=r"arm a of .* was drawn with under="):
            declare(paired.run, trace.id, [other], paired.sampling)
    probe = Route("again", "probe", 0.5, 1, (0.25,) * 32, 1.5)
    meaning = meanings([Draw(0, 1, arm="b", condition=Condition(under=(probe,)))], paired.sampling)
    (under,) = meaning["b"]["under"]
    assert under["bias"] == 1.5
    assert isinstance(under["vector"], str)


def test_a_checkpoint_cannot_take_over_from_itself(paired: Recorder) -> None:
    start = start_of(written(paired)[0])
    for name in ("trained", "again"):
        with pytest.raises(UserError, match="arm a: again writes, and cannot take over from itse"):
            list(requests(paired, start, [routed(0.1, "a", checkpoint=name)]))
    under = (Route("", "kl", 0.1),)
    with pytest.raises(UserError, match="arm a: the model itself writes"):
        list(requests(paired, start, [Draw(1, 1, arm="a", condition=Condition(under=under))]))


def test_routes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="its threshold is no number"):
        Route("rl", "kl", float("nan"))
    for router, vector in [("kl", (1.0,)), ("probe", ())]:
        with pytest.raises(UserError, match=f"router {router}; a vector is what a probe needs"):
            Route("rl", router, 0.1, 0, vector)
    route = Route("rl", "kl", 0.1)
    with pytest.raises(UserError, match="only one Route"):
        Condition(under=(route, Steer(0, (1.0,)), replace(route, threshold=1.0)))
