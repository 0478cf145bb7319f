"""Rollouts read again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.core import PLAIN, Evidence, ReadRollouts, Trace
from harness.evidence.recorder import start_of
from harness.models.model import Subject
from harness.models.rollout_states import ends
from harness.store import rollouts as recorded


def with_rollout_readings(
    subject: Subject,
    folder: Path,
    trace: Trace,
    have: Evidence,
    wanted: Sequence[ReadRollouts],
    sampling: tuple[float, float],
) -> Evidence:
    """The evidence with the wanted states in it; `folder` has the rollouts' tokens.

    Raises UserError for a model whose attention is not full or sliding softmax attention.
    """
    stops, rollouts = start_of(trace).stops, dict(have.rollouts)
    for arm, layer in dict.fromkeys((w.arm, w.layer) for w in wanted if w.layer is not None):
        ids = recorded.first_sentence_ids(folder, arm)
        places = [w.boundary for w in wanted if (w.arm, w.layer) == (arm, layer)]
        begun = {
            k: [(stops[k], ids[k, draw]) for draw in rollouts[arm, k].draw.tolist()] for k in places
        }
        found = ends(subject, trace, [b for each in begun.values() for b in each], layer)
        for k, each in begun.items():
            old, width = rollouts[arm, k], subject.model.config.get_text_config().hidden_size
            states = np.full((len(each), width), np.nan, dtype=np.float32)
            for row, beginning in enumerate(each):
                states[row] = found.get(beginning, np.nan)
            rollouts[arm, k] = replace(old, states={**old.states, (layer, PLAIN): states})
    return replace(have, rollouts=rollouts)
