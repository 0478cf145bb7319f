import numpy as np
import polars as pl
import pytest

from harness.claims import claims_frame
from harness.claims.claim import Claim
from harness.claims.deployed import Column, Deployed
from tests.harness.claims.made import NOTHING, Frames, frames

TEST = Deployed(Column("support", "capped_weight"), Column("support", "kl"))
NAMES = [f"p{i}-0" for i in range(24)]
RNG = np.random.default_rng(2)


def made(weight: list[list[float]], kl: list[list[float]], **more: object) -> Frames:
    """Diagnostics of `support`, a list a trace."""
    scores = {name: [0.0] * len(w) for name, w in zip(NAMES, weight, strict=False)}
    rows = [
        (name, i, w, k)
        for name, ws, ks in zip(NAMES, weight, kl, strict=False)
        for i, (w, k) in enumerate(zip(ws, ks, strict=True))
    ]
    names = ["trace_id", "sentence", "capped_weight", "kl"]
    kinds = dict(zip(names, [pl.String, pl.Int32, pl.Float64, pl.Float64], strict=True))
    diagnostics = {"support": pl.DataFrame(rows, schema=kinds, orient="row").lazy()}
    return frames({"support": scores}, diagnostics=diagnostics, **more)


def verdict(given: Frames) -> dict[str, object]:
    claim = Claim("It is so.", "somewhere", 0.8, 0.5, NOTHING, (), TEST)
    return claims_frame({"deployed": claim}, given).row(0, named=True)


def test_the_mean_is_weighted_by_what_moves():
    (part,) = TEST.parts(made([[1.0, 0.1], [0.5, 0.9]], [[0.0, 3.0], [1.0, 0.0]]))
    assert part.effect == pytest.approx((3 * 0.1 + 1 * 0.5) / 4)
    assert part.n_problems == 2


def test_what_base_does_not_make_is_found_though_nothing_moves_elsewhere():
    weight = [[1.0] * 9 + [0.04]] * 24
    kl = [[1e-4] * 9 + [4.0 + RNG.random()] for _ in range(24)]
    assert verdict(made(weight, kl))["verdict"] == "contradicted"
    assert np.mean(weight) > 0.9


def test_what_base_makes_too_is_deployed():
    weight = [[1 + 0.05 * RNG.normal() for _ in range(5)] for _ in range(24)]
    kl = [RNG.exponential(1.0, 5).tolist() for _ in range(24)]
    assert verdict(made(weight, kl))["verdict"] == "supported"


def test_half_of_the_problems_decide_nothing():
    weight = [[1.0 if i % 2 else 0.3] * 3 for i in range(24)]
    row = verdict(made(weight, [[1.0] * 3] * 24))
    assert row["verdict"] == "undecided"
    assert row["effect"] == pytest.approx(0.65)


def test_an_undefined_weight_takes_no_part():
    (part,) = TEST.parts(made([[float("nan"), 0.9]], [[5.0, 1.0]]))
    assert part.effect == pytest.approx(0.9)
    (part,) = TEST.parts(made([[float("nan")]], [[5.0]]))
    assert part.effect is None
    assert part.reason == "no sentence has a capped_weight and moves"


def test_what_is_missing_is_named():
    (part,) = TEST.parts(frames({}))
    assert part.missing == "add method=[support]"
    other = Deployed(Column("support", "capped"), Column("support", "kl"))
    (part,) = other.parts(made([[1.0]], [[1.0]]))
    assert part.missing == "support left no capped: run it again"
