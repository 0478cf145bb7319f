"""What needs no model to rank sentences: a detector that agrees with these has found little."""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.analysis.mixed import HALVES, mixed

SENTENCE = ["trace_id", "sentence"]
PLAIN = "resample"  # the arm of rollouts that are drawn as they come


def baselines(
    sentences: pl.DataFrame,
    tokens: Iterable[pl.DataFrame],
    rollouts: pl.LazyFrame | None,
    repeats: pl.DataFrame | None,
    conf: Agreement,
) -> pl.DataFrame:
    """All baselines, long: trace_id, sentence, method, score; NaN = undefined.

    `sentences` as schema.SENTENCES, `tokens` as schema.TOKENS in pieces that hold whole traces,
    `rollouts` with trace_id, boundary, arm and answer, which are never in memory at once; further
    columns are left alone. `repeats` (trace_id, sentence, repeat) says how probable sentences are
    where rollouts leave them.
    """
    scores = {
        "position": position(sentences),
        "recency": recency(sentences),
        "length": length(sentences),
        "chance": chance(sentences),
        "lexicon": lexicon(sentences, conf.lexicon),
        "surprisal": surprisal(sentences, tokens),
        "headroom": headroom(sentences, rollouts, repeats),
    }
    return pl.concat(
        sentences.select(
            *SENTENCE,
            pl.lit(name).alias("method"),
            score.cast(pl.Float64).fill_null(np.nan).alias("score"),
        )
        for name, score in scores.items()
    )


def position(sentences: pl.DataFrame) -> pl.Series:
    """i/n, from 1/n at the first sentence to 1 at the last."""
    rank = pl.col("sentence") + 1
    return sentences.select(rank / pl.len().over("trace_id")).to_series()


def recency(sentences: pl.DataFrame) -> pl.Series:
    """−i/n: the earlier, the higher."""
    return -position(sentences)


def length(sentences: pl.DataFrame) -> pl.Series:
    """Tokens of the sentence."""
    return sentences["n_tokens"]


def chance(sentences: pl.DataFrame) -> pl.Series:
    """Uniform on [0, 1), fixed by the trace's id and the sentence's number alone."""
    last = sentences.group_by("trace_id").agg(pl.col("sentence").max())
    draws = {trace: _uniform(trace, n + 1) for trace, n in last.iter_rows()}
    cells = sentences.select(SENTENCE).iter_rows()
    return pl.Series([draws[trace][sentence] for trace, sentence in cells], dtype=pl.Float64)


def _uniform(trace_id: str, n: int) -> list[float]:
    seed = int.from_bytes(blake2b(trace_id.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).random(n).tolist()


def lexicon(sentences: pl.DataFrame, words: Sequence[str]) -> pl.Series:
    """1 if the sentence opens with one of the words or phrases, else 0.

    Case, curly apostrophes, white space and what stands before the first letter do not matter.
    """
    phrases = [r"\s+".join(map(re.escape, word.split())) for word in words]
    opening = rf"(?i)^[\W_]*(?:{'|'.join(phrases)})\b"
    return sentences["text"].str.replace_all("’", "'").str.contains(opening)


def surprisal(sentences: pl.DataFrame, tokens: Iterable[pl.DataFrame]) -> pl.Series:
    """Mean −log p of the sentence's tokens, in nats; null unless all of them were read.

    The tokens come in pieces, each trace in one of them.
    """
    spans = sentences.filter(pl.col("stop") > pl.col("start")).sort("start")
    spans = spans.select(*SENTENCE, "start", "stop")
    found = [_surprisal(spans, piece) for piece in tokens]
    return _aligned(sentences, pl.concat(found)) if found else _nothing(sentences)


def _surprisal(spans: pl.DataFrame, tokens: pl.DataFrame) -> pl.DataFrame:
    inside = tokens.sort("token").join_asof(
        spans,
        left_on="token",
        right_on="start",
        by="trace_id",
        check_sortedness=False,  # sorted over all traces, hence within each
    )
    inside = inside.filter(pl.col("token") < pl.col("stop"))
    complete = pl.col("logprob").count() == pl.col("stop").first() - pl.col("start").first()
    mean = pl.col("logprob").cast(pl.Float64).mean()
    return inside.group_by(SENTENCE).agg(pl.when(complete).then(-mean).alias("score"))


def headroom(
    sentences: pl.DataFrame, rollouts: pl.LazyFrame | None, repeats: pl.DataFrame | None = None
) -> pl.Series:
    """Entropy of the resampled answers at the boundary before the sentence, in nats.

    Rollouts without an answer are one outcome more. Where all that were drawn leave the trace's
    sentences, that of their mixture; null where none were. Where the sentences of published traces
    come with a headroom, that is it.
    """
    if "headroom" in sentences.columns:
        return sentences["headroom"]
    if rollouts is None:
        return _nothing(sentences)
    keys = ("trace_id", "boundary", "arm", "answer")
    kinds = rollouts.filter(pl.col("arm").is_in([PLAIN, *HALVES]))
    counts = kinds.group_by(keys).len("n").collect(engine="streaming")
    plain = _entropy(counts.filter(arm=PLAIN).with_columns(share=pl.col("n").cast(pl.Float64)))
    found = _aligned(sentences, plain)
    if repeats is None:
        return found
    return found.fill_null(_aligned(sentences, _entropy(mixed(counts, repeats))))


def _entropy(shares: pl.DataFrame) -> pl.DataFrame:
    """trace_id, sentence, score in nats, of the `share` of each answer at a boundary."""
    share = pl.col("share") / pl.col("share").sum()
    # the absolute value and not the negative: the entropy of one answer is 0.0, not −0.0;
    # sorted, since answers come in any order and equal entropies must be equal to the last bit
    entropy = (share * share.log()).sort().sum().abs()
    boundary = pl.col("boundary").alias("sentence")
    return shares.group_by("trace_id", boundary).agg(entropy.alias("score"))


def _aligned(sentences: pl.DataFrame, found: pl.DataFrame) -> pl.Series:
    return sentences.join(found, on=SENTENCE, how="left", maintain_order="left")["score"]


def _nothing(sentences: pl.DataFrame) -> pl.Series:
    return pl.repeat(None, len(sentences), dtype=pl.Float64, eager=True)
