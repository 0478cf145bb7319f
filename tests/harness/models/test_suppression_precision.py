"""Suppression in float32 beside all of it in float64, on what the organism wrote."""

import copy
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

from harness import Evidence, Problem, Suppress, Trace
from harness.models.masking import suppress
from harness.models.model import Model, Subject
from harness.store.traces import load
from methods.suppression import Suppression
from tests.harness.models import slow

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
WANT = Suppress(False, 1.0)
DETECTOR = Suppression(own_rows=False, temperature=1.0, epsilon=1e-9, centring="row", window=None)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    problems = pl.read_parquet(REFERENCE / "problems.parquet")
    known = [Problem(**row) for row in problems.rename({"problem_id": "id"}).iter_rows(named=True)]
    return load(REFERENCE, known)[:6]


def organism(dtype: Literal["float32", "bfloat16"]) -> Subject:
    place = "wheel://harness/organism/checkpoints/base"
    return Subject(Model("organism", place, None, dtype, "cpu", None, "", "", "", False, {}, ()))


@pytest.fixture(scope="module")
def subject() -> Subject:
    return organism("float32")


def scored(trace: Trace, kl: np.ndarray) -> np.ndarray:
    return DETECTOR.score(trace, Evidence(1, "", (), answers={WANT: kl})).score


def double(model: torch.nn.Module, trace: Trace) -> np.ndarray:
    """KL of every token by a whole pass a sentence, in float64."""
    ids, shift = trace.prompt_ids + trace.token_ids, len(trace.prompt_ids)
    p, _ = slow.whole(model, ids)
    found = np.full((len(trace.token_ids), len(trace.sentences)), np.nan)
    for j, sentence in enumerate(trace.sentences):
        low, high = shift + sentence.start, shift + sentence.stop
        q, _ = slow.whole(model, ids, [(low, high, high)])
        kl = (p.exp() * (p - q)).sum(-1)
        found[sentence.stop + 1 :, j] = kl[high : len(ids) - 1]
    return found


def test_small_divergences_survive_float32(subject: Subject, traces: list[Trace]) -> None:
    model = copy.deepcopy(subject.model).double()
    assert len(traces) == 6
    for trace in traces:
        exact = double(model, trace)
        found = suppress(subject, trace, WANT)
        assert np.nanmin(exact) < 1e-8
        a, b = scored(trace, exact), scored(trace, found)
        there = np.isfinite(exact)
        assert spearmanr(exact[there], found[there])[0] > 0.999
        apart = np.abs(np.log(found[there] + 1e-9) - np.log(exact[there] + 1e-9))
        assert apart.mean() <= 0.002
        assert np.nanmax(np.abs(a - b)) <= 0.002
        assert np.nanargmax(a) == np.nanargmax(b)


def test_what_bfloat16_costs(subject: Subject, traces: list[Trace]) -> None:
    """`-s` prints the rank correlations that docs/running.md names."""
    rough = organism("bfloat16")
    ranks: list[tuple[float, float]] = []
    for trace in traces:
        pair = [suppress(who, trace, WANT) for who in (subject, rough)]
        there = np.isfinite(pair[0])
        a, b = (scored(trace, kl) for kl in pair)
        known = np.isfinite(a)
        of_tokens = spearmanr(pair[0][there], pair[1][there])[0]
        ranks.append((of_tokens, spearmanr(a[known], b[known])[0]))
    print("rank correlations of tokens and of scores:", np.round(ranks, 3).tolist())
    assert np.min(ranks) > 0.93
