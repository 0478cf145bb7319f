"""Time of one score of a long trace; the harness asks for forty more on half samples."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import Evidence, Problem, Rollouts, Sentence, Trace
from harness.core.config import target
from harness.statistics.distances import divergence, floor

SENTENCES, DRAWS = 60, 100
CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "q", "0", None, "test", "evaluate")


def long_trace():
    sentences = tuple(Sentence(f"Sentence {i}.", i, i + 1, None) for i in range(SENTENCES))
    ids = tuple(range(SENTENCES))
    return Trace("t", PROBLEM, "m", "r", 0, (1,), ids, "", sentences, "0", True, "model", "stop")


def gathered(arm, answers):
    rng = np.random.default_rng(0)
    rollouts, vectors = {}, rng.normal(size=(DRAWS, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [f"Redrawn {i}." for i in range(DRAWS)] + [s.text for s in long_trace().sentences]
    embedded = {("all-MiniLM-L6-v2", t): vectors[i % DRAWS] for i, t in enumerate(texts)}
    for k in range(SENTENCES + 1):
        answer = rng.choice(answers, DRAWS, p=rng.dirichlet(np.full(answers, 0.5)))
        names = tuple(map(str, answer.tolist()))
        firsts = tuple(texts[i] for i in rng.permutation(DRAWS))
        rollouts[arm, k] = Rollouts(np.arange(DRAWS), names, answer == 0, firsts)
    return Evidence(DRAWS, "", (), rollouts, embeddings=embedded)


@pytest.mark.parametrize("answers", [20, 500])
@pytest.mark.parametrize("name", ["resampling", "resampling_kl", "resampling_accuracy"])
def test_score(benchmark, name, answers):
    detector = target(OmegaConf.load(CONF / f"{name}.yaml")[name], name)
    trace, evidence = long_trace(), gathered("resample", answers)
    benchmark(detector.score, trace, evidence)


def test_forced_answer(benchmark):
    detector = target(OmegaConf.load(CONF / "forced_answer.yaml")["forced_answer"], "forced_answer")
    benchmark(detector.score, long_trace(), gathered("forced", 20))


def padded_floor(without, kept, measure, draws, rng):
    """All sentences in one padded block: the plain vectorised form."""
    p = (without + kept) / (without + kept).sum(axis=-1, keepdims=True)
    shape = (draws, len(p))
    pair = [rng.multinomial(c.sum(axis=-1), p, size=shape) for c in (without, kept)]
    flat = [c.reshape(-1, c.shape[-1]) for c in pair]
    null = np.abs(measure(*flat)).reshape(shape)
    return null.mean(axis=0), np.quantile(null, 0.95, axis=0)


@pytest.mark.parametrize("answers", [20, 500])
@pytest.mark.parametrize("form", [floor, padded_floor])
def test_floor(benchmark, form, answers):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(answers, 0.5), SENTENCES)
    without, kept = rng.multinomial(DRAWS, p), rng.multinomial(DRAWS, p)
    benchmark(form, without, kept, divergence("tv", 1.0), 200, rng)
