import polars as pl

from harness.report.validated import validated
from harness.store import schema


def test_each_method_gets_the_effects_that_are_its_own():
    methods = pl.DataFrame({"method": ["mi", "attention"]}, schema_overrides=schema.METHODS)
    methods = methods.with_columns(
        pl.lit(None, kind).alias(name) for name, kind in schema.METHODS.items() if name != "method"
    )
    area = "area − matched, log p of own"
    rows = [
        ("deletion", "whole trace", area, "mi", 0.5),
        ("deletion", "answer unstated", area, "mi", 9.0),
        ("deletion", "whole trace", "area − matched, P of own", "mi", 9.0),
        ("swap", "operation", "tau-b", "attention", 0.8),
        ("swap", "operation", "tau-b", "truth", 0.9),
    ]
    columns = ["validation", "part", "measure", "method", "value"]
    found = validated(methods, pl.DataFrame(rows, schema=columns, orient="row"))
    assert found["method"].to_list() == ["mi", "attention"]
    assert found["deletion_area"].to_list() == [0.5, None]
    assert found["swap_invariance"].to_list() == [None, 0.8]
    none = validated(methods, pl.DataFrame(schema=schema.VALIDATION_SUMMARY))
    assert none["deletion_area"].null_count() == 2
