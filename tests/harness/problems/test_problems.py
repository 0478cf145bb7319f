import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from harness import NO_ANSWER, UserError
from harness.core import ProblemSet
from harness.core.config import target
from harness.problems import Jsonl
from harness.text.answers import canonical, extract

ROOT = Path(__file__).parents[3]
GSM8K = ROOT / "../shared/data/gsm8k/test.jsonl"

needs_gym = pytest.mark.skipif(
    find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed (it needs gcc)"
)


def made(name, **changes):
    """The problem set of a yaml, as the harness would build it."""
    node = OmegaConf.load(ROOT / f"conf/problems/{name}.yaml")
    return target(OmegaConf.merge(node, changes), "problems")


def written(tmp_path, *rows):
    path = tmp_path / "rows.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def numbered(tmp_path, count):
    return written(tmp_path, *({"question": f"q{i}", "answer": i} for i in range(count)))


@pytest.mark.parametrize("name", ["gsm8k", "jsonl", "reasoning_gym"])
def test_every_yaml_builds_a_problem_set(name):
    problems = made(name)
    assert isinstance(problems, ProblemSet)
    assert problems.name == name
    assert r"\boxed{}" in problems.instruction
    assert problems.reference == 20


@pytest.mark.parametrize("name", ["gsm8k", "jsonl", "reasoning_gym"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0}, r"problems\.limit: at least 1, got 0"),
        ({"reference": -1}, r"problems\.reference: at least 0, got -1"),
        ({"pattern": "("}, r"problems\.pattern: \( is no regular expression"),
        ({"pattern": "answer is"}, r"problems\.pattern: put the answer in a group"),
        ({"limmit": 3}, r"problems\.limmit: no such key"),
    ],
)
def test_values_that_make_no_set_are_refused(name, change, message):
    with pytest.raises(UserError, match=message):
        made(name, **change)


def test_rows_of_a_file(tmp_path):
    path = written(
        tmp_path,
        {"question": " 1 + 1? ", "answer": 2},
        "",
        {"question": "π?", "answer": "3.14", "id": "pi", "solution": "known"},
        {"question": "q", "answer": 1.5, "id": 7, "solution": None, "level": 3},
    )
    problems = made("jsonl", path=path).load()
    assert [(p.id, p.question, p.answer, p.solution) for p in problems] == [
        ("jsonl/0", "1 + 1?", "2", None),
        ("pi", "π?", "3.14", "known"),
        ("7", "q", "1.5", None),
    ]
    assert {p.source for p in problems} == {"jsonl"}


@pytest.mark.parametrize("name", ["math500", "math_level5", "aime"])
def test_a_copy_of_a_set_of_the_hub(tmp_path, name):
    row = {"problem": "1 + 1?", "solution": "It is 2.", "level": 5, "unique_id": "a/1"}
    path = written(tmp_path, {**row, "answer": "1", "level": 4}, {**row, "answer": "2"})
    found = made(name, path=path, seed=None, limit=1).load()
    easier = name != "math_level5"
    expected = (
        [("0", "1", "evaluate"), ("1", "2", "reference")] if easier else [("1", "2", "evaluate")]
    )
    assert [(p.id.removeprefix(f"{name}/"), p.answer, p.role) for p in found] == expected
    assert {p.solution for p in found} == {"It is 2."}
    with pytest.raises(UserError, match=r"problems\.where: no row of .*rows\.jsonl is like that"):
        made(name, path=path, where={"level": 9}).load()


def test_line_separators_inside_a_string_do_not_cut_it(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = '{"question": "a\u2028b\x85c", "answer": "1"}'
    path.write_bytes(b"\xef\xbb\xbf" + row.encode() + b"\r\n")
    (problem,) = made("jsonl", path=str(path)).load()
    assert problem.question == "a\u2028b\x85c"


def test_limit_and_references(tmp_path):
    path = numbered(tmp_path, 10)
    problems = made("jsonl", path=path, limit=3, reference=4).load()
    assert [p.answer for p in problems] == list("0126789")  # the last ones, whatever the limit
    assert [p.role for p in problems] == ["evaluate"] * 3 + ["reference"] * 4
    assert {p.role for p in made("jsonl", path=path, limit=None).load()} == {"evaluate"}
    assert len(made("jsonl", path=path, limit=8, reference=20).load()) == 10
    assert len(made("jsonl", path=path, limit=8, reference=0).load()) == 8


def test_a_seed_chooses_the_problems_and_keeps_their_ids(tmp_path):
    path = numbered(tmp_path, 30)

    def answers(**changes):
        problems = made("jsonl", path=path, reference=0, **changes).load()
        assert all(p.id == f"jsonl/{p.answer}" for p in problems)
        return [p.answer for p in problems]

    assert sorted(answers(limit=None, seed=1), key=int) == answers(limit=None, seed=None)
    assert answers(limit=20, seed=1) == answers(limit=20, seed=1) != answers(limit=20, seed=2)
    assert answers(limit=20, seed=1)[:5] == answers(limit=5, seed=1)


GOOD = {"question": "q", "answer": "1"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD, "", "{broken"], r"rows\.jsonl line 3: broken JSON"),
        (["[" * 100_000], r"line 1: broken JSON"),
        ([GOOD, "[1, 2]"], r"line 2: expected an object in braces, got \[1, 2\]"),
        ([GOOD, {"question": "q"}], r"line 2: answer is missing"),
        ([{"answer": "1"}], r"line 1: question is missing"),
        ([{"question": "q", "answer": None}], r"line 1: answer is missing"),
        ([{"question": "q", "answer": " "}], r"line 1: answer is empty"),
        ([{"question": "q", "answer": True}], r"line 1: answer must be text or a number, got True"),
        ([{"question": ["q"], "answer": "1"}], r"line 1: question must be text or a number"),
        ([{**GOOD, "solution": {}}], r"line 1: solution must be text"),
        ([{**GOOD, "id": "a"}, {**GOOD, "id": "a"}], r"line 2: id 'a' was used .* line 1"),
        ([{**GOOD, "id": "jsonl/1"}, GOOD], r"line 2: id 'jsonl/1' was used .* line 1"),
        ([""], r"rows\.jsonl: no rows in it"),
    ],
)
def test_bad_rows_are_named_by_their_line(tmp_path, rows, message):
    with pytest.raises(UserError, match=message) as caught:
        made("jsonl", path=written(tmp_path, *rows)).load()
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UserError, match=r"problems\.path=FILE"):
        made("jsonl").load()
    with pytest.raises(UserError, match=r"cannot read .*nowhere.jsonl \(No such file"):
        made("jsonl", path=str(tmp_path / "nowhere.jsonl")).load()
    with pytest.raises(UserError, match="Is a directory"):
        made("jsonl", path=str(tmp_path)).load()
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(json.dumps(GOOD).encode() + b'\n{"question": "caf\xe9", "answer": "1"}')
    with pytest.raises(UserError, match=r"latin\.jsonl line 2: not UTF-8"):
        made("jsonl", path=str(latin)).load()


def test_answers_to_file_problems_are_compared_as_mathematics(tmp_path):
    problems = made("jsonl", path=written(tmp_path, {"question": "q", "answer": r"\frac12"}))
    (problem,) = problems.load()
    assert problems.correct(problem, "0.5")
    assert not problems.correct(problem, "5")
    assert not problems.correct(problem, NO_ANSWER)


WORKED = "Half of 6 is <<6/2=3>>3.\nTimes 1,000 is <<3*1000=3000>>3,000.\n#### 3,000"


def test_gsm8k_rows(tmp_path):
    problems = made("gsm8k", path=written(tmp_path, {"question": "q", "answer": WORKED}))
    (problem,) = problems.load()
    assert problem.id == "gsm8k/0"
    assert problem.answer == "3,000"
    assert problem.solution == "Half of 6 is 3.\nTimes 1,000 is 3,000."
    assert problems.correct(problem, "3000")
    assert not problems.correct(problem, "3")


@pytest.mark.parametrize("answer", ["18", "worked ####", "#### "])
def test_gsm8k_rows_without_a_final_number_are_named(tmp_path, answer):
    path = written(
        tmp_path, {"question": "q", "answer": WORKED}, {"question": "q", "answer": answer}
    )
    with pytest.raises(UserError, match=r"line 2: the answer does not end in '#### number'"):
        made("gsm8k", path=path).load()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### 1,234", "1,234"),
        ("The final answer is: $18.50.", "18.50"),
        ("so the answer is **42**.", "42"),
        (r"Thus the answer is \(-7\).", "-7"),
        ("The answer is 3. No, the answer is 5.", "5"),
        ("the number of answers is 3", None),
    ],
)
def test_gsm8k_answers_outside_a_box(text, answer):
    assert extract(text, made("gsm8k").pattern) == answer


@pytest.mark.skipif(not GSM8K.exists(), reason="no GSM8K beside the repository")
def test_all_of_gsm8k():
    problems = made("gsm8k", path=str(GSM8K), limit=None, seed=None)
    loaded = problems.load()
    assert len(loaded) == 1319
    assert (loaded[0].id, loaded[0].answer) == ("gsm8k/0", "18")
    assert loaded[-1].id == "gsm8k/1318"
    assert all(problems.correct(p, canonical(p.answer)) for p in loaded)
    assert not any(problems.correct(p, canonical(p.answer + "1")) for p in loaded)
    assert not any("<<" in (p.solution or "<<") or "####" in p.solution for p in loaded)


def test_no_hub_is_one_line_that_says_what_to_do(tmp_path):
    code = (
        "from harness import UserError\n"
        "from harness.problems import Gsm8k\n"
        "try: Gsm8k('gsm8k', None, 'test', 1, 1, None, '', '').load()\n"
        "except UserError as error: print(error)\n"
    )
    # An empty cache and no connection.
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout.startswith("problems: cannot load openai/gsm8k (")
    assert done.stdout.endswith("give a local copy, problems.path=FILE\n")
    assert done.stdout.count("\n") == 1


@needs_gym
def test_reasoning_gym_problems_are_the_seeds():
    problems = made("reasoning_gym", limit=3, reference=2).load()
    names = ["0", "1", "2", "reference-0", "reference-1"]
    assert [p.id for p in problems] == [f"reasoning_gym/gsm_symbolic/{name}" for name in names]
    assert [p.role for p in problems] == ["evaluate"] * 3 + ["reference"] * 2
    assert all(p.solution and p.answer in p.solution for p in problems)
    assert made("reasoning_gym", limit=3, reference=2).load() == problems
    assert made("reasoning_gym", limit=5, reference=0).load()[2].question == problems[2].question
    assert made("reasoning_gym", limit=3, reference=2, seed=9).load() != problems


@needs_gym
@pytest.mark.parametrize(
    "dataset", ["gsm_symbolic", "chain_sum", "time_intervals", "coin_flip", "countdown", "sudoku"]
)
def test_reasoning_gym_gold_answers_are_right_and_others_wrong(dataset):
    problems = made("reasoning_gym", dataset=dataset, limit=5, reference=0)
    loaded = problems.load()
    assert all(problems.correct(p, canonical(p.answer)) for p in loaded)
    assert not any(problems.correct(p, NO_ANSWER) for p in loaded)
    assert not any(problems.correct(p, "-987654321") for p in loaded)


@needs_gym
def test_a_scorers_other_right_answers_count():
    problems = made("reasoning_gym", dataset="countdown", limit=1, reference=0)
    (problem,) = problems.load()
    other = canonical(f"({problem.answer})")
    assert other != canonical(problem.answer)
    assert problems.correct(problem, other)
    assert problem.solution is None


@needs_gym
def test_a_number_a_scorer_misreads_is_wrong():
    problems = made("reasoning_gym", limit=1, reference=0)
    (problem,) = problems.load()
    gold = problem.answer
    entry = problems._entries[0]
    # The scorer of gsm_symbolic takes the first digits it finds.
    assert problems._generated.score_answer(f"-{gold}", entry) == 1
    assert problems._generated.score_answer(f"{gold}/7", entry) == 1
    assert not problems.correct(problem, f"-{gold}")
    assert not problems.correct(problem, f"{gold}/7")
    assert problems.correct(problem, gold)


@needs_gym
def test_a_scorer_that_fails_has_not_accepted():
    problems = made("reasoning_gym", dataset="prime_factorization", limit=1, reference=0)
    (problem,) = problems.load()
    assert not problems.correct(problem, "no numbers")
    assert problems.correct(problem, canonical(problem.answer))


@needs_gym
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dataset": "gsm_symbolc"},
            r"no 'gsm_symbolc' in reasoning-gym; did you mean gsm_symboli",
        ),
        ({"dataset": "§"}, r"problems\.dataset: no '§' in reasoning-gym; see"),
        ({"dataset": "boxnet"}, r"problems\.dataset: boxnet has no gold answers"),
        ({"options": {"size": 3}}, r"problems\.options\.size: give problems\.seed and"),
        ({"options": {"colour": 3}}, r"problems\.options: gsm_symbolic refuses them .*colour"),
        ({"options": {"difficulty": 7}}, r"problems\.options: gsm_symbolic refuses them"),
    ],
)
def test_what_reasoning_gym_lacks_is_named(change, message):
    with pytest.raises(UserError, match=message):
        made("reasoning_gym", limit=2, reference=1, **change).load()


def test_a_missing_reasoning_gym_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    with pytest.raises(UserError, match="pip install reasoning-gym, which needs gcc"):
        made("reasoning_gym").load()


def test_a_procedural_set_has_no_end():
    with pytest.raises(UserError, match=r"problems\.limit"):
        made("reasoning_gym", limit=None)


def test_a_hub_that_cannot_be_reached_is_one_line_at_once(tmp_path: Path) -> None:
    code = (
        "import time; from harness.core import UserError; from harness.problems.hub import hub\n"
        "start = time.monotonic()\n"
        "try: hub('openai/gsm8k', 'main', 'test')\n"
        "except UserError as error: print(error, round(time.monotonic() - start), sep='|')"
    )
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    said, _, seconds = done.stdout.strip().partition("|")
    assert float(seconds) < 20
    assert said == (
        "problems: cannot load openai/gsm8k (http://127.0.0.1:9 cannot be reached, and the cache "
        "does not have it); give a local copy, problems.path=FILE"
    )
    assert "Retry" not in done.stderr


def test_a_gsm8k_file_is_not_read_as_plain_rows(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"question": "How many?", "answer": "One and one. #### 2"}\n')
    problems = Jsonl("q", str(path), None, 0, None, "", "")
    with pytest.raises(UserError, match=r"line 1: the answer holds '####'.*problems=gsm8k prob"):
        problems.load()
