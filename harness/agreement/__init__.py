"""Do the methods select the same sentences? From scores to the agreement frame."""

from harness.agreement.settings import Agreement
from harness.agreement.table import agreement

__all__ = ["Agreement", "agreement"]
