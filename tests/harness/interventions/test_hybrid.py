"""Hybrid decoding as an intervention, on evidence made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness import UserError
from harness.agreement import Agreement
from harness.core import Comparison, Evidence, Reading, Rollouts, Route, Trace
from harness.engines.completions import check_under
from harness.evidence.example import TRACE
from harness.interventions.hybrid import Hybrid, Unfitted
from harness.interventions.routed import ALONE, FIT, PROBE, Routed
from harness.interventions.validation.intervention import About
from harness.models.model import Model
from harness.store import schema
from tests.harness import comparing

CONF = Hybrid("", "rl", ("kl", "disagreement", "entropy", "random"), ("m",), (0.1, 0.5), 4, 1, 1e-6)
TOKENS, SENTENCES = len(TRACE.token_ids), len(TRACE.sentences)


@pytest.fixture(scope="module")
def conf() -> Agreement:
    return comparing.load()


def seen(number: int) -> tuple[Trace, Evidence]:
    """A trace of its own problem; its KL is its token's number, its scores lie on a line."""
    rng = np.random.default_rng(number)
    problem = replace(TRACE.problem, id=f"p{number}")
    trace = replace(TRACE, id=f"t{number}", problem=problem)
    states = rng.normal(size=(TOKENS, 3))
    kl = np.arange(TOKENS, dtype=float)
    kl[3] = np.nan
    line = states[[s.start for s in trace.sentences]] @ [1.0, -2.0, 0.5]
    reading = Reading(entropy=kl[::-1].copy(), states={1: states})
    answers = {CONF.compares: Comparison(kl, kl, np.zeros(TOKENS))}
    have = Evidence(4, "", (), readings={CONF.reads.condition: reading}, answers=answers)
    return trace, replace(have, scores={"m": line})


def fitted(n: int = 3) -> Routed:
    traces, evidence = zip(*map(seen, range(n)), strict=True)
    return Unfitted(CONF, frozenset()).fit(traces, evidence)


def drawn(right: Sequence[bool], routed: Sequence[int] | None = None) -> Rollouts:
    n = len(right)
    counts = None if routed is None else np.array(routed)
    tens = np.full(n, 10)
    return Rollouts(
        np.arange(n), ("",) * n, np.array(right), ("",) * n, n_tokens=tens, routed=counts
    )


def test_thresholds_give_the_wanted_shares_of_other_problems():
    found = {(arm.part, arm.share): arm.route for arm in fitted().arms if arm.part != PROBE}
    # 23 of the 24 values of each trace are defined: 2.3 of them are a tenth.
    assert found["kl", 0.1] == Route("rl", "kl", 22.0)
    assert found["kl", 0.5] == Route("rl", "kl", 12.0)
    assert found["random", 0.1] == Route("rl", "random", 0.9)
    assert found["disagreement", None] == Route("rl", "disagreement", 1.0)
    assert ("disagreement", 0.1) not in found
    assert {router for router, _ in found} == {"kl", "entropy", "random", "disagreement"}


def test_a_probe_carries_scores_to_states_it_never_saw():
    routed = fitted(6)
    trace, have = seen(9)
    arms = [arm for arm in routed.arms if arm.part == PROBE]
    assert [(arm.method, arm.share) for arm in arms] == [("m", 0.1), ("m", 0.5)]
    rollouts = {(a.draw(routed.writers).arm, 0): drawn([True], [1]) for a in (*ALONE, *routed.arms)}
    rows = routed.rows(trace, replace(have, rollouts=rollouts))
    (fit,) = rows.filter(measure=FIT)["value"]
    # Within a trace scores are standardised, so that lines of several traces differ in their scale.
    assert fit > 0.95
    tokens = [s.stop - s.start for s in trace.sentences for _ in range(6)]
    values = np.concatenate(
        [routed.probes["m"].of(h.readings[CONF.reads.condition].states[1])[
            [s.start for s in t.sentences]] for t, h in map(seen, range(6))]
    )  # fmt: skip
    for arm in arms:
        assert arm.route
        share = sum(np.array(tokens)[values >= arm.route.threshold]) / sum(tokens)
        assert share == pytest.approx(arm.share, abs=0.5 / len(values) + 1e-9)


def test_a_method_without_scores_has_no_probe():
    traces, evidence = zip(*map(seen, range(3)), strict=True)
    none = [replace(have, scores={}) for have in evidence]
    routed = Unfitted(CONF, frozenset()).fit(traces, none)
    assert routed.probes == {}
    assert routed.reads not in routed.wants(traces[0], none[0])
    assert all(arm.part != PROBE for arm in routed.arms)


def test_what_differs_has_an_arm_of_its_own():
    routed, trace = fitted(), seen(9)[0]
    draws = [want for want in routed.wants(trace, seen(9)[1]) if want != routed.reads]
    assert len({draw.arm for draw in draws}) == len(draws) == 2 + len(routed.arms)
    assert draws[0].condition.checkpoint == ""
    assert draws[1].condition.checkpoint == "rl"
    other = fitted(2).arms
    shared = {a.route: a.draw(routed.writers).arm for a in routed.arms}
    assert all(shared.get(a.route, a.draw(routed.writers).arm) == a.draw(routed.writers).arm
               for a in other)  # fmt: skip
    assert {a.draw(routed.writers).arm for a in other} != set(shared.values())


def frame(base: Sequence[float], done: Sequence[float], other: Sequence[float]) -> pl.DataFrame:
    """The rows of many problems, four draws each, whose share of right ones is given."""
    rows: list[dict[str, Any]] = []
    for number, shares in enumerate(zip(base, done, other, strict=True)):
        trace = {"trace_id": f"t{number}", "problem_id": f"p{number}"}
        for part, share, at in zip(("base", "kl", "other"), shares, (None, 0.1, None), strict=True):
            for draw in range(4):
                value = float(draw < 4 * share)
                rows.append({**trace, "part": part, "measure": "correct", "at": at,
                             "value": value, "n": 1})  # fmt: skip
        rows.append({**trace, "part": "kl", "measure": "share routed", "at": 0.1, "value": 0.12})
    return pl.DataFrame(rows, schema={**schema.VALIDATION}, orient="row")


def test_the_gap_recovered_by_hand(conf: Agreement):
    base, other = [0.25, 0.5] * 10, [0.75, 1.0] * 10
    done = [0.5, 0.75] * 10
    found = fitted().summary(frame(base, done, other), conf)
    values = {(row["part"], row["measure"]): row for row in found.iter_rows(named=True)}
    assert values["base", "correct"]["value"] == pytest.approx(0.375)
    assert values["other", "correct"]["value"] == pytest.approx(0.875)
    gap = values["kl", "gap recovered"]
    assert (gap["value"], gap["at"]) == (pytest.approx(0.5), 0.1)
    assert gap["low"] == pytest.approx(0.5)  # it is .5 of every problem's gap
    assert gap["high"] == pytest.approx(0.5)
    assert values["kl", "share routed"]["value"] == pytest.approx(0.12)
    assert ("base", "gap recovered") not in values


def test_nothing_is_recovered_of_a_gap_that_may_be_0(conf: Agreement):
    shares = [0.25, 0.75] * 10
    found = fitted().summary(frame(shares, [0.5] * 20, shares[::-1]), conf)
    (gap,) = found.filter(measure="gap recovered").iter_rows(named=True)
    assert gap["value"] is None
    assert "may be 0" in gap["reason"]


def test_rows_are_draws_and_the_share_of_their_tokens():
    routed = fitted()
    trace, have = seen(9)
    rollouts = {
        (arm.draw(routed.writers).arm, 0): drawn([True, False, True, True], [1, 0, 0, 3])
        for arm in (*ALONE, *routed.arms)
    }
    rows = routed.rows(trace, replace(have, rollouts=rollouts))
    kl = rows.filter(pl.col("part") == "kl", pl.col("at") == 0.1)
    assert kl.filter(measure="correct")["value"].to_list() == [1, 0, 1, 1]
    assert kl.filter(measure="correct")["draw"].to_list() == [0, 1, 2, 3]
    (share,) = kl.filter(measure="share routed").iter_rows(named=True)
    assert (share["value"], share["n"], share["threshold"]) == (0.1, 4, 22.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shares": (0.1, 1.0)}, r"^validate\.hybrid\.shares: must lie between 0 and 1"),
        ({"shares": ()}, r"^validate\.hybrid\.shares"),
        ({"draws": 0}, r"^validate\.hybrid\.draws: must be at least 1, got 0"),
        ({"ridge": 0.0}, r"^validate\.hybrid\.ridge: must be above 0"),
        ({"routers": ("probe",)}, r"^validate\.hybrid\.routers: probes are named by `methods`"),
    ],
)
def test_a_wrong_option_is_named(change: dict[str, Any], words: str):
    with pytest.raises(UserError, match=words):
        replace(CONF, **change)


def test_what_a_run_lacks_is_named():
    checkpoints = {"rl": "b", "same": "a"}
    text = {"name": "m", "path": "a", "revision": None, "dtype": "float32", "device": "cpu",
            "prompt": None, "open_tag": "", "close_tag": "", "force": "",
            "trust_remote_code": False, "series": ()}  # fmt: skip
    model = Model(**text, checkpoints=checkpoints)
    about = About(model, 2, (), 2, {}, frozenset(), lambda _: ())
    assert isinstance(CONF.prepared(about), Unfitted)
    for change, words in [
        ({"other": "none"}, "^needs a second checkpoint; declare it"),
        ({"other": "same"}, "^base and other are one checkpoint"),
        ({"layer": 2}, "^layer 2: the model has blocks 0 to 1"),
    ]:
        with pytest.raises(UserError, match=words):
            replace(CONF, **change).prepared(about)

    def unable(checkpoint: str, under: tuple[Route, ...]) -> None:
        check_under("vllm", under)

    with pytest.raises(UserError, match=r"^engine=vllm: it cannot sample under routing;"):
        CONF.prepared(replace(about, able=unable))
