"""Everything that a run is made of, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Detector, ProblemSet
from harness.engines.base import EngineConf
from harness.evidence.asking.labelling import AskedLabels
from harness.evidence.sampling import Sampling
from harness.models.model import Model
from harness.run.folds import Calibration
from harness.run.work import Part
from harness.text.categories import Labels
from harness.text.segmentation import Segmentation


@dataclass(frozen=True)
class RunSettings:
    """What one job of a run needs to know; `values` is what it was made from.

    `checkpoints` are those that the detectors read beside the model. `identity` is what makes two
    runs the same run, `hashes` what the scores of each detector rest on besides the traces.
    """

    folder: Path
    shard: Part | None
    problems: ProblemSet
    segmentation: Segmentation
    labels: Labels | AskedLabels
    sampling: Sampling
    model: Model
    engine: EngineConf
    detectors: Mapping[str, Detector]
    checkpoints: tuple[str, ...]
    calibration: Calibration
    identity: Mapping[str, Any]
    hashes: Mapping[str, str]
    values: Mapping[str, Any]

    @property
    def entries(self) -> tuple[str, ...]:
        """Whose status the job writes."""
        part = self.shard
        return (f"shard-{part.index}-of-{part.count}",) if part else tuple(self.detectors)
