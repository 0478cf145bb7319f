"""`lookahead` on log-probabilities made by hand, and against whole passes of a small model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import (
    PLAIN,
    Condition,
    Edit,
    Evidence,
    Problem,
    Read,
    Reading,
    Sentence,
    Trace,
    UserError,
)
from harness.core.config import target
from harness.evidence.passes import gathered
from tests.harness.models import slow
from tests.harness.models.slow import subject_of

CONF = Path(__file__).parents[2] / "conf" / "method" / "lookahead.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
TEXTS = (
    "Let me see. ",
    "I will add. ",
    "So it goes. ",
    "Now I do. ",
    "That is 42. ",
    "Well then. ",
)
SIZES = (2, 3, 3, 2, 3, 4)
STOPS = np.cumsum(SIZES)
TRACE = Trace(
    "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(20)), "".join(TEXTS),
    tuple(
        Sentence(t, int(b) - n, int(b), None) for t, n, b in zip(TEXTS, SIZES, STOPS, strict=True)
    ),
    "42", True, "m", "stop",
)  # fmt: skip


def detector(**options):
    return replace(target(OmegaConf.load(CONF)["lookahead"], "lookahead"), **options)


BARE = detector(wording="{sentence}", gap=1, matches=2, answer=2)


def told(i, r, gap=1):
    """The trace with sentence r bare before sentence i - gap."""
    return Condition(edits=(Edit(max(0, i - gap), max(0, i - gap), TEXTS[r]),))


def test_it_wants_each_sentence_and_those_nearest_in_length_that_state_no_answer():
    # 4 states the answer; behind 3 there is only 5, which has one token more than 1 and 2
    pairs = [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (2, 5), (3, 3), (3, 5), (4, 4), (4, 5)]
    expected = [Read(logprob=True, condition=told(i, r)) for i, r in pairs]
    assert BARE.wants(TRACE, Evidence(1, "", ())) == [Read(logprob=True), *expected]


def test_the_gain_of_the_way_and_the_answer_less_that_of_others():
    rng = np.random.default_rng(0)
    wanted = [want.condition for want in BARE.wants(TRACE, Evidence(1, "", ()))]
    logprob = {c: -rng.exponential(size=20) for c in wanted}
    have = Evidence(1, "", (), readings={c: Reading(logprob=p) for c, p in logprob.items()})
    found = BARE.score(TRACE, have)
    rows = [2, 3, 4, 18, 19]  # sentence 1 leads up to 2; the answer is the last two tokens

    def j(condition):
        return logprob[condition][rows].mean()

    others = (j(told(2, 3)) + j(told(2, 5))) / 2
    assert found.score[2] == pytest.approx(j(told(2, 2)) - others)
    assert found.diagnostics["gain"][2] == pytest.approx(j(told(2, 2)) - j(PLAIN))
    np.testing.assert_array_equal(found.diagnostics["matched"], [0, 2, 2, 1, 1, 0])
    np.testing.assert_array_equal(np.isnan(found.score), [True, False, False, False, False, True])


def test_what_makes_no_difference_scores_nothing():
    same = Reading(logprob=-np.ones(20))
    every = {want.condition: same for want in BARE.wants(TRACE, Evidence(1, "", ()))}
    found = BARE.score(TRACE, Evidence(1, "", (), readings=every))
    np.testing.assert_allclose(found.score[1:5], 0)
    np.testing.assert_allclose(found.diagnostics["gain"][1:5], 0)


def test_the_wording_says_how_far_off_it_is():
    edits = [want.condition.edits for want in detector().wants(TRACE, Evidence(1, "", ()))]
    head = "(Looking ahead, sentence 4 from here will be: "
    assert (Edit(0, 0, f"{head}Now I do.) "),) in edits  # sentence 3, told before sentence 0
    assert (Edit(0, 0, "(Looking ahead, sentence 2 from here will be: I will add.) "),) in edits


@pytest.mark.parametrize(
    "wording", ["Look.", "{sentence} {x}", "{sentence", "{sentence} {sentence}"]
)
def test_a_wording_that_does_not_tell_the_sentence_is_refused(wording):
    with pytest.raises(UserError, match=r"^wording: must hold \{sentence\} once"):
        detector(wording=wording)


def test_without_a_later_sentence_nothing_is_told_and_it_says_so():
    for few in (TRACE.sentences[:1], TRACE.sentences[3:5]):  # of the two, the later one states 42
        short = replace(TRACE, sentences=few)
        assert BARE.wants(short, Evidence(1, "", ())) == [Read(logprob=True)]
        found = BARE.score(short, Evidence(1, "", ()))
        assert np.isnan(found.score).all()
        assert found.reason == "no sentence has a later one to match"


def spoken():
    """The trace of the slow passes, its sentences in words."""
    trace = slow.trace()
    texts = [" we add.", " so then.", " the total is three."]
    sentences = (replace(s, text=texts[i % 3]) for i, s in enumerate(trace.sentences))
    return replace(trace, sentences=tuple(sentences))


@pytest.mark.parametrize("any_model", ["qwen3"], indirect=True)
def test_read_on_a_shared_cache_it_is_what_whole_passes_give(tiny, any_model):
    subject, trace, nothing = subject_of(slow.conf(tiny), any_model), spoken(), Evidence(1, "", ())
    made = detector(wording="so first {sentence}", gap=2, matches=2, answer=1)
    found = made.score(
        trace, gathered(subject, trace, nothing, made.wants(trace, nothing), (1.0, 1.0))
    )

    def j(r):
        at, new = trace.sentences[2].start, subject.encode(f" so first{trace.sentences[r].text}")
        ids = (*trace.prompt_ids, *trace.token_ids[:at], *new, *trace.token_ids[at:])
        log_p, _ = slow.whole(any_model, ids)
        shift = len(trace.prompt_ids) + len(new)
        rows = [*range(at, trace.sentences[4].start), len(trace.token_ids) - 1]
        return np.mean([float(log_p[shift + t - 1][trace.token_ids[t]]) for t in rows])

    # sentence 4 has six tokens, those behind it 3, 2, 1 and 4
    assert found.score[4] == pytest.approx(j(4) - (j(8) + j(5)) / 2, abs=1e-4)
    assert np.isnan(found.score[3])  # no token


@pytest.mark.parametrize("any_model", ["llama"], indirect=True)
def test_no_token_before_a_disclosure_is_read_again(tiny, any_model):
    subject, trace, nothing = subject_of(slow.conf(tiny), any_model), spoken(), Evidence(1, "", ())
    made, read = detector(wording="so {sentence}", gap=2, matches=2), []
    hook = any_model.model.embed_tokens.register_forward_hook(
        lambda _, given, __: read.append(given[0].numel())
    )
    wants = made.wants(trace, nothing)
    gathered(subject, trace, nothing, wants, (1.0, 1.0))
    hook.remove()
    whole = len(trace.prompt_ids) + len(trace.token_ids)
    edits = [want.condition.edits[0] for want in wants[1:]]
    behind = [
        len(subject.encode(edit.text)) + len(trace.token_ids) - trace.sentences[edit.start].start
        for edit in edits
    ]
    assert len(edits) > 10
    assert sum(read) <= whole + sum(behind)


@pytest.mark.parametrize("any_model", ["llama"], indirect=True)
def test_a_disclosure_that_the_tokenizer_cannot_spell_is_one_line(tiny, any_model):
    subject, nothing = subject_of(slow.conf(tiny), any_model), Evidence(1, "", ())
    wants = detector().wants(spoken(), nothing)
    with pytest.raises(UserError, match=r"^edit: the model's tokenizer cannot spell ' \(Looking"):
        gathered(subject, spoken(), nothing, wants, (1.0, 1.0))
