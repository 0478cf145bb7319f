import json
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.core import UserError
from harness.core.config import build
from harness.text.segmentation import (
    Segmentation,
    first_sentence,
    offsets,
    reasoning_span,
    sentences,
)

ROOT = Path(__file__).parents[3]
PUBLISHED = sorted(ROOT.glob("../shared/data/thought_anchors_site/*/*/problem_*"))

# Few characters, so that boundaries, blank lines and short pieces are common.
TEXT = st.text(alphabet="aB .?!\n\r\t1é", max_size=80)


def slow(text, min_chars=10):
    """The published rule, character by character, on text that is stripped and joined again."""
    chunks, current = [], ""
    for i, char in enumerate(text):
        current += char
        blank = text.startswith(("\n\n", "\r\n\r\n"), i)
        ended = char in ".?!" and text[i + 1 : i + 2] in (" ", "\n") and i + 1 < len(text)
        if (blank or ended) and current.strip():
            chunks.append(current.strip())
            current = ""
    if current.strip():
        chunks.append(current.strip())
    i = 0
    while i < len(chunks):
        if len(chunks[i]) >= min_chars:
            i += 1
        elif i + 1 < len(chunks):
            chunks[i : i + 2] = [chunks[i] + " " + chunks[i + 1]]
        elif i > 0:
            chunks[i - 1 : i + 1] = [chunks[i - 1] + " " + chunks[i]]
        else:
            break
    return [" ".join(chunk.split()) for chunk in chunks]


def folded(text, spans):
    return [" ".join(text[start:stop].split()) for start, stop in spans]


@pytest.mark.skipif(not PUBLISHED, reason="no published traces beside the repository")
def test_published_sentences_are_found_again_last_ones_included():
    assert len(PUBLISHED) == 10
    for folder in PUBLISHED:
        text = json.loads((folder / "base_solution.json").read_text())["full_cot"]
        chunks = json.loads((folder / "chunks_labeled.json").read_text())
        start, stop = reasoning_span(text, "<think>", "</think>")
        found = folded(text[start:stop], offsets(text[start:stop]))
        assert found == [" ".join(chunk["chunk"].split()) for chunk in chunks]


def test_by_hand():
    text = "First we add. Then what?\nOk.\n\nSo the sum is 3.5 here!\nEnd"
    assert [text[a:b] for a, b in offsets(text)] == [
        "First we add.",
        " Then what?\n",
        "Ok.\n\nSo the sum is 3.5 here!\nEnd",
    ]


def test_windows_blank_lines_cut_and_single_ones_do_not():
    text = "one line here\r\nanother line\r\n\r\nthe next paragraph"
    assert [text[a:b] for a, b in offsets(text)] == [
        "one line here\r\nanother line\r\n\r\n",
        "the next paragraph",
    ]


@pytest.mark.parametrize(
    ("text", "spans"),
    [("", []), (" \n\n ", [(0, 4)]), ("No.", [(0, 3)]), ("\n\nA sentence here.", [(0, 18)])],
)
def test_edges(text, spans):
    assert offsets(text) == spans


def test_merged_length_counts_one_space_between_pieces():
    # "1." + " " + "abcdef" = 9 < 10, though the stripped span with its blank line has 10.
    assert offsets("1.\n\nabcdef\n\nA longer piece.") == [(0, 27)]
    assert offsets("1.\n\nabcdefg\n\nA longer piece.") == [(0, 13), (13, 28)]


@given(TEXT, st.integers(0, 15))
def test_spans_tile(text, min_chars):
    spans = offsets(text, min_chars)
    assert "".join(text[a:b] for a, b in spans) == text
    assert all(a < b for a, b in spans)
    assert len(spans) == 1 or all(len(text[a:b].strip()) >= min_chars for a, b in spans)


@given(TEXT, st.integers(1, 15))
def test_same_as_the_slow_rule(text, min_chars):
    assert [s for s in folded(text, offsets(text, min_chars)) if s] == slow(text, min_chars)


@given(TEXT, st.integers(0, 15))
def test_a_sentence_is_one_sentence_again(text, min_chars):
    for a, b in offsets(text, min_chars):
        assert offsets(text[a:b], min_chars) == [(0, b - a)]


@given(TEXT, TEXT, st.integers(0, 12))
@example("A sentence. Short", " and longer.", 10)
@example("A sentence.\r\n\r", "\nAnother one.", 10)
def test_a_first_sentence_once_certain_stays(prefix, more, min_chars):
    def cut(text):
        return offsets(text, min_chars)

    end = first_sentence(prefix, cut)
    if end is not None:
        assert first_sentence(prefix + more, cut) == end == cut(prefix + more)[0][1]


@given(TEXT)
def test_a_first_sentence_is_certain_as_soon_as_it_can_be(text):
    # None means that two endings of the text disagree about the first sentence.
    if text and first_sentence(text, offsets) is None:
        assert offsets(text)[0][1] != offsets(text + "x")[0][1]


def test_first_sentence_waits_for_short_pieces_to_settle():
    assert first_sentence("We add them. So", offsets) is None
    assert first_sentence("We add them. So it is ", offsets) is None
    assert first_sentence("We add them. So it is 5.", offsets) == 12
    assert first_sentence("", offsets) is None


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("<think>\nab</think>\nc", "\nab"),
        ("ab</think>c", "ab"),
        ("<think>ab", "ab"),
        ("ab", "ab"),
        ("ab</think>c <think>d</think>", "ab"),
        ("<think></think>", ""),
    ],
)
def test_reasoning_span(text, inside):
    start, stop = reasoning_span(text, "<think>", "</think>")
    assert text[start:stop] == inside


def test_an_empty_tag_is_no_tag():
    assert reasoning_span("a b", "", "") == (0, 3)


def starts(tokens):
    return [0, *accumulate(len(token) for token in tokens)][:-1]


def test_boundary_inside_a_token_goes_where_the_token_starts():
    tokens = ["<think>", "We add", " them", ".\n\nSo", " it is five", ".\n", "</think>", "\n5"]
    text = "".join(tokens)
    span = reasoning_span(text, "<think>", "</think>")
    found = sentences(text, starts(tokens), span, offsets)
    assert [(s.text, s.start, s.stop) for s in found] == [
        ("We add them.\n\nSo", 1, 4),
        (" it is five.\n", 4, 6),
    ]


def test_a_word_is_not_torn_from_its_sentence_by_its_leading_space():
    tokens = [
        "We",
        " add",
        " them",
        ".",
        " Then",
        " we",
        " stop",
        ".",
        "\n\n",
        "The",
        " sum",
        " is",
    ]
    tokens += [" five", ".\n", "  -", " now", " so", " far", ".  ", "Good", " enough", "."]
    found = sentences("".join(tokens), starts(tokens), (0, len("".join(tokens))), offsets)
    assert [s.text for s in found] == [
        "We add them.",
        " Then we stop.\n\n",
        "The sum is five.\n",
        "  - now so far.  ",
        "Good enough.",
    ]


def test_a_sentence_without_a_token_merges():
    tokens = ["First sentence. Second sentence. Th", "ird sentence."]
    found = sentences("".join(tokens), starts(tokens), (0, 48), offsets)
    assert [(s.text, s.start, s.stop) for s in found] == [(tokens[0], 0, 1), (tokens[1], 1, 2)]


def test_an_end_of_text_token_belongs_to_no_sentence():
    text = "Just one sentence."
    (only,) = sentences(text, [0, 4, 18], (0, 18), offsets)
    assert (only.text, only.start, only.stop) == (text, 0, 2)
    assert sentences("", [], (0, 0), offsets) == ()


@given(st.lists(st.text(alphabet="aB .?\n<>", max_size=12), max_size=30), st.data())
def test_sentences_tile_the_tokens_of_the_span(tokens, data):
    text = "".join(tokens)
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, len(text)))
    begins = starts(tokens)
    found = sentences(text, begins, (first, last), offsets)
    inside = [t for t, begin in enumerate(begins) if first <= begin < last]
    assert [t for s in found for t in range(s.start, s.stop)] == inside
    assert all(s.text == "".join(tokens[s.start : s.stop]) for s in found)
    assert all(s.category is None and s.start < s.stop for s in found)


def halves(text):
    return [(0, 1), (len(text) // 2, len(text) - 1)]


def backwards(text):
    return [(2, 3), (0, 1)]


def custom(function):
    return Segmentation(function=f"{__name__}.{function}", min_chars=10).segmenter


def test_a_foreign_segmenter_is_made_to_tile():
    assert custom("halves")("abcdef") == [(0, 3), (3, 6)]
    assert custom("halves")("") == []


def test_foreign_segmenters_that_fail_are_named():
    with pytest.raises(UserError, match=r"backwards gives spans out of order"):
        custom("backwards")("abc")
    with pytest.raises(UserError, match=r"segmentation\.function: cannot find no_such\.thing"):
        _ = Segmentation(function="no_such.thing", min_chars=1).segmenter
    with pytest.raises(UserError, match="is not callable"):
        custom("TEXT_NOT_CALLABLE")


TEXT_NOT_CALLABLE = 3


def test_the_yaml_gives_the_default():
    node = OmegaConf.load(ROOT / "conf/segmentation/default.yaml")
    segmenter = build(Segmentation, node, "segmentation").segmenter
    text = "A sentence here. Short. Another one."
    assert segmenter(text) == offsets(text) == [(0, 16), (16, 36)]
