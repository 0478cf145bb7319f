"""Detectors on two checkpoints, on readings by hand."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from harness import UserError
from harness.core import Derived, Draw, Evidence, Read, Reading, SentenceScores
from harness.core.condition import PLAIN
from harness.interventions.stability import Sides, Stability, Unfitted
from harness.interventions.validation.intervention import About
from harness.interventions.validation.results import dressed
from harness.models.model import Model
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

CONF = Stability("rl", (), None, ("topdown", "spearman"), 4)
MODEL = Model("m", "base", None, "float32", "cpu", "{question}", "", "", "", False, {"rl": "x"}, ())


@dataclass(frozen=True)
class First:
    """The entropy at the first token of a sentence, times what was learnt."""

    times: float = 1.0
    family = "information"
    signed = False

    def wants(self, trace, have):
        return [Read(entropy=True)]

    def score(self, trace, evidence):
        at = [s.start for s in trace.sentences]
        return SentenceScores(self.times * np.asarray(evidence.reading.entropy)[at])


@dataclass(frozen=True)
class Turned:
    """Learns the sign of the mean entropy."""

    family = "information"
    signed = False

    def wants(self, trace, have):
        return [Read(entropy=True)]

    def score(self, trace, evidence):
        raise AssertionError("not fitted")

    def fit(self, traces, evidence):
        return First(float(np.sign(np.mean([np.mean(e.reading.entropy) for e in evidence]))))


def have(entropy: np.ndarray, **more) -> Evidence:
    readings = {PLAIN: Reading(entropy=entropy)}
    return Evidence(4, "", (), readings=readings, **more)


def seen(n: int = 12, sentences: int = 12, sign: float = 1.0):
    """Traces whose other checkpoint has the same entropies, turned where sign is −1."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        one = trace(f"p{i}", [None] * sentences)
        entropy = rng.exponential(size=2 * sentences).astype(np.float32)
        other = Derived(replace(one, id=f"{one.id}~rl"), have(sign * entropy))
        found.append((one, have(entropy, derived={"rl": other})))
    return found


def summary(sides: Sides, traces):
    frames = [
        dressed(
            sides.rows(one, evidence),
            schema.VALIDATION,
            {"trace_id": one.id, "problem_id": one.problem.id, "fold": None},
        )
        for one, evidence in traces
    ]
    return sides.summary(pl.concat(frames), AGREEMENT)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_same_scores_agree_and_turned_ones_oppose(sign: float):
    sides = Sides(CONF, {"first": First()}, frozenset(), {})
    found = summary(sides, seen(sign=sign)).filter(measure="spearman")
    row = found.row(0, named=True)
    assert (row["part"], row["method"], row["n_problems"]) == ("rl", "first", 12)
    assert row["value"] == pytest.approx(sign)
    under = summary(sides, seen(sign=sign)).filter(measure="spearman under structure")
    assert under["value"].item() == pytest.approx(sign)


def test_each_side_is_fitted_on_what_its_checkpoint_reads():
    traces = seen(sign=-1.0)
    unfitted = Unfitted(Sides(CONF, {"turned": Turned()}, frozenset(), {}), {"turned": Turned()})
    sides = unfitted.fit([one for one, _ in traces], [evidence for _, evidence in traces])
    assert sides.fitted["turned"] == (First(1.0), First(-1.0))
    # what opposed is turned back by what the other side learnt
    assert summary(sides, traces).filter(measure="spearman")["value"].item() == pytest.approx(1.0)


def test_the_other_checkpoint_draws_as_many_as_it_is_asked_for():
    @dataclass(frozen=True)
    class Drawing(First):
        def wants(self, trace, have):
            return [Draw(0, have.draws)]

    few = replace(CONF, drawn=("d",), draws=3)
    sides = Sides(few, {"d": Drawing()}, frozenset(), {})
    one, there = trace("p", [None]), have(np.zeros(2))
    assert [w.n for w in sides.wants(one, there)] == [4]
    assert [w.n for w in sides.wants_of("rl", one, there)] == [3]
    assert [w.n for w in replace(sides, conf=replace(few, draws=9)).wants_of("rl", one, there)] == [
        4
    ]


def test_who_takes_part():
    about = About(MODEL, 4, (), 2, {"first": First()}, frozenset(), lambda _: ())
    sides = CONF.prepared(about)
    assert isinstance(sides, Sides)
    (variant,) = sides.variants(trace("p", [None]), have(np.zeros(2)))
    assert variant.checkpoint == "rl"
    assert isinstance(CONF.prepared(replace(about, detectors={"t": Turned()})), Unfitted)
    with pytest.raises(UserError, match="no detector that reads the model alone"):
        CONF.prepared(replace(about, detectors={}))
    for model, what in (
        (replace(MODEL, checkpoints={}), r"needs model\.checkpoints\.rl; declare it"),
        (replace(MODEL, checkpoints={"rl": "base"}), "is the model itself"),
    ):
        with pytest.raises(UserError, match=what):
            CONF.prepared(replace(about, model=model))
