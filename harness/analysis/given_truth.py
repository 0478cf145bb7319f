"""Detectors that were told the truth: where the planted phrases are known, some are handed them."""

from collections.abc import Mapping
from typing import Any


def given_truth(values: Mapping[str, Any], *, known: bool) -> dict[str, str]:
    """The methods of a run's configuration that were told what is planted, and how to undo it.

    In a run whose truth is `known` those are the ones given a lexicon, which holds planted phrases,
    and the ones given categories, which are the planted kinds.
    """
    methods, options = (values.get(key) or {} for key in ("method", "options"))
    nodes = {
        name: {**options.get(name, {}), **methods.get(name, {})} for name in (*methods, *options)
    }
    found: dict[str, str] = {}
    for name, node in nodes.items() if known else ():
        if node.get("lexicon"):
            found[name] = f"options.{name}.lexicon=null, which mines phrases"
        elif node.get("categories"):
            found[name] = "a model whose truth is not known"
    return found
