"""Passes that are looked into: by whom a trace is read, and which of its tokens it reaches."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.core import Gradient, Lens, Reach, Trace
from harness.evidence.passes import as_read
from harness.models.insides.gradient import gradient
from harness.models.insides.lens import lens
from harness.models.insides.reach import reach
from harness.models.model import Subject

Inside = Reach | Lens | Gradient


def inside(subject: Subject, trace: Trace, want: Inside) -> Any:
    """What answers a want, NaN for tokens that the checkpoint cannot follow or that do not fit."""
    who, seen = as_read(subject, want.checkpoint, trace)
    if isinstance(want, Gradient):
        return _whole(gradient(who, seen, want), trace)
    room = max(0, who.context - len(seen.prompt_ids))
    fitting = replace(seen, token_ids=seen.token_ids[:room])
    if isinstance(want, Lens):
        return _whole(lens(who, fitting), trace)
    return reach(who, fitting, want)


def _whole(
    values: Float[np.ndarray, "*rows some"], trace: Trace
) -> Float[np.ndarray, "*rows tokens"]:
    """As many columns as the trace has tokens."""
    missing = len(trace.token_ids) - values.shape[-1]
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)], constant_values=np.nan)
