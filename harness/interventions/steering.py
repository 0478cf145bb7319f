"""Steering: does base do what RL does if its states are pushed the way RL's differ?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Float
from pydantic import Field

from harness.agreement import Agreement
from harness.core import (
    PLAIN,
    Condition,
    Draw,
    Evidence,
    Read,
    ReadRollouts,
    Steer,
    Trace,
    UserError,
    Want,
)
from harness.core.seeds import derive
from harness.interventions.validation.effects import (
    by_problem,
    difference,
    mean,
    share_recovered,
    summary_frame,
)
from harness.interventions.validation.intervention import About
from harness.interventions.validation.naming import Named
from harness.interventions.validation.weights import Weighted, weighted
from harness.models.conditions import check_layer
from harness.models.model import declare

Vector = Float[np.ndarray, " width"]
Count = Annotated[int, Field(ge=1)]
MODEL, STEERED, BIAS = "model", "steered", "bias alone"
ELSEWHERE, ELSEWHERE_STEERED = "model elsewhere", "steered elsewhere"
RIGHT, OPENING, SHARE, DRAWN = "P(correct)", "opening", "effective share", "P(correct), drawn"
ARM = "steering"


@dataclass(frozen=True)
class Steering:
    """What a vector between two checkpoints does at some sentences, to the answer and to the words.

    The vector is the difference, `checkpoint` − model, of the mean states that predict the first
    `tokens` tokens of the sentences `at`, over the same tokens. It is added while the model writes
    such a sentence; the model goes on alone. Layer and scale are those with the highest P(correct)
    on the calibration folds. P(correct) of each condition is that of the model's `draws` rollouts
    with their first sentences weighted by how likely the condition makes them; NaN where the
    effective share of the draws is below `min_share`. `check` rollouts are drawn under the steering
    itself. Beside it: the same length of the difference over all tokens (bias alone), `randoms`
    random vectors, and the vector at other sentences. Gap recovered: (steered − model) /
    (checkpoint − model), the checkpoint writing the one sentence.

    Source: Venhoff et al., Base Models Know How to Reason, arXiv 2510.07364, who choose layer and
    strength otherwise.
    """

    checkpoint: str
    at: Named
    layers: tuple[int, ...] | None
    depths: tuple[float, ...]
    scales: tuple[float, ...]
    tokens: Count
    randoms: Count
    draws: Count
    check: Annotated[int, Field(ge=0)]
    until: Literal["end", "answer"]
    words: Count
    min_share: float
    min_problems: Count
    seed: int

    def prepared(self, about: About) -> "Aiming":
        """At layers that there are; raises UserError for others, and without a checkpoint."""
        model = about.model
        assert model is not None
        if self.checkpoint not in model.checkpoints:
            raise UserError(f"needs a second checkpoint; {declare(self.checkpoint)}")
        if model.checkpoints[self.checkpoint] == model.path:
            raise UserError(f"model.checkpoints.{self.checkpoint} is the model itself")
        layers = self.layers or tuple(
            dict.fromkeys(round(depth * (about.blocks - 1)) for depth in self.depths)
        )
        for layer in layers:
            check_layer(layer, about.blocks)
        return Aiming(self, layers)

    def others(self, trace: Trace, places: Sequence[int]) -> list[int]:
        """As many other sentences of a trace, at random, where there are so many."""
        rest = [i for i in range(len(trace.sentences)) if i not in places]
        order = np.random.default_rng(derive("elsewhere", self.seed, trace.id)).permutation(rest)
        return sorted(int(i) for i in order[: len(places)])

    def random(self, length: float, width: int, number: int) -> Vector:
        """A random vector of a length."""
        found = np.random.default_rng(derive("random", self.seed, number)).normal(size=width)
        return found / np.linalg.norm(found) * length

    def draw(self, place: int) -> Draw:
        """The model's own rollouts behind which first sentences are weighted."""
        return Draw(place, self.draws, until=self.until, arm=ARM)


@dataclass(frozen=True, eq=False)
class Push:
    """A vector at a layer."""

    layer: int
    vector: Vector

    def at(self, place: int) -> Condition:
        """Added while the sentence behind a boundary is written."""
        return Condition(under=(Steer(self.layer, tuple(map(float, self.vector)), (place,)),))

    @property
    def digest(self) -> str:
        """Tells it from others in the names of arms."""
        return blake2b(self.vector.tobytes() + bytes([self.layer % 256]), digest_size=4).hexdigest()


def read_again(place: int, condition: Condition) -> ReadRollouts:
    """How likely the condition makes the first sentences drawn there."""
    return ReadRollouts(ARM, place, layer=None, sampled=True, condition=condition)


@dataclass(frozen=True, eq=False)
class Aiming:
    """Before there are vectors: the states of both checkpoints are wanted."""

    conf: Steering
    layers: tuple[int, ...]

    @property
    def reads(self) -> tuple[Read, Read]:
        """Of the model, of the other."""
        other = Condition(self.conf.checkpoint)
        return Read(states=self.layers), Read(states=self.layers, condition=other)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The states of both over the trace."""
        return self.reads if self.conf.at.of(trace, have.scores) else []

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Trying":
        """The vectors; raises UserError for fewer problems than they need."""
        conf, there, every = self.conf, list[dict[int, Vector]](), list[dict[int, Vector]]()
        problems = set[str]()
        for trace, have in zip(traces, evidence, strict=True):
            places = conf.at.of(trace, have.scores)
            if not places:
                continue
            problems.add(trace.problem.id)
            mine, other = (have.found(read).states for read in self.reads)
            moved = {n: other[n].astype(np.float64) - mine[n] for n in self.layers}
            spans = [trace.sentences[i] for i in places]
            rows = [t for s in spans for t in range(s.start, min(s.stop, s.start + conf.tokens))]
            there.append({n: np.nanmean(moved[n][rows], axis=0) for n in self.layers})
            every.append({n: np.nanmean(moved[n][trace.reasoning], axis=0) for n in self.layers})
        if len(problems) < conf.min_problems:
            raise UserError(
                f"{len(problems)} calibration problems have such sentences and a vector needs "
                f"{conf.min_problems}; raise problems.limit"
            )
        vectors = {n: np.mean([found[n] for found in there], axis=0) for n in self.layers}
        biases = {n: np.mean([found[n] for found in every], axis=0) for n in self.layers}
        return Trying(conf, vectors, biases)


@dataclass(frozen=True, eq=False)
class Trying:
    """With vectors by layer: each layer and scale is tried on rollouts of calibration folds."""

    conf: Steering
    vectors: Mapping[int, Vector]
    biases: Mapping[int, Vector]

    @property
    def candidates(self) -> list[tuple[int, float]]:
        """Layer and scale."""
        return [(layer, scale) for layer in self.vectors for scale in self.conf.scales]

    def push(self, layer: int, scale: float) -> Push:
        """The vector of a candidate."""
        return Push(layer, self.vectors[layer] * scale)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The model's rollouts at the sentences, and what each candidate makes of them."""
        found: list[Want[Any]] = []
        for place in self.conf.at.of(trace, have.scores):
            found.append(self.conf.draw(place))
            if (ARM, place) in have.rollouts:
                found.append(read_again(place, PLAIN))
                conditions = (self.push(*each).at(place) for each in self.candidates)
                found += [read_again(place, condition) for condition in conditions]
        return found

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Applied":
        """The layer and scale with the highest P(correct), of those that leave enough draws."""
        best, most = self.candidates[0], -np.inf
        for candidate in self.candidates:
            push = self.push(*candidate)
            found: list[Weighted] = []
            for trace, have in zip(traces, evidence, strict=True):
                for place in self.conf.at.of(trace, have.scores):
                    rollouts = have.rollouts[ARM, place]
                    found.append(weighted(rollouts, push.at(place), self.conf.words))
            if np.mean([each.share for each in found]) < self.conf.min_share:
                continue
            value = float(np.mean([each.correct for each in found]))
            if value > most:
                best, most = candidate, value
        return Applied(self.conf, best, self.pushes(*best))

    def pushes(self, layer: int, scale: float) -> dict[str, Push]:
        """The vector that was chosen, and as long ones that stand for nothing."""
        chosen, bias = self.push(layer, scale), self.biases[layer]
        length, width = float(np.linalg.norm(chosen.vector)), len(bias)
        nulls = {
            f"random {i + 1}": Push(layer, self.conf.random(length, width, i))
            for i in range(self.conf.randoms)
        }
        along = bias / (np.linalg.norm(bias) or 1.0) * length
        return {STEERED: chosen, BIAS: Push(layer, along), **nulls}


@dataclass(frozen=True, eq=False)
class Applied:
    """With the layer and scale that were chosen: what the vector and its nulls do."""

    conf: Steering
    chosen: tuple[int, float]
    pushes: Mapping[str, Push]

    def conditions(self, place: int) -> dict[str, Condition]:
        """Under which the model's rollouts at a sentence are looked at."""
        pushed = {name: push.at(place) for name, push in self.pushes.items()}
        return {MODEL: PLAIN, self.conf.checkpoint: Condition(self.conf.checkpoint), **pushed}

    def elsewhere(self, place: int) -> dict[str, Condition]:
        """The same at other sentences."""
        return {ELSEWHERE: PLAIN, ELSEWHERE_STEERED: self.pushes[STEERED].at(place)}

    def looked_at(self, trace: Trace, have: Evidence) -> Iterator[tuple[int, dict[str, Condition]]]:
        """Boundaries with the conditions that are of interest there."""
        places = self.conf.at.of(trace, have.scores)
        yield from ((place, self.conditions(place)) for place in places)
        yield from ((place, self.elsewhere(place)) for place in self.conf.others(trace, places))

    def checks(self, place: int) -> dict[str, tuple[Draw, Draw]]:
        """What is drawn for a check: the sentence, then the model going on behind it."""
        drawn = {
            name: (self.pushes[name].at(place), self.pushes[name].digest)
            for name in (STEERED, BIAS)
        }
        drawn[self.conf.checkpoint] = (Condition(self.conf.checkpoint), self.conf.checkpoint)
        n, until = self.conf.check, self.conf.until
        return (
            {
                name: (
                    Draw(place, n, until="sentence", arm=f"by-{who}", condition=condition),
                    Draw(place, n, until=until, arm=f"behind-{who}", of=f"by-{who}"),
                )
                for name, (condition, who) in drawn.items()
            }
            if n
            else {}
        )

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Rollouts of the model, what each condition makes of them, and the rollouts that check."""
        found: list[Want[Any]] = []
        for place, conditions in self.looked_at(trace, have):
            found.append(self.conf.draw(place))
            if (ARM, place) in have.rollouts:
                found += [read_again(place, condition) for condition in conditions.values()]
        for place in self.conf.at.of(trace, have.scores):
            found += [draw for pair in self.checks(place).values() for draw in pair]
        return found

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """P(correct), likeness to the checkpoint's opening and effective share by condition."""
        found: list[dict[str, Any]] = []
        for place, conditions in self.looked_at(trace, evidence):
            rollouts = evidence.rollouts[ARM, place]
            each = {n: weighted(rollouts, c, self.conf.words) for n, c in conditions.items()}
            target = each.get(self.conf.checkpoint)
            for name, one in each.items():
                values = {SHARE: one.share, RIGHT: self._enough(one, one.correct)}
                if target is not None:
                    values[OPENING] = self._enough(one, one.overlap(target))
                found += [
                    self._row(name, key, place, v, len(rollouts)) for key, v in values.items()
                ]
        for place in self.conf.at.of(trace, evidence.scores):
            for name, (_, behind) in self.checks(place).items():
                drawn = evidence.found(behind)
                value = float(drawn.correct.mean())
                found.append(self._row(name, DRAWN, place, value, len(drawn)))
        return pl.DataFrame(found, schema=_ROWS)

    def _enough(self, one: Weighted, value: float) -> float:
        return value if one.share >= self.conf.min_share else np.nan

    def _row(self, part: str, measure: str, place: int, value: float, n: int) -> dict[str, Any]:
        layer, scale = self.chosen
        row = {"part": part, "measure": measure, "value": value, "n": n}
        return {**row, "sentence": place, "layer": layer, "scale": scale}

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """The gap, and how much of it each condition recovers."""
        return summary_frame(effects(frame, self.conf.checkpoint, conf))


_ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "n": pl.Int32,
    "sentence": pl.Int32,
    "layer": pl.Int32,
    "scale": pl.Float64,
}


def effects(frame: pl.DataFrame, checkpoint: str, conf: Agreement) -> list[dict[str, Any]]:
    """Means by condition, the gap, and what is recovered of it."""
    parts = frame["part"].unique(maintain_order=True).to_list()
    right = {part: by_problem(frame, part=part, measure=RIGHT) for part in parts}
    open_ = {part: by_problem(frame, part=part, measure=OPENING) for part in parts}
    drawn = {part: by_problem(frame, part=part, measure=DRAWN) for part in parts}
    base, target = right.get(MODEL, {}), right.get(checkpoint, {})
    unit = "probability"
    found = [mean(right[p], conf, part=p, measure=RIGHT, unit=unit) for p in parts]
    gap = {"part": f"{checkpoint} − model", "measure": "gap", "unit": unit}
    found.append(difference(target, base, conf, **gap))
    share = {"measure": "gap recovered", "unit": "share"}
    done = {p: right[p] for p in parts if p not in (MODEL, checkpoint, ELSEWHERE)}
    there, moved = right.get(ELSEWHERE, {}), done.pop(ELSEWHERE_STEERED, {})
    done["steered elsewhere"] = {
        p: base[p] + moved[p] - there[p] for p in base if p in moved and p in there
    }
    found += [share_recovered(v, base, target, conf, part=p, **share) for p, v in done.items()]
    for part in (STEERED, BIAS):
        if drawn.get(part):
            row = {"part": f"{part}, drawn", **share}
            found.append(share_recovered(drawn[part], base, drawn[checkpoint], conf, **row))
    like = {"measure": "opening like the checkpoint's", "unit": "1 − total variation"}
    found += [mean(open_[p], conf, part=p, **like) for p in (MODEL, STEERED, BIAS) if p in open_]
    return found
