"""The report of a run: one page that opens from disk, asks no network and needs no server."""

from harness.report.page.document import render

__all__ = ["render"]
