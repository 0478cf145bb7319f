"""`rl_entropy` and `gram_coverage`: every mode on numbers small enough to work out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import conf
from harness import (
    PLAIN,
    Compare,
    Comparison,
    Condition,
    Embed,
    Evidence,
    Problem,
    Read,
    Reading,
    Sentence,
    Trace,
    UserError,
)
from harness.core.config import target

YAMLS = Path(conf.__file__).parent / "method"
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
TEXT = "I plan to add. It is seven. So."
PIECES = ["I", " plan", " to", " add", ".", " It", " is", " seven", ".", " So", "."]
STARTS = tuple(int(n) for n in np.cumsum([0, *map(len, PIECES[:-1])]))
SPANS = ((0, 5), (5, 9), (9, 11), (11, 11))
TRACE = Trace(
    "t", PROBLEM, "m", "r", 0, (1,), tuple(range(11)), TEXT,
    tuple(Sentence("", a, b, None) for a, b in SPANS), "a", True, "", "", STARTS,
)  # fmt: skip
H = np.array([0.5, 2.0, 1.0, 0.25, 0.25, 0.0, 4.0, 0.0, 0.0, 3.0, 1.0], np.float32)
LOGP = np.array([-1, -2, -3, -1, -1, -4, -1, 0, 0, -1, -1], np.float32)
BASE = Reading(H + np.array([1, 1, 1, 1, 1, -1, -1, -1, -1, 0, 2], np.float32), LOGP - 1)
KL = {Compare(PLAIN, Condition("base")): Comparison(*[np.arange(11, dtype=np.float32)] * 3)}
EVIDENCE = Evidence(
    1, "", (), readings={PLAIN: Reading(H, LOGP), Condition("base"): BASE}, answers=KL
)  # fmt: skip
LEXICON = ("plan to add", "so")


def detector(name: str = "rl_entropy", **options):
    node = yaml.safe_load((YAMLS / f"{name}.yaml").read_text())[name]
    return replace(target(node, name), **options)


def scores(mode: str, **options) -> list[float]:
    own = detector(mode=mode, lexicon=LEXICON, **options)
    return own.score(TRACE, EVIDENCE).score.tolist()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("planning_entropy", [(2 + 1 + 0.25) / 5, 0, 3 / 2]),
        ("planning_mean", [(2 + 1 + 0.25) / 3, np.nan, 3]),
        ("mean", [4 / 5, 1, 2]),
        ("max", [2, 4, 3]),
        ("first", [0.5, 0, 3]),
        ("shift", [-1, 1, -1]),
        ("kl", [2, 6.5, 9.5]),
        ("log_ratio", [1, 1, 1]),
    ],
)
def test_modes_by_hand(mode: str, expected: list[float]):
    assert scores(mode) == pytest.approx([*expected, np.nan], nan_ok=True, abs=1e-6)


def test_forking_tokens_are_the_top_of_the_trace_or_above_a_threshold():
    # Of 11 values the quantile at .8 is the ninth, 2.0: the two above it are 4.0 and 3.0.
    assert scores("forking") == pytest.approx([0, 1 / 4, 1 / 2, np.nan], nan_ok=True)
    assert scores("forking", threshold=0.672) == pytest.approx(
        [2 / 5, 1 / 4, 1, np.nan], nan_ok=True
    )


def test_forking_looks_at_the_reasoning_alone():
    tail = replace(TRACE, sentences=TRACE.sentences[:2])
    found = detector(mode="forking").score(tail, EVIDENCE).score
    # 0 0 0 .25 .25 .5 1 2 4: at .8 * 8 = 6.4 lies 1.4
    assert found.tolist() == pytest.approx([1 / 5, 1 / 4])


def test_what_does_not_read_is_undefined():
    short = replace(BASE, entropy=np.where(np.arange(11) < 7, BASE.entropy, np.nan))
    have = replace(EVIDENCE, readings={PLAIN: Reading(H, LOGP), Condition("base"): short})
    found = detector(mode="shift").score(TRACE, have).score
    assert np.isnan(found).tolist() == [False, True, True, True]


def test_the_pair_is_named_by_the_options():
    turned = detector(mode="shift", rl="base", base="")
    assert turned.score(TRACE, EVIDENCE).score[:3] == pytest.approx([1, -1, 1], abs=1e-6)
    assert set(turned.wants(TRACE, EVIDENCE)) == {
        Read(entropy=True),
        Read(entropy=True, condition=Condition("base")),
    }
    assert detector("rl_entropy_kl").wants(TRACE, EVIDENCE) == [Compare(PLAIN, Condition("base"))]
    assert [detector(mode=m).signed for m in ("shift", "log_ratio", "kl", "mean")] == [
        *(True, True, False, False)
    ]


def test_the_share_of_planning_tokens_is_told():
    found = detector(lexicon=LEXICON).score(TRACE, EVIDENCE).diagnostics["planning"]
    assert found.tolist() == pytest.approx([3 / 5, 0, 1 / 2, np.nan], nan_ok=True)


@pytest.mark.parametrize("name", ["rl_entropy", "gram_coverage"])
def test_correct_traces_are_embedded_where_grams_are_mined(name: str):
    own = detector(name)
    (wanted,) = [w for w in own.wants(TRACE, EVIDENCE) if isinstance(w, Embed)]
    assert set(wanted.texts) == {"i plan to", "plan to add", "i plan to add", "it is seven"}
    wrong = replace(TRACE, correct=False)
    for none in (own.wants(wrong, EVIDENCE), replace(own, lexicon=()).wants(TRACE, EVIDENCE)):
        assert not [w for w in none if isinstance(w, Embed)]


@pytest.mark.parametrize("name", ["rl_entropy", "gram_coverage"])
def test_what_is_mined_is_what_counts(name: str):
    own = detector(name)
    grams = own.mining.candidates(TEXT)
    known = {(own.mining.embedder, gram): np.eye(len(grams))[i] for i, gram in enumerate(grams)}
    fitted = own.fit([TRACE], [replace(EVIDENCE, embeddings=known)])
    assert fitted.lexicon == grams  # one cluster, and it is kept
    assert fitted.facts == {"traces": 1, "candidates": 4, "clusters": 1, "grams": list(grams)}
    given = replace(own, lexicon=grams)
    found = fitted.score(TRACE, EVIDENCE).score
    assert found == pytest.approx(given.score(TRACE, EVIDENCE).score, nan_ok=True)
    assert found[0] > 0


@pytest.mark.parametrize("name", ["rl_entropy", "gram_coverage"])
def test_without_grams_there_is_a_reason(name: str):
    for own, reason in [
        (detector(name), "not fitted"),
        (detector(name).fit([], []), "no strategic gram found"),
    ]:
        found = own.score(TRACE, EVIDENCE)
        assert found.reason == reason
        assert np.isnan(found.score).all()


def test_a_lexicon_file_is_read_when_fitted_and_named_at_start_where_it_is_not(tmp_path: Path):
    (tmp_path / "grams.txt").write_text("plan to add\nso\n")
    own = detector(lexicon=str(tmp_path / "grams.txt"))
    assert own.fit([], []).lexicon == LEXICON
    with pytest.raises(UserError, match="lexicon: cannot read"):
        detector(lexicon=str(tmp_path / "nowhere"))


def test_coverage_by_hand():
    found = detector("gram_coverage", lexicon=LEXICON).score(TRACE, Evidence(1, "", ()))
    assert found.score.tolist() == pytest.approx([3 / 5, 0, 1 / 2, np.nan], nan_ok=True)
