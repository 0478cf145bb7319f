"""Everything that validations are made of, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agreement import Agreement
from harness.interventions.validation.intervention import Intervention, Learning, Prepared
from harness.run.settings import RunSettings


@dataclass(frozen=True)
class ValidationSettings:
    """The interventions to run on a folder; `nodes` is what each was made from.

    `run` is what the run was made with, None where it was imported without a model. `by_name`: the
    user chose them, so that one that the run does not allow is a mistake.
    """

    folder: Path
    run: RunSettings | None
    folds: int
    interventions: Mapping[str, Intervention | Prepared | Learning]
    nodes: Mapping[str, Any]
    agreement: Agreement
    by_name: bool
