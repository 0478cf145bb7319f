"""`attention`: vertical scores, kurtosis and the choice of heads, worked out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from omegaconf import OmegaConf
from scipy import stats

from harness import Attend, Evidence, Problem, Sentence, Trace, UserError
from harness.core.config import target
from harness.models.attention import attending
from methods.attention import Attention, Vertical, kurtosis, receivers

CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "q", "0", None, "made", "evaluate")
DETECTOR = Attention(
    heads=2,
    gap=1,
    depth_control=False,
    skip_layers=1,
    min_traces=2,
    min_sentences=4,
    splits=10,
    seed=0,
    chosen=None,
)
RNG = np.random.default_rng(2506)


def trace_of(sentences, name="t", tokens=2):
    spans = [(tokens * i, tokens * (i + 1)) for i in range(sentences)]
    made = tuple(Sentence("s", a, b, None) for a, b in spans)
    ids = tuple(3 + i % 15 for i in range(tokens * sentences))
    return Trace(name, PROBLEM, "m", "r", 0, (3, 4), ids, "", made, "0", True, "made", "stop")


def evidence_of(v, detector=DETECTOR):
    return Evidence(0, "", (), answers={detector.want: np.asarray(v, dtype=np.float64)})


def calibration(vs, detector=DETECTOR):
    """Traces and evidence for `fit` from their v."""
    traces = [trace_of(v.shape[-1], f"c{i}") for i, v in enumerate(vs)]
    return traces, [evidence_of(v, detector) for v in vs]


# Vertical scores

FOUR = np.array(
    [
        [0.9, 0.0, 0.0, 0.0],
        [0.2, 0.7, 0.0, 0.0],
        [0.4, 0.1, 0.5, 0.0],
        [0.3, 0.5, 0.1, 0.2],
    ]
)


def test_columns_are_averaged_below_the_gap():
    assert Vertical(1, False)(FOUR[None])[0] == pytest.approx(
        [(0.2 + 0.4 + 0.3) / 3, (0.1 + 0.5) / 2, 0.1, np.nan], nan_ok=True
    )


def test_a_wider_gap_leaves_more_out():
    eight = np.zeros((8, 8))
    eight[:4, :4], eight[4:, :4] = FOUR, FOUR[::-1]
    values = Vertical(2, False)(eight[None])[0]
    below = [eight[j + 2 :, j].mean() for j in range(6)]
    assert values == pytest.approx([*below, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("sentences", "undefined"), [(1, 1), (2, 1), (7, 1), (8, 2), (15, 3), (16, 4), (17, 4)]
)
def test_the_gap_is_at_most_a_quarter_of_the_sentences(sentences, undefined):
    values = Vertical(4, False)(np.full((1, sentences, sentences), 0.1))[0]
    assert np.isnan(values[sentences - undefined :]).all()
    assert np.isfinite(values[: sentences - undefined]).all()


def test_depth_control_ranks_the_columns_that_count_in_a_row():
    # Rows below the gap: (.2), (.4, .1), (.3, .5, .1), so (1/2), (3/4, 1/4), (1/2, 5/6, 1/6).
    assert Vertical(1, True)(FOUR[None])[0] == pytest.approx(
        [(1 / 2 + 3 / 4 + 1 / 2) / 3, (1 / 4 + 5 / 6) / 2, 1 / 6, np.nan], nan_ok=True
    )


def test_published_depth_control_is_rank_by_count():
    # The same rows: (1/1), (2/2, 1/2), (2/3, 3/3, 1/3), by scipy.stats.rankdata / their number.
    assert Vertical(1, "published")(FOUR[None])[0] == pytest.approx(
        [(1 + 1 + 2 / 3) / 3, (1 / 2 + 1) / 2, 1 / 3, np.nan], nan_ok=True
    )


def test_depth_control_shares_the_rank_of_equal_weights():
    assert Vertical(1, True)(np.full((1, 5, 5), 0.2))[0] == pytest.approx(
        [0.5, 0.5, 0.5, 0.5, np.nan], nan_ok=True
    )


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float64, (2, 9, 9), elements=st.integers(0, 1000).map(lambda x: x / 1024)),
    st.integers(1, 6),
    st.sampled_from([0.25, 2.0, 8.0]),
)
def test_depth_control_ignores_the_scale_of_each_row(weights, gap, scale):
    scaled = weights * np.where(np.arange(9) % 2, scale, 1)[:, None]
    assert Vertical(gap, True)(scaled) == pytest.approx(Vertical(gap, True)(weights), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (2, 9, 9), elements=st.floats(0, 1)), st.integers(1, 6), st.booleans())
def test_only_what_lies_below_the_gap_counts(weights, gap, depth):
    n, cap = 9, max(1, min(gap, 9 // 4))
    other = np.where(np.tri(n, k=-cap, dtype=bool), weights, 7.0)
    vertical = Vertical(gap, depth)
    assert vertical(other) == pytest.approx(vertical(weights), nan_ok=True)
    assert vertical(weights[::-1]) == pytest.approx(vertical(weights)[::-1], nan_ok=True)


def test_a_sentence_without_tokens_spoils_no_other():
    weights = RNG.random((3, 7, 7))
    weights[:, 2], weights[:, :, 2] = np.nan, np.nan
    rest = [0, 1, 3, 4, 5, 6]
    for depth in (False, True):
        values = Vertical(1, depth)(weights)
        assert np.isnan(values[:, 2]).all()
        alone = Vertical(1, depth)(weights[np.ix_(range(3), rest, rest)])
        assert values[:, rest] == pytest.approx(alone, nan_ok=True)


# Kurtosis


def test_kurtosis_is_fishers():
    v = RNG.exponential(size=(3, 4, 30))
    assert kurtosis(v) == pytest.approx(stats.kurtosis(v, axis=-1), abs=1e-12)


def test_kurtosis_by_hand():
    # Of 0, 0, 0, 0, 5: mean 1, m2 = (4 + 16) / 5 = 4, m4 = (4 + 256) / 5 = 52, 52 / 16 - 3 = 1/4.
    assert kurtosis(np.array([[0.0, 0, 5, 0, 0, np.nan]])) == pytest.approx([0.25])


def test_three_values_have_one_kurtosis():
    assert kurtosis(RNG.normal(size=(50, 3))) == pytest.approx(np.full(50, -1.5))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-12, 0.3])
def test_no_spread_no_kurtosis(value):
    rounding = value * (1 + 1e-7 * RNG.normal(size=(1, 12)))
    assert np.isnan(kurtosis(rounding)).all()
    assert np.isnan(kurtosis(np.full((1, 5), np.nan))).all()


# The choice of heads


def test_the_highest_mean_first():
    each = np.array([[[1.0, 5.0], [9.0, 0.0]], [[1.0, 5.0], [-9.0, 6.0]]])  # means 1, 5; 0, 3
    assert receivers(each, 2) == ((0, 1), (1, 1))
    assert receivers(each, 1) == ((0, 1),)


def test_at_most_half_of_the_heads_that_have_a_kurtosis():
    each = RNG.normal(size=(3, 4, 5))
    assert len(receivers(each, 20)) == 10
    each[:, 1:] = np.nan
    assert len(receivers(each, 20)) == 2
    assert {layer for layer, _ in receivers(each, 20)} == {0}


def test_a_head_without_kurtosis_somewhere_is_judged_by_the_other_traces():
    each = np.zeros((2, 1, 4))
    each[:, 0, 2] = (np.nan, 3.0)
    assert receivers(each, 1) == ((0, 2),)


def planted(heads, sentences=20, shape=(3, 4)):
    """v that is flat noise but for heads in which one sentence stands out."""
    v = 0.1 + 0.01 * RNG.random((*shape, sentences))
    for head in heads:
        v[head][int(RNG.integers(sentences))] += 1
    v[..., -1] = np.nan
    return v


def test_planted_heads_are_found_but_not_in_the_first_layer():
    heads = [(1, 3), (2, 0)]
    fitted = DETECTOR.fit(*calibration([planted([*heads, (0, 1)]) for _ in range(6)]))
    assert set(fitted.chosen) == set(heads)
    assert fitted.facts["calibration_traces"] == 6
    assert fitted.facts["heads"] == [list(pair) for pair in fitted.chosen]
    assert fitted.facts["kurtosis"] == sorted(fitted.facts["kurtosis"], reverse=True)
    assert fitted.facts["kurtosis"][-1] > 5
    assert fitted.facts["overlap"] == 1
    assert fitted.facts["split_half_reliability"] > 0.9
    assert hash(fitted) == hash(replace(fitted, facts={}))


def test_the_mean_kurtosis_over_traces_decides():
    vs = [RNG.exponential(size=(3, 4, n)) for n in (10, 25, 14, 9, 30)]
    mean = np.mean([stats.kurtosis(v, axis=-1) for v in vs], axis=0)[1:]
    order = np.argsort(-mean, axis=None)[:2]
    expected = [(int(i) // 4 + 1, int(i) % 4) for i in order]
    fitted = DETECTOR.fit(*calibration(vs))
    assert list(fitted.chosen) == expected
    assert fitted.facts["kurtosis"] == pytest.approx([mean.flat[i] for i in order])


def test_the_order_of_traces_and_the_scale_of_attention_do_not_matter():
    vs = [RNG.exponential(size=(3, 4, 12)) for _ in range(5)]
    fitted = DETECTOR.fit(*calibration(vs))
    assert DETECTOR.fit(*calibration(vs[::-1])).chosen == fitted.chosen
    assert DETECTOR.fit(*calibration([1e-3 * v for v in vs])).chosen == fitted.chosen
    turned = DETECTOR.fit(*calibration([v[:, ::-1] for v in vs]))
    assert set(turned.chosen) == {(layer, 3 - head) for layer, head in fitted.chosen}


def test_noise_has_no_reliability_and_one_trace_repeated_has_all():
    wide = replace(DETECTOR, heads=20, splits=40)
    noise = wide.fit(*calibration([RNG.normal(size=(21, 10, 15)) for _ in range(12)], wide))
    assert abs(noise.facts["split_half_reliability"]) < 0.15
    assert noise.facts["overlap"] < 0.3  # a tenth by chance
    same = RNG.normal(size=(21, 10, 15))
    repeated = wide.fit(*calibration([same] * 4, wide))
    assert repeated.facts["split_half_reliability"] == pytest.approx(1)
    assert repeated.facts["overlap"] == 1


def test_short_traces_and_traces_of_one_sentence_are_left_out():
    vs = [planted([(1, 3), (2, 0)]) for _ in range(3)]
    traces, evidence = calibration([*vs, planted([(1, 0)], sentences=4)])
    alone = Evidence(0, "", ())
    fitted = DETECTOR.fit([trace_of(1), *traces], [alone, *evidence])
    assert fitted == DETECTOR.fit(*calibration(vs))


def test_too_few_traces_leave_every_score_undefined_and_say_why():
    fitted = DETECTOR.fit(*calibration([planted([(1, 3)])]))
    v = planted([(1, 3)])
    found = fitted.score(trace_of(20), evidence_of(v))
    assert np.isnan(found.score).all()
    assert np.isnan(found.diagnostics["random_heads"]).all()
    assert "min_traces=2" in found.reason
    assert fitted.facts == {"calibration_traces": 1}


def test_heads_of_the_yaml_are_kept():
    own = replace(DETECTOR, chosen=((2, 1),))
    assert own.fit(*calibration([planted([(1, 3)]) for _ in range(4)])) is own


# Scores


def test_the_score_is_the_mean_over_the_chosen_heads():
    own = replace(DETECTOR, chosen=((1, 0), (2, 3)))
    v = planted([(1, 0)])
    found = own.score(trace_of(20), evidence_of(v))
    assert found.score == pytest.approx((v[1, 0] + v[2, 3]) / 2, nan_ok=True)
    assert found.score.dtype == np.float64
    assert np.flatnonzero(np.isnan(found.score)).tolist() == [19]
    assert found.reason == ""


def test_the_control_is_as_many_other_heads_the_same_on_every_trace():
    """Each head's v names the head, so that a mean over two tells which they were."""
    names = 4.0 ** np.arange(12).reshape(3, 4)
    own = replace(DETECTOR, chosen=((1, 0), (2, 3)))
    sums = []
    for n in (5, 9):
        v = np.repeat(names[..., None], n, axis=2)
        control = own.score(trace_of(n), evidence_of(v)).diagnostics["random_heads"]
        assert len(set(control)) == 1
        sums.append(2 * control[0])
    assert sums[0] == sums[1]
    pair = [(x, h) for x in range(3) for h in range(4) if int(sums[0]) // int(names[x, h]) % 4]
    assert len(pair) == 2
    assert not set(pair) & {(1, 0), (2, 3)}
    assert all(layer > 0 for layer, _ in pair)
    other = replace(own, seed=1).score(trace_of(9), evidence_of(v)).diagnostics["random_heads"]
    assert other[0] * 2 != sums[0]


def test_no_later_sentence_no_want_and_no_score():
    own = replace(DETECTOR, chosen=((1, 0),))
    assert own.wants(trace_of(1), Evidence(0, "", ())) == []
    found = own.score(trace_of(1), Evidence(0, "", ()))
    assert np.isnan(found.score).all()
    assert found.reason == "fewer than two sentences"


def test_unfitted_says_so():
    found = DETECTOR.score(trace_of(20), evidence_of(planted([])))
    assert np.isnan(found.score).all()
    assert "not fitted" in found.reason


def test_a_head_that_is_not_there_is_the_users_mistake():
    own = replace(DETECTOR, chosen=((1, 4),))
    with pytest.raises(UserError, match=r"no head \[1, 4\]; the model has 3 layers of 4 heads"):
        own.score(trace_of(20), evidence_of(planted([])))


@pytest.mark.parametrize(
    ("key", "value"),
    [("gap", 0), ("heads", 0), ("min_traces", 1), ("min_sentences", 3), ("chosen", [[1, -1]])],
)
def test_options_out_of_range_are_named(key, value):
    node = OmegaConf.to_container(OmegaConf.load(CONF / "attention.yaml"))["attention"]
    with pytest.raises(UserError, match=rf"^method\.attention\.{key}"):
        target({**node, key: value}, "method.attention")


@torch.inference_mode()
def test_from_a_real_pass_to_scores(any_model):
    node = OmegaConf.load(CONF / "attention.yaml")["attention"]
    own = target({**node, "heads": 3}, "method.attention")
    traces = [trace_of(n, f"t{n}", tokens=n % 4 + 1) for n in (9, 12, 15, 18)]
    have = []
    for trace in traces:
        wants = own.wants(trace, Evidence(0, "", ()))
        ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]])
        with attending(any_model, trace, wants) as found:
            any_model.get_decoder()(input_ids=ids, use_cache=False)
        have.append(Evidence(0, "", (), answers=found))
    assert wants == [Attend(Vertical(4, False))]
    fitted = own.fit(traces[1:], have[1:])
    assert len(fitted.chosen) == 3
    scores = fitted.score(traces[0], have[0])
    assert np.isfinite(scores.score).tolist() == [True] * 7 + [False] * 2
    v = have[0].answers[wants[0]]
    assert scores.score == pytest.approx(
        np.mean([v[pair] for pair in fitted.chosen], axis=0), nan_ok=True
    )
