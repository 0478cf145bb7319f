"""The regressors of all controls over the sentences of a panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from harness.agreement.controls.covariate import ALWAYS, NEVER, Covariate
from harness.agreement.controls.headroom import headroom
from harness.agreement.controls.ladder import Ladder
from harness.agreement.controls.length import length
from harness.agreement.controls.position import position
from harness.agreement.controls.taken import PARTS
from harness.agreement.controls.wording import wording
from harness.agreement.panel.panel import Panel
from harness.agreement.settings import Agreement, Control

JOINT = ("structure", "all")  # they leave out what is defined nowhere


@dataclass(frozen=True, eq=False)
class Design:
    """Regressors of the controls that are defined on the same sentences, those `known`.

    `of` says which columns are a control's and which traces fit them; the columns are 0 where they
    are not known.
    """

    columns: Float[np.ndarray, "columns sentences"]
    known: Bool[np.ndarray, " sentences"]
    of: Mapping[Control, Ladder]


def designs(panel: Panel, conf: Agreement) -> list[Design]:
    """The regressors of all controls and of none, as few designs as can be."""
    wanted: list[Control] = ["none", *(c for c in conf.controls if c != "none")]
    every = _covariates(panel, conf)
    there = {name for name, covariate in every.items() if covariate.known.any()}
    names = {c: [p for p in PARTS[c] if p in there or c not in JOINT] for c in wanted}
    everywhere = np.ones(panel.size, bool)
    known = {
        c: np.logical_and.reduce([everywhere, *(every[name].known for name in names[c])])
        for c in wanted
    }
    groups: dict[bytes, list[Control]] = {}
    for control in wanted:
        groups.setdefault(known[control].tobytes(), []).append(control)
    return [
        _design({c: names[c] for c in group}, every, known[group[0]], conf)
        for group in groups.values()
    ]


def _covariates(panel: Panel, conf: Agreement) -> dict[str, Covariate]:
    values = panel.covariates
    return {
        "position": position(values["position"], panel.trace),
        "length": length(values["length"]),
        "headroom": headroom(values["headroom"], panel.trace),
        "wording": wording(values["lexicon"], panel.scored(conf.wording)),
    }


def _design(
    names: Mapping[Control, Sequence[str]],
    every: Mapping[str, Covariate],
    known: Bool[np.ndarray, " sentences"],
    conf: Agreement,
) -> Design:
    used = [name for name in every if any(name in group for group in names.values())]
    columns = np.concatenate([np.empty((0, len(known))), *(every[n].columns for n in used)])
    owner = np.array([n for n in used for _ in every[n].steps])
    steps = np.array([step for n in used for step in every[n].steps], dtype=int)
    of: dict[Control, Ladder] = {
        c: _ladder(np.flatnonzero(np.isin(owner, list(g))), steps, conf) for c, g in names.items()
    }
    return Design(np.where(known, columns, 0.0), known, of)


def _ladder(index: np.ndarray, steps: np.ndarray, conf: Agreement) -> Ladder:
    """A step is taken in the traces that afford its columns and those of all steps before."""
    step = steps[index]
    until = (step[None] <= step[:, None]).sum(1) / conf.regressors_per_sentence
    # a hair less, as the share of regressors is no exact fraction
    least = np.where(step == ALWAYS, 0.0, np.where(step == NEVER, np.inf, until - 1e-6))
    return Ladder(index, least)
