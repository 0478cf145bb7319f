"""Strategic grams: which tokens lie inside one, and which are mined, by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Evidence, Problem, Trace, UserError
from harness.text.grams import Mining, covered, phrases

MINING = Mining(2, 3, 100, 100, 2, 0.5, "e", 0)
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")


def trace(text: str, pieces: list[str] | None = None, correct: bool = True) -> Trace:
    """A trace whose tokens are these pieces, by default words with the space before them."""
    pieces = pieces or [w if i == 0 else f" {w}" for i, w in enumerate(text.split(" "))]
    assert "".join(pieces) == text
    starts = tuple(int(n) for n in np.cumsum([0, *map(len, pieces[:-1])]))
    ids = tuple(range(len(pieces)))
    return Trace("t", PROBLEM, "m", "r", 0, (1,), ids, text, (), "", correct, "", "", starts)


def inside(text: str, *grams: str) -> str:
    """A mark a word: x inside a gram, . outside."""
    return "".join(".x"[int(mark)] for mark in covered(trace(text), grams))


@pytest.mark.parametrize(
    ("text", "grams", "marks"),
    [
        ("so we need to add", ["we need to"], ".xxx."),
        ("so we need to add", ["we need to", "need to add"], ".xxxx"),
        ("so we need to add", ["need", "we need to"], ".xxx."),
        ("but wait, we need", ["but wait we"], "xxx."),
        ("but wait. we need", ["but wait we"], "...."),
        ("Let’s SEE it", ["let's see"], "xx."),
        ("the others are another", ["other"], "...."),
        ("go on and go on", ["go on"], "xx.xx"),
        ("go on go on go", ["go on go"], "xxxxx"),
        ("so it is", [], "..."),
        ("so it is", ["!"], "..."),
        ("does it hold? yes", ["Does it hold?"], "xxx."),
    ],
)
def test_tokens_inside_a_gram(text: str, grams: list[str], marks: str) -> None:
    assert inside(text, *grams) == marks


def test_words_go_on_over_a_line_but_not_over_a_blank_one() -> None:
    pieces = ["go", "\n", "on", "\n\n", "now"]
    made = trace("".join(pieces), pieces)
    assert covered(made, ["go on", "on now"]).tolist() == [True, True, True, False, False]


def test_a_token_counts_if_a_part_of_it_is_inside() -> None:
    made = trace("unsure, so we.", ["un", "sure, ", "so w", "e", "."])
    assert covered(made, ["so we"]).tolist() == [False, False, True, True, False]
    assert covered(made, ["unsure"]).tolist() == [True, True, False, False, False]


def test_a_character_of_several_tokens_is_occupied_by_each() -> None:
    made = replace(trace("é so"), token_ids=(1, 2, 3), starts=(0, 0, 1))
    assert covered(made, ["é"]).tolist() == [True, True, False]
    assert covered(made, ["so"]).tolist() == [False, False, True]


words = st.lists(st.sampled_from(["we", "need", "to", "add", "so"]), min_size=1, max_size=12)


@given(words, st.lists(words, max_size=4))
def test_inside_is_what_a_search_at_every_word_finds(text: list[str], grams: list[list[str]]):
    expected = np.zeros(len(text), bool)
    for gram in grams:
        for at in range(len(text) - len(gram) + 1):
            if text[at : at + len(gram)] == gram:
                expected[at : at + len(gram)] = True
    found = covered(trace(" ".join(text)), [" ".join(gram) for gram in grams])
    # Of grams that begin at one word the longest counts, and the shorter lie inside it.
    assert found.tolist() == expected.tolist()


def test_candidates_are_whole_words_within_a_phrase() -> None:
    found = MINING.candidates("We add it. It’s 12 so we, too; we add x_1")
    expected = "we add|add it|we add it|so we|we too|so we too|we add"
    assert set(found) == set(expected.split("|"))
    assert list(found) == sorted(found)


def test_of_too_many_candidates_the_commonest_are_taken() -> None:
    few = replace(MINING, per_trace=1)
    assert few.candidates("a b. c d. e f. c d.") == ("c d",)
    left = replace(MINING, per_trace=2)
    assert left.candidates("a b. c d. e f") == left.candidates("e f. c d. a b")


def evidence(vectors: dict[str, tuple[float, float]]) -> Evidence:
    found = {("e", gram): np.array(v, np.float32) for gram, v in vectors.items()}
    return Evidence(1, "", (), embeddings=found)


PLAN, ADD, ODD, END = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)


def test_the_clusters_that_most_correct_traces_have_are_kept() -> None:
    two = replace(MINING, longest=2, keep=0.25, cluster_size=1)
    texts = {
        "let me. add one": {"let me": PLAN, "add one": ADD},
        "let us. odd bits": {"let us": (0.99, 0.01), "odd bits": ODD},
        "let me. the end": {"let me": PLAN, "the end": END},
    }
    traces = [trace(text) for text in texts]
    kept = [evidence(vectors) for vectors in texts.values()]
    wrong = trace("add two. add three", correct=False)
    grams, facts = replace(two, cluster_size=2).mined([*traces, wrong], [*kept, evidence({})])
    assert facts == {"traces": 3, "candidates": 5, "clusters": 3}
    assert {"let me", "let us"} <= set(grams)
    assert not {"add two", "add three"} & set(grams)
    assert two.mined(traces[:1], kept[:1])[1] == {"traces": 1, "candidates": 2, "clusters": 2}


def test_of_all_candidates_those_of_most_traces_are_clustered() -> None:
    traces = [trace("let me. add one"), trace("let me. the end")]
    kept = [evidence({"let me": PLAN, "add one": ADD, "the end": END})] * 2
    few = replace(MINING, total=1, cluster_size=1, keep=1.0)
    assert few.mined(traces, kept) == (("let me",), {"traces": 2, "candidates": 1, "clusters": 1})


def test_without_correct_traces_there_are_no_grams() -> None:
    nothing = ((), {"traces": 0, "candidates": 0, "clusters": 0})
    assert MINING.mined([], []) == nothing
    assert MINING.mined([trace("let me see", correct=False)], [evidence({})]) == nothing


def test_a_lexicon_is_a_list_or_a_file(tmp_path: Path) -> None:
    assert phrases(("a", "b")) == ("a", "b")
    file = tmp_path / "grams.txt"
    file.write_text("# a comment\n## step\n\n but wait \n")
    assert phrases(str(file)) == ("## step", "but wait")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(UserError, match=r"^lexicon: .*empty\.txt holds no phrase"):
        phrases(str(tmp_path / "empty.txt"))
    with pytest.raises(UserError, match=r"^lexicon: cannot read .*nowhere"):
        phrases(str(tmp_path / "nowhere"))
