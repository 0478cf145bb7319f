"""The tiny model of the other tests."""

from tests.harness.conftest import subject

__all__ = ["subject"]
