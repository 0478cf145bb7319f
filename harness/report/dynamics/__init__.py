"""What changes over a series of checkpoints: figure, table of the page, table in the terminal."""

from harness.report.dynamics.figure import draw
from harness.report.dynamics.tables import section, table

__all__ = ["draw", "section", "table"]
