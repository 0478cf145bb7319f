"""Rotary tables that depend on how long the longest text of a pass is: longrope and dynamic NTK.

One row longer than the table's first length turns the keys of every row of its batch, and keys that
are cached already keep their old turn. No pass goes as far.
"""

from typing import Any

MOVING = ("longrope", "dynamic")


def steady(config: Any) -> int | None:
    """The tokens up to which a model's rotary table is always the same; None if it always is."""
    text = config.get_text_config()
    given: Any = getattr(text, "rope_parameters", None) or {}
    tables = [given, *(each for each in given.values() if isinstance(each, dict))]
    if not any(table.get("rope_type") in MOVING for table in tables):
        return None
    first = [table.get("original_max_position_embeddings") for table in tables]
    first.append(getattr(text, "original_max_position_embeddings", None))
    return int(next((n for n in first if n), text.max_position_embeddings))
