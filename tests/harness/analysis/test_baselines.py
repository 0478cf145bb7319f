import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.agreement import Agreement
from harness.analysis.baselines import (
    baselines,
    chance,
    headroom,
    length,
    lexicon,
    position,
    recency,
    surprisal,
)
from harness.core.config import build
from harness.store import schema

YAML = Path(__file__).parents[3] / "conf" / "agreement" / "default.yaml"
WORDS = build(Agreement, OmegaConf.load(YAML), "agreement").lexicon


@pytest.fixture
def conf():
    return build(Agreement, OmegaConf.load(YAML), "agreement")


def frame(lengths, texts=None, start=0):
    """Sentences of traces t0, t1, …, given the token counts of each."""
    rows = []
    for t, counts in enumerate(lengths):
        stops = start + np.cumsum(counts)
        for i, (n, stop) in enumerate(zip(counts, stops, strict=True)):
            text = texts[i] if texts else f"sentence {i}."
            rows.append(
                (f"t{t}", i, int(stop - n), int(stop), text, None, (i + 1) / len(counts), n)
            )
    return pl.DataFrame(rows, schema=schema.SENTENCES, orient="row")


def tokens(trace, logprobs, first=0):
    n = len(logprobs)
    columns = {"trace_id": [trace] * n, "token": range(first, first + n), "logprob": logprobs}
    return (
        pl.DataFrame(columns)
        .with_columns(entropy=0.0)
        .select(pl.col(k).cast(t) for k, t in schema.TOKENS.items())
    )


def rollouts(rows):
    return pl.DataFrame(rows, schema=["trace_id", "boundary", "arm", "answer"], orient="row")


def test_position_runs_to_one_and_recency_mirrors_it():
    sentences = frame([[1, 1, 1, 1], [1, 1]])
    assert position(sentences).to_list() == [0.25, 0.5, 0.75, 1.0, 0.5, 1.0]
    assert recency(sentences).to_list() == [-0.25, -0.5, -0.75, -1.0, -0.5, -1.0]


def test_length_is_tokens():
    assert length(frame([[3, 0, 7]])).to_list() == [3, 0, 7]


def test_chance_depends_on_trace_and_sentence_alone():
    both = chance(frame([[1] * 5, [1] * 3])).to_list()
    assert chance(frame([[1] * 2])).to_list() == both[:2]
    assert both[:3] != both[5:]
    shuffled = frame([[1] * 5, [1] * 3]).sample(fraction=1, shuffle=True, seed=3)
    known = dict(
        zip(frame([[1] * 5, [1] * 3]).select("trace_id", "sentence").rows(), both, strict=True)
    )
    assert chance(shuffled).to_list() == [
        known[k] for k in shuffled.select("trace_id", "sentence").rows()
    ]


def test_chance_is_the_same_in_another_process():
    code = (
        "import polars as pl; from harness.analysis.baselines import chance;"
        "print(chance(pl.DataFrame({'trace_id': ['t0'] * 3, 'sentence': [0, 1, 2]})).to_list())"
    )
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(YAML.parents[2])}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(chance(frame([[1] * 3])).to_list())


def test_chance_is_uniform():
    draws = chance(frame([[1] * 40] * 50)).to_numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    assert abs(draws.mean() - 0.5) < 4 / np.sqrt(12 * len(draws))


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("Wait, that is wrong.", True),
        ("\n\n**Wait** a moment.", True),
        ("  so x = 3", True),
        ("Let me\ndouble-check.", True),
        ("I’m not sure.", True),
        ("Some numbers.", False),
        ("Waiting helps.", False),
        ("I said wait.", False),
        ("Nothing.", False),
        ("12 apples", False),
        ("", False),
    ],
)
def test_lexicon_reads_only_the_opening(text, opens):
    assert lexicon(frame([[1]], [text]), WORDS).to_list() == [opens]


def test_lexicon_takes_words_literally():
    assert lexicon(frame([[1]], ["aab"]), ["a+b"]).to_list() == [False]
    assert lexicon(frame([[1]], ["a+b is c"]), ["a+b"]).to_list() == [True]


def test_surprisal_is_the_mean_over_the_sentence():
    sentences = frame([[2, 3]], start=1)
    read = tokens("t0", [-9.0, -1.0, -2.0, -3.0, -3.0, -6.0, -99.0])
    assert surprisal(sentences, [read]).to_list() == [1.5, 4.0]


def test_surprisal_is_undefined_without_all_tokens():
    sentences = frame([[2, 0, 2], [1], [1]])
    read = pl.concat([tokens("t0", [-1.0, -1.0, -1.0]), tokens("t1", [np.nan])])
    scores = surprisal(sentences, [read]).fill_null(np.nan).to_list()
    assert scores == pytest.approx([1.0, np.nan, np.nan, np.nan, np.nan], nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=4))
def test_surprisal_against_a_loop(lengths):
    rng = np.random.default_rng(0)
    sentences = frame(lengths)
    logprobs = {f"t{t}": -rng.random(sum(counts)) for t, counts in enumerate(lengths)}
    read = pl.concat([tokens(t, v) for t, v in logprobs.items()]).sample(
        fraction=1, shuffle=True, seed=1
    )
    slow = [
        -logprobs[t][start:stop].mean() if stop > start else np.nan
        for t, start, stop in sentences.select("trace_id", "start", "stop").iter_rows()
    ]
    fast = surprisal(sentences, [read]).cast(pl.Float64).fill_null(np.nan).to_list()
    assert fast == pytest.approx(slow, rel=1e-6, nan_ok=True)


def test_headroom_is_the_entropy_of_the_resampled_answers():
    drawn = [("t0", 0, "resample", a) for a in ("4", "5", "4", "<none>")]
    drawn += [("t0", 1, "resample", "4"), ("t0", 1, "resample", "4")]
    drawn += [("t0", 2, "forced", "4"), ("t0", 1, "forced", "6"), ("t1", 0, "resample", "4")]
    scores = headroom(frame([[1, 1, 1]]), rollouts(drawn).lazy()).to_list()
    assert scores == [pytest.approx(1.5 * np.log(2)), 0.0, None]
    assert not np.signbit(scores[1])


def test_headroom_of_rollouts_that_leave_is_that_of_their_mixture():
    # At 1 all say 5, before it half write the sentence again, a quarter each says 4 and 6.
    drawn = [("t0", 0, "leave", "4"), ("t0", 0, "leave_second", "6"), ("t0", 1, "leave", "5")]
    drawn += [("t0", 1, "leave_second", "5"), ("t0", 2, "leave", "5"), ("t1", 0, "leave", "4")]
    repeats = pl.DataFrame({"trace_id": "t0", "sentence": [0, 1, 2], "repeat": [0.5, 0.0, 0.5]})
    given = frame([[1, 1, 1], [1]])
    scores = headroom(given, rollouts(drawn).lazy(), repeats).to_list()
    assert scores == [pytest.approx(1.5 * np.log(2)), 0.0, None, None]  # at 3 none was drawn
    assert headroom(given, rollouts(drawn).lazy()).to_list() == [None] * 4
    plain = [("t0", 0, "resample", "4"), *drawn]
    assert headroom(given, rollouts(plain).lazy(), repeats).to_list()[0] == 0.0


def test_all_baselines_in_one_long_frame(conf):
    sentences = frame([[1, 1], [1]]).with_columns(problem_id=pl.lit("p"))
    scores = baselines(sentences, [], None, None, conf)
    types = {"trace_id": pl.String, "sentence": pl.Int32, "method": pl.String, "score": pl.Float64}
    assert dict(scores.schema) == types
    names = ["position", "recency", "length", "chance", "lexicon", "surprisal", "headroom"]
    assert scores["method"].unique(maintain_order=True).to_list() == names
    missing = scores.filter(pl.col("score").is_nan())["method"].to_list()
    assert missing == ["surprisal"] * 3 + ["headroom"] * 3
    assert scores["score"].null_count() == 0


def test_no_sentences_no_scores(conf):
    assert len(baselines(pl.DataFrame(schema=schema.SENTENCES), [], None, None, conf)) == 0
