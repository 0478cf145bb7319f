"""Everything that validations are made of, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agreement import Agreement
from harness.core import UserError
from harness.core.config import serving
from harness.interventions.validation.intervention import Intervention, Learning, Prepared
from harness.run.settings import RunSettings

GROUP = "validate"
Kind = Intervention | Prepared | Learning


def interventions(nodes: Mapping[str, Any]) -> dict[str, Kind]:
    """The interventions of the group `validate`; raises UserError naming the key that is wrong."""
    found: dict[str, Kind] = {}
    for name, node in nodes.items():
        made = serving(object, node, f"{GROUP}.{name}")
        if not isinstance(made, Intervention | Prepared | Learning):
            raise UserError(f"{GROUP}.{name}._target_: {type(made).__name__} is no intervention")
        found[name] = made
    return found


@dataclass(frozen=True)
class ValidationSettings:
    """The interventions to run on a folder; `nodes` is what each was made from.

    `run` is what the run was made with, None where it was imported without a model. `by_name`: the
    user chose them, so that one that the run does not allow is a mistake.
    """

    folder: Path
    run: RunSettings | None
    folds: int
    interventions: Mapping[str, Kind]
    nodes: Mapping[str, Any]
    agreement: Agreement
    by_name: bool
