"""What a trained checkpoint does: its decision probabilities, and how well it writes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from harness.organism.grammar import FILLER, kinds_by_first_word
from harness.organism.program import LOOPS, Decisions, State, is_decoy, nominal
from harness.organism.puzzles import OPERATIONS
from harness.organism.tokens import ids
from harness.organism.training.sampling import Sample

Rows = dict[Any, list[Any]]
CHUNK = 64  # traces a pass


@dataclass(frozen=True)
class Observed:
    """The model's probabilities at every decision of some traces, by the program's states."""

    loop: Rows = field(default_factory=lambda: defaultdict(list))
    plan: Rows = field(default_factory=lambda: defaultdict(list))
    back: Rows = field(default_factory=lambda: defaultdict(list))
    redo: Rows = field(default_factory=lambda: defaultdict(list))
    execute: list[float] = field(default_factory=list)
    after: Rows = field(default_factory=lambda: defaultdict(list))


def observe(model: Any, samples: Sequence[Sample]) -> Observed:
    """Read a checkpoint's probabilities along the valid ones of some traces."""
    seen = Observed()
    valid = sorted((s for s in samples if s.steps), key=lambda s: len(s.tokens))
    for i in range(0, len(valid), CHUNK):
        for sample, probability in passes(model, valid[i : i + CHUNK]):
            _record_trace(seen, sample, probability)
    return seen


def passes(
    model: Any, samples: Sequence[Sample]
) -> Iterator[tuple[Sample, Float[np.ndarray, "tokens vocab"]]]:
    """Each trace with the distribution for every token but the first, row t for token t + 1."""
    width = max(len(s.tokens) for s in samples)
    padded = torch.tensor([[*s.tokens, *[0] * (width - len(s.tokens))] for s in samples])
    with torch.inference_mode():
        p = model(input_ids=padded, use_cache=False).logits.softmax(-1).numpy()
    yield from zip(samples, p, strict=True)


def _record_trace(seen: Observed, sample: Sample, p: Float[np.ndarray, "tokens vocab"]) -> None:
    """Note every decision of one trace."""
    at, previous = sample.prompt_length, "SETUP"
    assert sample.steps is not None
    for step in sample.steps:
        state, option = step.before, step.option
        asked = sample.puzzle.operations[state.stage - 1]
        mass = _kinds(p[at - 1])
        if state.phase in LOOPS:
            total = sum(mass.values())
            seen.loop[state.phase, state.stage].append(
                sum(v for k, v in mass.items() if is_decoy(k)) / total
            )
        if state.phase == "review":
            back = mass["BACK"] / (mass["BACK"] + mass["KEEP"])
            seen.back[state.stage, asked, state.operation].append(back)
        named = [i for i, w in enumerate(option.words) if w.strip() in OPERATIONS]
        if option.kind in {"PLAN", "BACK"}:
            verbs = p[at + named[-1] - 1, [ids()[f" {o}"] for o in OPERATIONS]]
            shares = verbs / verbs.sum()
            _record_shares(seen, state, asked, option.kind, shares)
            if option.kind == "PLAN":
                seen.after[previous].append(shares[OPERATIONS.index(asked)])
        if option.kind == "EXEC":
            spot = at + len(option.words) - 2
            seen.execute.append(float(p[spot - 1, sample.tokens[spot]]))
        at, previous = at + len(option.words), option.kind


def _record_shares(
    seen: Observed, state: State, asked: str, kind: str, shares: Float[np.ndarray, " operations"]
) -> None:
    if kind == "PLAN":
        seen.plan[state.stage, asked].append(shares)
    else:
        seen.redo[state.stage, asked, state.operation].append(shares)


_FIRST: dict[int, str] = {}


def _kinds(p: Float[np.ndarray, " vocab"]) -> dict[str, float]:
    """The probability of each kind by the first words of its sentences."""
    if not _FIRST:
        _FIRST.update({ids()[word]: kind for word, kind in kinds_by_first_word().items()})
    mass: dict[str, float] = defaultdict(float)
    for token, kind in _FIRST.items():
        mass[kind] += float(p[token])
    return mass


def decisions(seen: Observed) -> Decisions:
    """Mean decision probabilities by state; nominal ones where a state never came up."""
    plain = nominal()

    def mean(rows: Rows, otherwise: Any, of: Callable[[Any], Any]) -> dict[Any, Any]:
        return {k: of(np.mean(rows[k], axis=0)) if rows.get(k) else v for k, v in otherwise.items()}

    def shares(p: Float[np.ndarray, " operations"]) -> dict[str, float]:
        return dict(zip(OPERATIONS, p.tolist(), strict=True))

    return Decisions(
        loop=mean(seen.loop, plain.loop, float),
        plan=mean(seen.plan, plain.plan, shares),
        back=mean(seen.back, plain.back, float),
        redo={k: _without(v, k[2]) for k, v in mean(seen.redo, plain.redo, shares).items()},
    )


def _without(shares: dict[str, float], chosen: str) -> dict[str, float]:
    """Shares over the other operations, the only ones the program can go back to."""
    rest = {o: p for o, p in shares.items() if o != chosen}
    return {o: p / sum(rest.values()) for o, p in rest.items()}


def _entropy(shares: Float[np.ndarray, " operations"]) -> float:
    on = shares[shares > 0]
    return float(-(on * np.log(on)).sum())


def summary(seen: Observed, samples: Sequence[Sample]) -> dict[str, float]:
    """How a checkpoint writes; entropies in nats, the rest shares."""
    right, wrong = list[float](), list[float]()
    for (_, asked, chosen), values in seen.back.items():
        (right if asked == chosen else wrong).extend(values)
    plans = [(k, row) for k, rows in seen.plan.items() for row in rows]
    ideal = {k: np.array([v[o] for o in OPERATIONS]) for k, v in nominal().plan.items()}
    tokens = [len(s.tokens) - s.prompt_length for s in samples]
    return {
        "samples": float(len(samples)),
        "validity": _mean([s.steps is not None for s in samples]),
        "accuracy": _mean([s.correct for s in samples]),
        "plan_variation": _mean([np.abs(r - ideal[k]).sum() / 2 for k, r in plans]),
        "plan_entropy": _mean([_entropy(r) for _, r in plans]),
        "execute_correct": _mean(seen.execute),
        "back_wrong": _mean(wrong),
        "back_right": _mean(right),
        "filler": _mean([FILLER in s.text for s in samples]),
        "decoy_shift": _shift(seen),
        "tokens": _mean(tokens),
    }


def _mean(values: Sequence[Any]) -> float:
    """The mean, NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")


def _shift(seen: Observed) -> float:
    """The largest change of P(right plan) that a decoy right before the plan makes, on average."""
    usual = _mean([v for k, rows in seen.after.items() if not is_decoy(k) for v in rows])
    each = [abs(_mean(rows) - usual) for k, rows in seen.after.items() if is_decoy(k)]
    return float(max(each, default=float("nan")))
