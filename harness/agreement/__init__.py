"""Do the methods select the same sentences? From scores to the agreement frame."""

from harness.agreement.panel.panel import MethodInfo
from harness.agreement.settings import Agreement
from harness.agreement.table import Agreed, agreement

__all__ = ["Agreed", "Agreement", "MethodInfo", "agreement"]
