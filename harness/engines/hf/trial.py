"""The sampler tried on a small random model beside plain passes."""

from typing import Any

import torch

from harness.engines.base import Request
from harness.engines.hf.batch import Batch
from harness.engines.hf.cohort import Cohort
from harness.engines.hf.engine import rows_of
from harness.models.architectures.paths import apart_by, text
from harness.models.architectures.reference import whole

STEPS = 10  # tokens that are written, more than fit into a window


def rollouts(model: Any) -> float:
    """Logits of rollouts of two texts, cut at different lengths, beside a whole pass each."""
    ids = _ids()
    asked = [_request(ids, 9), _request(ids, len(ids) - 2), _request(ids[5:12], 7)]
    return _apart(model, Batch(model, len(asked), 1 << 20), asked)


def cohorts(model: Any) -> float:
    """Logits of two rollouts of each of two prefixes, one prefix after the other."""
    ids = _ids()
    return max(
        _apart(model, Cohort(model, 2), [_request(ids, cut), _request(ids, cut)])
        for cut in (9, len(ids) - 2)
    )


def _apart(model: Any, batch: Batch | Cohort, asked: list[Request]) -> float:
    """How far the logits of rollouts that write some tokens are from those of whole passes."""
    rows, found = list(rows_of(asked)), list[list[torch.Tensor]]()
    for row in rows:
        found.append([batch.start(row)[1].float()])
    for step in range(STEPS):
        for number, row in enumerate(rows):
            row.newest = _token(number, step)
        for got, logits in zip(found, batch.step(), strict=True):
            got.append(logits.float())
    apart = list[float]()
    for number, (request, got) in enumerate(zip(asked, found, strict=True)):
        written = [_token(number, step) for step in range(STEPS)]
        full = whole(model, (*request.prefix, *written)).logits[-STEPS - 1 :]
        apart.append(apart_by(torch.stack(got).log_softmax(-1), full.log_softmax(-1)))
    return max(apart)


def _ids() -> tuple[int, ...]:
    trace = text()
    return (*trace.prompt_ids, *trace.token_ids)


def _request(ids: tuple[int, ...], cut: int) -> Request:
    return Request(("tried",), ids, cut, (), (0,), 0, "end", 1 << 20, 1.0, 1.0)


def _token(row: int, step: int) -> int:
    return 3 + (7 * row + 5 * step) % 89
