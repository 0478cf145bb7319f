"""Texts that cost: patterns and searches take time in proportion, or are stopped in one line."""

import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import conf
from harness.core import UserError
from harness.core.trace import Problem
from harness.models.model import Subject
from harness.problems import Jsonl
from harness.report.page.latex import FOLDER, FORMULA
from harness.store.files import slug
from harness.store.remote.mirror import Place
from harness.text import patterns
from harness.text.answers import canonical, extract
from harness.text.categories import Labels, Rule
from harness.text.segmentation import offsets, sentences
from tests.campaign.texts import GOOD, campaign, tokenizers

SETS = [
    yaml.safe_load(path.read_text())
    for path in sorted((Path(conf.__file__).parent / "problems").glob("*.yaml"))
]
PATTERNS = {each["pattern"] for each in SETS if each.get("pattern")}  # stored traces have none
PIECES = (" ", "\t", "*", "$", "\\", "(", "answer is", "answer is ", "#### ", "9", "9,", ".", "-")


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize("piece", PIECES)
def test_an_answer_pattern_is_linear_in_the_text(pattern: str, piece: str):
    """16,000 blanks after "answer is" took 3.3 s."""
    start = time.process_time()
    for before in ("", "The answer is", "####"):
        extract(before + piece * 16_000 + "x", pattern)
    assert time.process_time() - start < 0.5


def test_the_shipped_patterns_find_what_they_found():
    (gsm,) = {p for p in PATTERNS if "####" in p}
    for text, answer in {
        "#### 18": "18", "The answer is: **$1,000.50**": "1,000.50", "answer is \\(-7\\)": "-7",
        "answer is * $ 5": "5", "answer is x": None, "#### $\n-3,": "-3,",
    }.items():  # fmt: skip
        assert extract(text, gsm) == answer


def test_a_pattern_of_the_users_is_stopped_in_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    slow, text = r"(a|a)+$ ?(x)", "a" * 40 + "b"
    with pytest.raises(UserError, match=r"^problems\.pattern: .* takes over 0\.1 s on a .* 41"):
        extract(text, slow)
    labels = Labels((Rule("c", slow, 0.0, 1.0, ()),), "other")
    with pytest.raises(UserError, match=r"^labels\.rules: .* takes over 0\.1 s"):
        labels.of([text])
    with pytest.raises(UserError, match=r"^labels\.rules: \( is no regular expression"):
        Labels((Rule("c", "(", 0.0, 1.0, ()),), "other")


def test_a_formula_that_never_closes_is_searched_no_further():
    files = sorted((FOLDER.parent / "script").glob("*.js"))
    script = "".join(file.read_text(encoding="utf-8") for file in files)
    (formula,) = re.findall(r"const FORMULA = (.*);", script)
    assert "+?" not in formula  # every lazy repeat is bounded
    assert formula.count("{1,1000}?") == 4
    assert FORMULA


@given(st.text(alphabet="ab .?!\n\r\t\u2028\u00a0é🙂\ufffd", max_size=80))
def test_fuzzed_texts_tile(text: str):
    """Spans tile the text and sentences tile the tokens, here one a character."""
    spans = offsets(text)
    assert "".join(text[a:b] for a, b in spans) == text
    cut = sentences(text, range(len(text)), (0, len(text)), offsets)
    assert "".join(s.text for s in cut) == text
    assert [s.start for s in cut[1:]] == [s.stop for s in cut[:-1]]


def test_fuzzed_texts_tile_under_three_tokenizers():
    """A small form of the campaign."""
    assert {"organism", "bytes"} <= tokenizers().keys()
    assert set(campaign(300, seed=1)) == {GOOD}


def test_what_does_not_tile_is_seen(monkeypatch: pytest.MonkeyPatch):
    def gaps(text: str) -> list[tuple[int, int]]:
        return [(start, stop - 1) for start, stop in offsets(text)]

    monkeypatch.setattr("tests.campaign.texts.SPLIT", gaps)
    assert any(said != GOOD for said in campaign(20, seed=1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "\\ud800 x", "answer": "1"}', "question holds half a surrogate pair"),
        ('{"question": "x", "answer": ' + "9" * 10_000 + "}", "broken JSON"),
        ('{"question": "x", "answer": "1", "id": "A"}', "'A' differs from 'a' in .* by case alone"),
        ("[" * 100_000, "broken JSON"),
    ],
)
def test_a_row_that_cannot_be_kept_is_one_line(tmp_path: Path, line: str, said: str):
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "x", "answer": "1", "id": "a"}\n' + line + "\n")
    with pytest.raises(UserError, match=rf"q\.jsonl line 2: .*{said}") as caught:
        Jsonl("q", str(path), None, 0, None, "", "").load()
    assert "\n" not in str(caught.value)


def test_ten_thousand_digits_are_an_answer_like_any():
    assert canonical("9" * 10_000) == "9" * 10_000


@pytest.mark.parametrize("name", ["con", "NUL", "com1.x", "aux.tar.gz"])
def test_a_name_that_other_systems_keep_for_themselves_is_told_apart(name: str):
    assert re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", slug(name))
    assert slug(f"x{name}") == f"x{name}"


class Store:
    """A file system of fsspec that lists what it wants."""

    def exists(self, _: str) -> bool:
        return True

    def find(self, root: str, detail: bool) -> dict[str, dict[str, int]]:
        assert detail
        return {f"{root}/../../../etc/cron.d/x": {"size": 1}}


def test_a_mirror_cannot_write_outside_of_the_run(tmp_path: Path):
    with pytest.raises(UserError, match=r"holds '\.\./.*cron\.d/x', outside of the run"):
        Place(Store(), "bucket/run").fetch(tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "template", ["{{ 1 / 0 }}", "{{ messages.x.y }}", "{% if %}", "{{ [] + 1 }}"]
)
def test_a_failing_chat_template_is_one_line(subject: Subject, template: str, monkeypatch):
    monkeypatch.setattr(subject.tokenizer, "chat_template", template)
    problem = Problem("q", "x", "1", None, "s", "evaluate")
    with pytest.raises(UserError, match=r"^model\.path: the chat template fails \(\w+: ") as caught:
        subject.prompt_ids(problem, "")
    assert "\n" not in str(caught.value)
