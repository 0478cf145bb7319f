"""A detector that comes with a package of its own: AT2, from evidence that the harness gathers."""

from anchor_at2.detector import AT2

__all__ = ["AT2"]
