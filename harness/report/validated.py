"""What validations found of single methods, for the table of methods."""

import polars as pl

# By column of schema.METHODS: the validation, its measure, and the part where it has several.
COLUMNS = {
    "deletion_area": ("deletion", "area − matched, log p of own", "whole trace"),
    "swap_invariance": ("swap", "tau-b", None),
}


def validated(methods: pl.DataFrame, effects: pl.DataFrame) -> pl.DataFrame:
    """The methods with the effects of validations that are theirs, null where there are none.

    `deletion_area` in nats: how much less likely the own answer gets while the highest sentences
    are masked, less matched ones: what the answer is read from. `swap_invariance`: Kendall's tau-b
    of the scores behind the right and a wrong problem; high alone says nothing.
    """
    for column, (validation, measure, part) in COLUMNS.items():
        mine = effects.filter(validation=validation, measure=measure)
        if part is not None:
            mine = mine.filter(part=part)
        values = mine.unique("method", keep="first").select("method", pl.col("value").alias(column))
        methods = methods.drop(column).join(values, on="method", how="left", maintain_order="left")
    return methods
