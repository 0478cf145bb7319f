"""The organism: a tiny reasoning model whose anchors are planted, so that their truth is exact."""

from harness.organism.problems import Organism

__all__ = ["Organism"]
