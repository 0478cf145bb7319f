"""Detectors that were told the truth: where the planted phrases are known, some are handed them."""

from collections.abc import Mapping
from typing import Any


def given_truth(values: Mapping[str, Any], *, known: bool) -> dict[str, str]:
    """The methods of a run's configuration that were told what is planted, and how to undo it.

    Those are the ones given a lexicon in a run whose truth is `known`: it holds planted phrases.
    """
    methods, options = (values.get(key) or {} for key in ("method", "options"))
    nodes = {
        name: {**options.get(name, {}), **methods.get(name, {})} for name in (*methods, *options)
    }
    informed = [name for name, node in nodes.items() if known and node.get("lexicon")]
    return {name: f"options.{name}.lexicon=null, which mines phrases" for name in informed}
