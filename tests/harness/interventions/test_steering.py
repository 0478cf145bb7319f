"""Steering on states and rollouts by hand: two draws a place, one right, made likelier or not."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
import yaml

from harness import UserError
from harness.cli.validation import interventions
from harness.core import PLAIN, Condition, Evidence, Reading, Rollouts
from harness.interventions.steered.effects import BIAS, ELSEWHERE, ELSEWHERE_STEERED, STEERED
from harness.interventions.steered.pushes import ARM
from harness.interventions.steering import Aiming, Applied, Steering, Trying
from harness.interventions.validation.intervention import About
from harness.interventions.validation.results import dressed
from harness.models.model import Model
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

WIDTH = 3
NODE = yaml.safe_load((files("conf") / "validate" / "steering.yaml").read_text(encoding="utf-8"))
MADE = interventions(NODE)["steering"]
assert isinstance(MADE, Steering)
CONF = replace(MADE, layers=(0, 1), scales=(1.0, 2.0), randoms=2, draws=2, check=0, min_problems=2)
MODEL = Model("m", "base", None, "float32", "cpu", "{question}", "", "", "", False, {"rl": "x"}, ())
KINDS = ["PLAN", "BACK", "EXEC", "KEEP"]
RL = Condition("rl")


def states(where: dict[int, float]) -> Evidence:
    """RL's states differ by so much at some tokens, at layer 1 twice that."""
    mine = np.zeros((8, WIDTH), np.float32)
    other = mine.copy()
    for token, size in where.items():
        other[token, 0] = size
    readings = {
        PLAIN: Reading(states={0: mine, 1: mine}),
        RL: Reading(states={0: other, 1: 2 * other}),
    }
    return Evidence(2, "", (), readings=readings)


def fitted() -> Trying:
    """Reviews are sentences 1 and 3, whose first tokens are 2 and 6."""
    traces = [trace("a", KINDS), trace("b", KINDS), trace("c", ["PLAN"])]
    evidence = [states({2: 1.0, 6: 3.0}), states({2: 1.0, 6: 3.0}), Evidence(2, "", ())]
    return Aiming(CONF, (0, 1)).fit(traces, evidence)


def test_the_vector_is_the_mean_difference_where_reviews_begin():
    trying = fitted()
    assert trying.vectors[0].tolist() == [2.0, 0.0, 0.0]
    assert trying.vectors[1].tolist() == [4.0, 0.0, 0.0]
    assert trying.biases[0].tolist() == [0.5, 0.0, 0.0]  # over 8 tokens
    with pytest.raises(UserError, match=r"^1 calibration problems have .* a vector needs 2"):
        Aiming(CONF, (0, 1)).fit([trace("a", KINDS)], [states({2: 1.0})])


def drawn(likelier: dict[Condition, float]) -> Rollouts:
    """One right draw and one wrong; the right one is so much likelier under a condition."""
    sampled = {PLAIN: np.log([0.5, 0.5])}
    sampled |= {c: np.log([0.5 + more, 0.5 - more]) for c, more in likelier.items()}
    return Rollouts(
        np.arange(2), ("1", "2"), np.array([True, False]), ("No, wait.", "All right."),
        sampled=sampled,
    )  # fmt: skip


def test_the_layer_and_scale_that_do_most_are_chosen():
    trying = fitted()
    assert len(trying.candidates) == 4
    gains = {(0, 1.0): 0.1, (0, 2.0): 0.2, (1, 1.0): 0.3, (1, 2.0): -0.1}
    places = {
        (ARM, k): drawn({trying.push(*c).at(k): gain for c, gain in gains.items()}) for k in (1, 3)
    }
    have = Evidence(2, "", (), rollouts=places)
    applied = trying.fit([trace("a", KINDS)], [have])
    assert applied.chosen == (1, 1.0)
    assert applied.pushes[STEERED].vector.tolist() == [4.0, 0.0, 0.0]
    assert applied.pushes[BIAS].vector.tolist() == [4.0, 0.0, 0.0]  # as long, its own direction
    lengths = [float(np.linalg.norm(push.vector)) for push in applied.pushes.values()]
    assert lengths == pytest.approx([4.0] * 4)
    with pytest.raises(UserError, match="too unlikely to be weighted"):
        replace(trying, conf=replace(CONF, min_share=1.1)).fit([trace("a", KINDS)], [have])


def gathered(applied: Applied, one, gains: dict[str, float]) -> Evidence:
    """Rollouts at all places that are looked at, each condition gaining so much."""
    rollouts = {
        (ARM, place): drawn({c: gains.get(name, 0.0) for name, c in conditions.items()})
        for place, conditions in applied.looked_at(one, Evidence(2, "", ()))
    }
    return Evidence(2, "", (), rollouts=rollouts)


def summary(gains: dict[str, float], n: int = 12, jitter: float = 0.0) -> pl.DataFrame:
    trying = fitted()
    applied = Applied(CONF, (0, 1.0), {STEERED: trying.push(0, 1.0), BIAS: trying.push(1, 1.0)})
    rng, frames = np.random.default_rng(0), []
    for i in range(n):
        one = trace(f"p{i}", KINDS)
        moved = {name: gain + jitter * float(rng.normal()) for name, gain in gains.items()}
        rows = applied.rows(one, gathered(applied, one, moved))
        known = {"trace_id": one.id, "problem_id": one.problem.id, "fold": 0}
        frames.append(dressed(rows, schema.VALIDATION, known))
    return applied.summary(pl.concat(frames).fill_nan(None), AGREEMENT)


def test_what_is_recovered_of_the_gap():
    gains = {"rl": 0.4, STEERED: 0.2, BIAS: 0.1, ELSEWHERE_STEERED: 0.0}
    found = summary(gains)
    recovered = found.filter(measure="gap recovered")
    values = dict(recovered.select("part", "value").iter_rows())
    assert found.filter(measure="gap")["value"].item() == pytest.approx(0.4)
    assert values[STEERED] == pytest.approx(0.5)
    assert values[BIAS] == pytest.approx(0.25)
    assert values[ELSEWHERE_STEERED] == pytest.approx(0.0, abs=1e-9)
    right = dict(found.filter(measure="P(correct)").select("part", "value").iter_rows())
    assert right["model"] == pytest.approx(0.5)
    assert right[STEERED] == pytest.approx(0.7)
    assert right[ELSEWHERE] == pytest.approx(0.5)
    opening = dict(
        found.filter(pl.col("measure").str.starts_with("opening"))
        .select("part", "value")
        .iter_rows()
    )
    assert opening[STEERED] == pytest.approx(1 - 0.2)
    assert opening["model"] == pytest.approx(1 - 0.4)


def test_without_a_gap_nothing_is_recovered_and_it_is_said():
    recovered = summary({"rl": 0.0, STEERED: 0.3}, jitter=0.1).filter(measure="gap recovered")
    assert recovered["value"].null_count() == len(recovered)
    assert "may be 0" in recovered["reason"][0]


def test_a_run_must_have_what_it_needs():
    about = About(MODEL, 4, (), 2, {}, frozenset(), lambda _: ())
    assert MADE.prepared(about).layers == (0, 1, 2, 3)
    with pytest.raises(UserError, match="layer 7: the model has blocks 0 to 3"):
        replace(CONF, layers=(7,)).prepared(about)
    with pytest.raises(UserError, match=r"needs model\.checkpoints\.rl"):
        CONF.prepared(replace(about, model=replace(MODEL, checkpoints={})))


def test_what_is_wanted_comes_in_two_steps():
    trying = fitted()
    one = trace("a", KINDS)
    first = trying.wants(one, Evidence(2, "", ()))
    assert first == [CONF.draw(1), CONF.draw(3)]
    have = Evidence(2, "", (), rollouts={(ARM, k): drawn({}) for k in (1, 3)})
    assert len(trying.wants(one, have)) == 2 * (1 + 1 + 4)
    applied = Applied(
        replace(CONF, check=3), (0, 1.0), dict.fromkeys((STEERED, BIAS), trying.push(0, 1.0))
    )
    by, behind = applied.checks(1)["rl"]
    assert (by.condition, behind.condition, behind.of) == (RL, PLAIN, by.arm)
    assert by.until == "sentence"
    arms = {draw.arm for k in (1, 3) for pair in applied.checks(k).values() for draw in pair}
    assert len(arms) == 2 + 2 * 2  # steered places differ in what is done, hence in their arms
