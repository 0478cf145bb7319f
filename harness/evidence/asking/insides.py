"""Passes that are looked into: by whom a trace is read, and which of its tokens it reaches."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.core import Gradient, Lens, Reach, Trace
from harness.evidence.passes import as_read
from harness.evidence.wants import Inside
from harness.models.insides.gradient import gradient
from harness.models.insides.lens import lens
from harness.models.insides.reach import reach
from harness.models.model import Subject


def inside(subject: Subject, trace: Trace, wants: Sequence[Inside]) -> dict[Inside, Any]:
    """What answers wants of one pass, NaN for tokens that it cannot follow or that do not fit."""
    who, seen = as_read(subject, wants[0].checkpoint, trace)
    room = max(0, who.context - len(seen.prompt_ids))
    fitting = replace(seen, token_ids=seen.token_ids[:room])
    distances = [want for want in wants if isinstance(want, Reach)]
    found: dict[Inside, Any] = {**reach(who, fitting, distances)} if distances else {}
    for want in wants:
        if isinstance(want, Gradient):
            found[want] = _whole(gradient(who, seen, want), trace)
        elif isinstance(want, Lens):
            found[want] = _whole(lens(who, fitting), trace)
    return found


def _whole(
    values: Float[np.ndarray, "*rows some"], trace: Trace
) -> Float[np.ndarray, "*rows tokens"]:
    """As many columns as the trace has tokens."""
    missing = len(trace.token_ids) - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)], constant_values=np.nan)
