"""A series of checkpoints in the order of training: what each writes, and what changes."""

from harness.series.checkpoints import Checkpoint, series
from harness.series.job import follow
from harness.series.settings import Dynamics

__all__ = ["Checkpoint", "Dynamics", "follow", "series"]
