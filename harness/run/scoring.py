"""Scores: evidence through a detector, whole and on pairs of half samples, kept trace by trace."""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
from jaxtyping import Bool

from harness.core import Biased, Detector, Draw, Evidence, SentenceScores, Trace, Wants
from harness.core.seeds import derive
from harness.store import schema
from harness.store.scores import Scored

Half = Mapping[tuple[str, int], Bool[np.ndarray, " draws"]]


def score(detector: Detector, trace: Trace, evidence: Evidence, splits: int) -> Scored:
    """The scores of one trace; halves only where there are draws, and say something of noise."""
    whole = checked(detector.score(trace, evidence), trace)
    pairs: list[tuple[SentenceScores, SentenceScores]] = []
    if _halved(detector, trace, evidence):
        for a, b in halves(trace.id, evidence, splits):
            pair = (evidence.subset(a), evidence.subset(b))
            first, second = (checked(detector.score(trace, half), trace) for half in pair)
            pairs.append((first, second))
    n = len(trace.sentences)
    frame = pl.DataFrame(
        {
            "trace_id": [trace.id] * n,
            "sentence": range(n),
            "score": whole.score,
            "half_a": [[float(a.score[i]) for a, _ in pairs] for i in range(n)],
            "half_b": [[float(b.score[i]) for _, b in pairs] for i in range(n)],
            **whole.diagnostics,
        },
        schema=dict(schema.SCORES) | dict.fromkeys(whole.diagnostics, pl.Float64),
    )
    return Scored(frame, whole)


def checked(scores: SentenceScores, trace: Trace) -> SentenceScores:
    """The scores; raises ValueError unless there is one a sentence (token), finite or NaN."""
    n, length = len(trace.sentences), len(trace.token_ids)
    for name, values in scores.tokens.items():
        if values.shape != (length,):
            raise ValueError(f"{name}: {values.shape} values for {length} tokens")
    for name, values in {"score": scores.score, **scores.diagnostics}.items():
        if values.shape != (n,):
            raise ValueError(f"{name}: {values.shape} values for {n} sentences")
        if np.isinf(values).any():
            raise ValueError(f"{name}: infinite at sentence {int(np.isinf(values).argmax())}")
    return scores


def _halved(detector: Detector, trace: Trace, evidence: Evidence) -> bool:
    if isinstance(detector, Biased) and detector.biased:
        return False
    wants = detector.wants(trace, evidence) if isinstance(detector, Wants) else []
    return any(isinstance(want, Draw) for want in wants)


def halves(trace_id: str, evidence: Evidence, splits: int) -> Iterator[tuple[Half, Half]]:
    """Pairs of complementary halves of the draws at every boundary.

    Each draw is ranked by a hash of trace, split and draw, the same for all detectors; the lower
    half is A. An odd draw goes to B. Draws of one number are in one half at all boundaries, as
    they are one rollout where boundaries are coupled; otherwise they are independent, and no worse.
    """
    for split in range(splits):
        a = {
            place: _lower(trace_id, split, rollouts.draw)
            for place, rollouts in evidence.rollouts.items()
        }
        yield a, {key: ~mask for key, mask in a.items()}


def _lower(trace_id: str, split: int, draws: np.ndarray) -> Bool[np.ndarray, " draws"]:
    most = int(draws.max(initial=-1)) + 1
    keys = np.random.default_rng(derive(trace_id, split)).random(most)[draws]
    return np.argsort(np.argsort(keys)) < len(draws) // 2
