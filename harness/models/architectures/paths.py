"""Each path that a job may take through a model, tried on a small random one beside plain passes.

A path is what stands in `PATHS`; what it says of a text must be what one eager pass over the whole
text says.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from harness.core import Attend, Problem, Sentence, Suppress, Trace, UserError
from harness.models.architectures.reference import whole
from harness.models.conditions import Hidden
from harness.models.edits import untouched
from harness.models.forward import logits, passes
from harness.models.likelihood import scores
from harness.models.masking import suppress
from harness.models.model import Weights
from harness.models.packing import check
from harness.models.texts.parts import Asked, Continuation

CLOSE = 2e-3  # of the spread of what is compared; float32 alone leaves 1e-5
PROMPT = 4
LENGTHS = (5, 3, 9, 1, 6, 4)  # of sentences, one longer than the windows
CONTEXT = 1 << 20  # tokens: no text that is tried is too long
REASON = 160  # characters


@dataclass(frozen=True)
class Row:
    """The pooled weights of one sentence to all."""

    number: int

    def __call__(
        self, weights: Float[np.ndarray, "heads sentences sentences"]
    ) -> Float[np.ndarray, "heads sentences"]:
        """Its row of each head."""
        return weights[:, self.number]


def fault(attempt: Callable[[], float]) -> str | None:
    """Why a path is wrong, in a few words; None where it is right.

    `attempt` gives the largest difference from a plain pass; what it raises is a reason.
    """
    try:
        with torch.inference_mode():
            apart = attempt()
    except UserError as error:
        return str(error).removeprefix("model: ").removeprefix("engine=hf: ")
    except Exception as error:  # whatever a model of any kind may raise
        said = " ".join(str(error).split())
        return f"it fails with {type(error).__name__}: {said}"[:REASON]
    return None if apart <= CLOSE else f"it is {apart:.2g} standard deviations from a plain pass"


def readings(model: Any) -> float:
    """Log-probabilities and the states of a block, with attention read in the same pass or not."""
    trace, wants = text(), [Attend(Row(0))]
    ids = (*trace.prompt_ids, *trace.token_ids)
    full = whole(model, ids)
    expected = full.logits.log_softmax(-1)[PROMPT - 1 : -1]
    attends = wants if not fault(lambda: attention(model)) else []
    apart = [
        apart_by(logits(model, made.final).log_softmax(-1), expected)
        for each in ([], attends)
        for _, made in passes(_subject(model), trace, [untouched(trace)], (0,), each)
    ]
    (_, made), *_ = passes(_subject(model), trace, [untouched(trace)], (0,))
    state = full.states[1][PROMPT - 1 : -1]
    return max(*apart, apart_by(torch.from_numpy(made.states[0]), state))


def attention(model: Any) -> float:
    """Attention pooled to sentences beside the mean of the eager weights."""
    trace = text()
    full = whole(model, (*trace.prompt_ids, *trace.token_ids), [])
    wants = [Attend(Row(i)) for i in range(len(trace.sentences))]
    (_, made), *_ = passes(_subject(model), trace, [untouched(trace)], (), wants)
    spans = [slice(PROMPT + s.start, PROMPT + s.stop) for s in trace.sentences]
    pooled = [
        torch.stack([_pooled(weights, row, at) for row in spans for at in spans])
        for weights in full.weights.values()
    ]
    made = [
        np.stack([made.attention[want][layer, :, j] for want in wants for j in range(len(spans))])
        for layer in full.weights
    ]
    return max(
        apart_by(torch.from_numpy(found), expected)
        for found, expected in zip(made, pooled, strict=True)
    )


def _pooled(
    weights: Float[torch.Tensor, "heads tokens tokens"], rows: slice, columns: slice
) -> Float[torch.Tensor, " heads"]:
    return weights[:, rows, columns].mean((1, 2))


def suppression(model: Any) -> float:
    """The log KL of two masked sentences beside passes in which their keys are hidden."""
    check(model)
    trace, ids = text(), (*text().prompt_ids, *text().token_ids)
    found = suppress(_subject(model), trace, Suppress(own_rows=False, temperature=1.0))
    p = whole(model, ids, []).logits.double().log_softmax(-1)
    apart = list[float]()
    for j in (0, 2):
        low, high = (PROMPT + n for n in (trace.sentences[j].start, trace.sentences[j].stop))
        q = whole(model, ids, [Hidden(low, high, high)]).logits.double().log_softmax(-1)
        kl = (p.exp() * (p - q)).sum(-1)[high:-1]
        apart.append(apart_by(torch.from_numpy(found[high + 1 - PROMPT :, j]), kl))
    return max(apart)


def likelihood(model: Any) -> float:
    """Log p of texts behind two boundaries, of different lengths, beside whole passes."""
    trace = text()
    ids, resolved = (*trace.prompt_ids, *trace.token_ids), untouched(trace)
    some = [Continuation(1, (7, 8, 9)), Continuation(4, tuple(range(11, 29)))]
    apart = list[float]()
    for _, continuation, score in scores(_subject(model), ids, [Asked(resolved, some)]):
        at = resolved.stops[continuation.boundary]
        full = whole(model, (*ids[:at], *continuation.ids)).logits.log_softmax(-1)
        written = torch.tensor(continuation.ids)[:, None]
        expected = full[at - 1 : -1].gather(1, written)[:, 0]
        apart.append(apart_by(torch.from_numpy(score.logprob), expected))
    return max(apart)


def text() -> Trace:
    """A text of a few sentences, and some tokens behind them."""
    stops = np.cumsum(LENGTHS).tolist()
    sentences = tuple(
        Sentence("", stop - length, stop, None) for stop, length in zip(stops, LENGTHS, strict=True)
    )
    ids = np.random.default_rng(1).integers(3, 96, PROMPT + stops[-1] + 5).tolist()
    problem = Problem("tried/0", "", "", None, "tried", "evaluate")
    return Trace(
        "tried/0#0", problem, "tried", "", 0, tuple(ids[:PROMPT]), tuple(ids[PROMPT:]), "",
        sentences, "", False, "tried", "stop",
    )  # fmt: skip


def _subject(model: Any) -> Weights:
    return Weights(model, CONTEXT)


def apart_by(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, in standard deviations of what is expected."""
    found, expected = found.double(), expected.double()
    apart = float((found - expected).abs().max() / expected.std().clamp_min(1e-12))
    return apart if np.isfinite(apart) else np.inf


PATHS: Mapping[str, Callable[[Any], float]] = {
    "readings": readings,
    "attention": attention,
    "suppression": suppression,
    "likelihood": likelihood,
}
