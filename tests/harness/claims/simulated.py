"""Runs in which the effect that a claim is about is known, made from a seed and that effect."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from harness.claims import Frames, claims, claims_frame
from harness.claims.concentration import Raised
from harness.claims.pairs import Agreeing
from harness.claims.stable import Stable
from harness.claims.validated import Validated
from harness.interventions.validation.effects import mean
from harness.store import schema
from tests.harness.claims.made import CONF, frames
from tests.harness.simulated import rows, sized

PROBLEMS, SENTENCES = 24, 13
# Of Gaussian scores of 26 sentences: their correlation, by that of their Savage scores.
RHO = {0.0: 0.0, 0.3: 0.365, 0.5: 0.577, 0.8: 0.87}
NAMES = [f"p{i}-0" for i in range(PROBLEMS)]
CLAIMS = claims(None)

Run = Callable[[int, float], Frames]


def verdict(name: str, run: Frames) -> str:
    """What the test of a claim says of a run."""
    return str(claims_frame({name: CLAIMS[name]}, run)["verdict"][0])


def agreeing(name: str, seed: int, effect: float) -> Frames:
    """All pairs of a claim agree by `effect`, one of each pair noisy."""
    test = CLAIMS[name].test
    assert isinstance(test, Agreeing)
    pairs: list[dict[str, Any]] = []
    for number, pair in enumerate(test.pairs):
        shape = sized(PROBLEMS, 26, rho=RHO[effect], noise=(0.5, 0.0))
        found = rows(shape, pair.control, 10 * seed + number).filter(statistic=test.statistic)
        row = found.row(0, named=True)
        pairs.append(row | {"model": "toy", "a": pair.a, "b": pair.b})
    methods = {name for pair in test.pairs for name in (pair.a, pair.b)}
    scores = {method: {trace: [1.0] for trace in NAMES} for method in methods}
    return frames(scores, pairs)


def random_scores(rng: np.random.Generator) -> dict[str, list[float | None]]:
    return {trace: list(rng.normal(size=SENTENCES)) for trace in NAMES}


def concentrated(seed: int, effect: float) -> Frames:
    """KL(RL || base) of sentences, larger by `effect` times its mean at the anchors."""
    rng = np.random.default_rng([1, seed])
    chosen = random_scores(rng)
    amount: dict[str, list[float | None]] = {}
    for trace, scores in chosen.items():
        place = np.argsort(np.argsort(-np.array(scores, float)))
        amount[trace] = list(rng.gamma(0.5, 2.0, SENTENCES) + effect * (place < 3))
    return frames({"resampling_plain": chosen, "routing_sum": amount})


def raised(name: str, seed: int, effect: float) -> Frames:
    """A quantity of either sign, larger by `effect` times its spread at the anchors."""
    test = CLAIMS[name].test
    assert isinstance(test, Raised)
    rng = np.random.default_rng([7, seed])
    chosen = random_scores(rng)
    found: list[tuple[str, int, float]] = []
    for trace, scores in chosen.items():
        place = np.argsort(np.argsort(-np.array(scores, float)))
        values = rng.normal(size=SENTENCES) + effect * (place < 3)
        found += [(trace, i, float(value)) for i, value in enumerate(values)]
    column = {"trace_id": pl.String, "sentence": pl.Int32, test.amount.column: pl.Float64}
    held = {test.amount.method: pl.DataFrame(found, schema=column, orient="row").lazy()}
    return frames({test.selector: chosen, test.amount.method: chosen}, diagnostics=held)


def enriched(seed: int, effect: float) -> Frames:
    """Kinds that fall where they like, or with `effect` on the sentences that score high."""
    rng = np.random.default_rng([2, seed])
    methods = ("resampling_plain", "attention", "suppression")
    kinds: dict[str, list[str | None]] = {}
    scores: dict[str, dict[str, list[float | None]]] = {m: {} for m in methods}
    for trace in NAMES:
        kind = rng.random(SENTENCES) < 0.3
        kinds[trace] = ["plan_generation" if one else "active_computation" for one in kind]
        for method in methods:
            scores[method][trace] = list(rng.normal(size=SENTENCES) + effect * kind)
    return frames(scores, categories=kinds)


def deployed(seed: int, effect: float) -> Frames:
    """Weights whose mean is `effect`, skewed, wherever RL moves the model."""
    rng = np.random.default_rng([3, seed])
    rows = [
        (trace, i, effect * rng.gamma(1.5, 1 / 1.5), rng.gamma(0.5, 2.0))
        for trace in NAMES
        for i in range(SENTENCES)
    ]
    names = ["trace_id", "sentence", "capped_weight", "kl"]
    kinds = dict(zip(names, [pl.String, pl.Int32, pl.Float64, pl.Float64], strict=True))
    held = {"support": pl.DataFrame(rows, schema=kinds, orient="row").lazy()}
    zeros: Mapping[str, list[float | None]] = {trace: [0.0] * SENTENCES for trace in NAMES}
    return frames({"support": zeros}, diagnostics=held)


def two_phases(seed: int, effect: float) -> Frames:
    """Execution that falls and is flat, planning that rises by `effect` a log step at the end."""
    rng = np.random.default_rng([4, seed])
    at = np.arange(7)
    level = {
        "planning": 0.9 + effect * np.maximum(0, at - 3) * np.log(2),
        "execution": np.maximum(0.1, 0.9 - 0.3 * at),
    }
    found = [
        (f"step_{2**step - 1}", 2.0**step - 1, "own", kind, "entropy", f"p{i}", float(value))
        for i in range(PROBLEMS)
        for kind, levels in level.items()
        for step, value in zip(at, levels + rng.normal(0, 0.05, len(at)), strict=True)
    ]
    return frames({}, dynamics=pl.DataFrame(found, schema=schema.DYNAMICS_BY_PROBLEM, orient="row"))


def validated(name: str, seed: int, effect: float) -> Frames:
    """Differences of problems with the mean `effect`: of shares of eight answers each."""
    test = CLAIMS[name].test
    assert isinstance(test, Validated)
    rng = np.random.default_rng([5, seed])
    found = list[dict[str, Any]]()
    for part in test.decides:
        level = rng.beta(2, 2, PROBLEMS) * (1 - abs(effect))
        high, low = level + max(effect, 0), level - min(effect, 0)
        drawn = (rng.binomial(8, np.clip(p, 0, 1)) / 8 for p in (high, low))
        values = dict(zip(NAMES, next(drawn) - next(drawn), strict=True))
        fixed = {"validation": test.validation, "measure": test.measure, "method": test.method}
        found.append(mean(values, CONF, fixed | {"part": part}))
    chosen = {test.method: {t: [1.0] for t in NAMES}} if test.method else {}
    return frames(chosen, effects=pl.DataFrame(found, schema=schema.VALIDATION_SUMMARY))


def stable(seed: int, effect: float) -> Frames:
    """Correlations of problems with the mean `effect` for one detector, the others near 1."""
    test = CLAIMS["before_rl"].test
    assert isinstance(test, Stable)
    rng = np.random.default_rng([6, seed])
    found = list[dict[str, Any]]()
    for method in test.methods:
        level = effect if method == "attention" else 0.97
        values = dict(zip(NAMES, rng.beta(*beta(level, 6.0), PROBLEMS) * 2 - 1, strict=True))
        unit = "disattenuated" if method in test.drawn else "correlation"
        row = {"validation": "stability", "part": "rl", "measure": test.measure, "unit": unit}
        found.append(mean(values, CONF, row | {"method": method}))
    chosen = {method: {t: [1.0] for t in NAMES} for method in test.methods}
    return frames(chosen, effects=pl.DataFrame(found, schema=schema.VALIDATION_SUMMARY))


def beta(level: float, size: float) -> tuple[float, float]:
    """A beta distribution stretched to −1 … 1 whose mean is `level`."""
    share = (level + 1) / 2
    return size * share, size * (1 - share)


RUNS: dict[str, Run] = {
    "convergence": partial(agreeing, "convergence"),
    "one_phenomenon": partial(agreeing, "one_phenomenon"),
    "information_peaks": partial(agreeing, "information_peaks"),
    "rl_at_anchors": concentrated,
    "planting": partial(raised, "planting"),
    "thinking_helps_there": partial(raised, "thinking_helps_there"),
    "planning_and_backtracking": enriched,
    "deployed": deployed,
    "two_phases": two_phases,
    "answer_rests_on_trace": partial(validated, "answer_rests_on_trace"),
    "peaks_matter": partial(validated, "peaks_matter"),
    "read_is_decided": partial(validated, "read_is_decided"),
    "before_rl": stable,
}

# Effects well above and well below the thresholds, in the units of RUNS.
BEYOND = dict.fromkeys(("convergence", "one_phenomenon", "information_peaks"), (0.8, 0.0)) | {
    "rl_at_anchors": (4.0, None),  # shares are differences: no smaller than of the others
    "planning_and_backtracking": (1.0, -1.0),
    "planting": (2.0, -2.0),
    "thinking_helps_there": (2.0, -2.0),
    "deployed": (1.0, 0.2),
    "two_phases": (0.1, -0.1),
    "answer_rests_on_trace": (0.5, 0.0),
    "peaks_matter": (0.3, -0.3),
    "read_is_decided": (0.3, -0.3),
    "before_rl": (0.95, 0.0),
}


def edges(name: str) -> dict[str, float]:
    """The effect at which each verdict would be wrong, at its worst."""
    claim = CLAIMS[name]
    return {"supported": claim.supported_from, "contradicted": claim.contradicted_below}
