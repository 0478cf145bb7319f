"""The detectors and baselines there are: what they find, want and cost, in words."""

from harness.cli.catalogue.entries import Entry, entries, in_families
from harness.cli.catalogue.words import COST_CLASSES, cost, cost_class, described

__all__ = [
    "COST_CLASSES",
    "Entry",
    "cost",
    "cost_class",
    "described",
    "entries",
    "in_families",
]
