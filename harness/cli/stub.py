"""Each detector asked for wants and scores of a sample trace, before a run spends anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.core import (
    Attend,
    Compare,
    Comparison,
    Condition,
    Cut,
    Depart,
    Detector,
    Draw,
    Embed,
    Evidence,
    Fittable,
    Likelihood,
    Read,
    Reading,
    ReadRollouts,
    ReadText,
    Rollouts,
    RolloutText,
    Sentences,
    Suppress,
    UserError,
    Want,
    Wants,
)
from harness.core.errors import in_words
from harness.evidence.example import REFERENCES, TRACE, assumed
from harness.evidence.wants import answered, rollouts_of
from harness.run.scoring import checked

DRAWS, ROUNDS, DIMS = 6, 12, 8
ANSWERS = ("2", "3")
SAID = ("This is one step.", "Wait, is that so?", "")
N, TOKENS = len(TRACE.sentences), len(TRACE.token_ids)


@dataclass(frozen=True)
class Shape:
    """What of a model the stub evidence has the size of."""

    layers: int
    heads: int
    width: int


def try_out(name: str, detector: Detector, force: str, shape: Shape) -> None:
    """Raise UserError naming the detector if it cannot say what it wants or score a sample trace.

    Those that learn are asked for what they want alone: what they make of a few made-up traces is
    no sign of what they make of a run.
    """
    try:
        _scored(detector, force, shape)
    except UserError as error:
        raise UserError(f"method.{name}: {error}") from None
    except Exception as error:
        raise UserError(
            f"method.{name}: fails on a sample trace with {in_words(error)}; nothing was run"
        ) from error


def _scored(detector: Detector, force: str, shape: Shape) -> None:
    have = Evidence(DRAWS, force, REFERENCES)
    for _ in range(ROUNDS):
        wanted = detector.wants(TRACE, have) if isinstance(detector, Wants) else []
        missing = [want for want in wanted if not answered(want, have)]
        if not missing:
            break
        for want in missing:
            have = _with(have, want, shape)
    else:
        return  # it goes on asking: the sample says no more of it
    if not isinstance(detector, Fittable):
        checked(detector.score(TRACE, have), TRACE)


def _with(have: Evidence, want: Want[Any], shape: Shape) -> Evidence:
    """The evidence with a made-up answer to a want in it."""
    match want:
        case Draw() if want.after:
            new = replace(have, continued={**have.continued, **_drawn(want)})
        case Draw():
            new = replace(have, rollouts={**have.rollouts, **_drawn(want)})
        case Sentences():
            said = dict.fromkeys(rollouts_of(have, want), (SAID[0], SAID[1]))
            new = replace(have, sentences={**have.sentences, **said})
        case ReadRollouts():
            new = replace(have, rollouts={**have.rollouts, **_read_again(have, want, shape)})
        case Read():
            new = replace(have, readings={**have.readings, **_read(have, want, shape)})
        case Embed():
            unit = np.full(DIMS, DIMS**-0.5)
            units = {(want.model, text): unit for text in want.texts}
            new = replace(have, embeddings={**have.embeddings, **units})
        case _:
            answer = ANSWER[type(want)](want, shape)
            new = replace(have, answers={**have.answers, want: answer})
    return new


def _drawn(want: Draw) -> dict[tuple[str, int], Rollouts]:
    """Rollouts whose answers and first sentences take turns, or continuations from cuts."""
    place = (want.arm, want.boundary)
    cuts = want.after or tuple(Cut(draw) for draw in range(want.n))
    answers = tuple(ANSWERS[i % len(ANSWERS)] for i in range(len(cuts)))
    made = Rollouts(
        np.array([cut.draw for cut in cuts], dtype=np.int64),
        answers,
        np.array([answer == TRACE.problem.answer for answer in answers], dtype=bool),
        tuple(SAID[i % len(SAID)] for i in range(len(cuts))),
        cuts=tuple(want.after),
    )
    return {place: made}


def _read_again(
    have: Evidence, want: ReadRollouts, shape: Shape
) -> dict[tuple[str, int], Rollouts]:
    place = (want.arm, want.boundary)
    old, value = have.rollouts[place], np.linspace(-3, -1, len(have.rollouts[place]))
    states = dict(old.states)
    if want.layer is not None:
        states[want.layer, want.condition] = _matrix(len(old), shape.width)
    log_p = {want.condition: value} if want.sampled else {}
    return {
        place: replace(
            old, states=states, sampled={**old.sampled, **log_p}, least={**old.least, **log_p}
        )
    }


def _read(have: Evidence, want: Read, shape: Shape) -> dict[Condition, Reading]:
    old, value = have.readings.get(want.condition, Reading()), _tokens()
    states = {layer: _matrix(TOKENS, shape.width) for layer in want.states}
    top = {want.top_entropy: value} if want.top_entropy else {}
    reading = Reading(
        value if want.entropy else old.entropy,
        -value if want.logprob else old.logprob,
        {**old.states, **states},
        -value if want.sampled else old.sampled,
        {**old.top_entropy, **top},
    )
    return {want.condition: reading}


def _tokens() -> np.ndarray:
    return np.random.default_rng(0).exponential(size=TOKENS).astype(np.float32)


def _matrix(rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, width)).astype(np.float32)


def _attention(want: Any, shape: Shape) -> np.ndarray:
    weights = np.tril(np.random.default_rng(2).random((shape.heads, N, N))) / N
    return np.stack([want.summary(weights)] * shape.layers)


def _masked(want: Any, _: Shape) -> np.ndarray:
    """Divergences of the tokens behind where the mask begins."""
    token = np.arange(TOKENS)[:, None]
    begun = np.array([s.start if want.own_rows else s.stop for s in TRACE.sentences])
    return np.where(token > begun, _matrix(TOKENS, N) ** 2, np.nan)


ANSWER: Mapping[type[Want[Any]], Callable[[Any, Shape], Any]] = {
    Depart: lambda want, _: assumed(want, TRACE),
    Compare: lambda _, shape: Comparison(_tokens(), _tokens() / 9, (_tokens() > 1) * 1.0),
    Attend: _attention,
    Suppress: _masked,
    Likelihood: lambda want, shape: np.linspace(
        -3, -1, N + 1 if want.boundaries is None else len(want.boundaries)
    ),
    ReadText: lambda _, shape: _matrix(1, shape.width)[0],
    RolloutText: lambda want, shape: {draw: SAID[draw % 2] for draw in range(want.n)},
}
