"""Series of a tiny real model: followed, stopped, gone on with, and what cannot be followed."""

import gc
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import harness
from harness.cli.checks import composed_jobs
from harness.cli.settings import Settings
from harness.core import UserError
from harness.dynamics import __main__ as command
from harness.engines.base import EngineConf, Finished, Request
from harness.engines.stopping import Stops
from harness.models.model import Subject
from harness.series.job import follow
from harness.store import schema

ROLLOUTS = 3


@pytest.fixture(scope="module")
def places(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The tiny model, and two that are a little beside it."""
    folder, found = tmp_path_factory.mktemp("series"), [str(tiny)]
    for step in (10, 20):
        model = AutoModelForCausalLM.from_pretrained(tiny)
        torch.manual_seed(0)
        for weight in model.parameters():
            weight.data += 0.001 * step * weight.data.std() * torch.randn_like(weight)
        place = folder / f"step-{step}"
        model.save_pretrained(place)
        for file in tiny.glob("*token*"):
            (place / file.name).write_bytes(file.read_bytes())
        (place / "chat_template.jinja").unlink(missing_ok=True)
        found.append(str(place))
    return found


def line(results: Path, places: list[str], questions: Path, *more: str) -> list[str]:
    return [
        "model=local", f"model.path={places[0]}", f"model.series=[{','.join(places)}]",
        "model.dtype=float32", 'model.force=" total is"', "problems=jsonl",
        f"problems.path={questions}", "problems.limit=3", "problems.reference=1",
        "problems.pattern='total is (\\d)'", "segmentation.min_chars=5", "sampling.max_tokens=40",
        "sampling.answer_tokens=8", "sampling.temperature=1.0", "sampling.top_p=1.0",
        "sampling.chunk=1", "engine=hf", "engine.slots=32", "engine.pool=1024",
        f"dynamics.rollouts={ROLLOUTS}",
        "dynamics.lexicon=[the,so]", "run=r", f"results={results}", *more,
    ]  # fmt: skip


def job(arguments: list[str]) -> Settings:
    (found,) = composed_jobs(arguments).jobs
    return found


@pytest.fixture(scope="module")
def followed(places: list[str], questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    todo = job(line(tmp_path_factory.mktemp("followed"), places, questions))
    assert follow(todo.run, todo.dynamics, todo.agreement) == {}
    return todo.folder


def value(run: Path, **where: Any) -> dict[str, float]:
    """The by-problem values of one measure."""
    frame = harness.load(run).dynamics_by_problem.filter(**where)
    return dict(frame.select("problem_id", "value").iter_rows())


def test_every_checkpoint_has_its_rows_and_nothing_lies_among_the_runs_own(
    followed: Path, places: list[str]
):
    frame = harness.load(followed).dynamics
    assert frame.schema == pl.Schema(schema.DYNAMICS)
    names = frame["checkpoint"].unique(maintain_order=True).to_list()
    assert names == [Path(place).name for place in places]
    assert frame["step"].unique().sort().to_list()[1:] == [10, 20]
    assert not (followed / "rollouts").exists()
    assert not (followed / "tokens").exists()
    assert {path.name for path in (followed / "dynamics").iterdir()} == set(names)
    first = frame.filter(checkpoint=names[0], measure="relative_perplexity")
    assert first["value"].to_list() == [1.0] * len(first)


def test_entropy_and_perplexity_are_those_of_a_plain_pass(followed: Path, places: list[str]):
    name, lexicon = Path(places[2]).name, {" the", " so"}
    traces = pl.read_parquet(followed / "dynamics" / name / "traces.parquet")
    problem = traces["problem_id"][0]
    sums: dict[str, list[np.ndarray]] = {place: [] for place in places[::2]}
    entropies, planning = [], []
    tokens = Subject(job_model(places[0])).tokenizer
    for row in traces.filter(problem_id=problem).iter_rows(named=True):
        ids, at = torch.tensor([row["prompt_ids"] + row["token_ids"]]), len(row["prompt_ids"])
        planning += [tokens.decode([i]) in lexicon for i in row["token_ids"]]
        for place in (places[2],):
            model = AutoModelForCausalLM.from_pretrained(place).eval()
            with torch.inference_mode():
                found = model(ids).logits[0, at - 1 : -1].double().log_softmax(-1)
            entropies += (-(found.exp() * found).sum(-1)).tolist()
            sums[place].append(-found.gather(1, ids[0, at:, None])[:, 0].numpy())
    mask = np.array(planning)
    where = {"checkpoint": name, "traces": "own", "measure": "entropy"}
    for kind, mine in {"planning": mask, "execution": ~mask}.items():
        expected = np.array(entropies)[mine].mean()
        assert value(followed, **where, **{"class": kind})[problem] == pytest.approx(expected, 1e-4)
    ratio = value(
        followed, checkpoint=name, traces="own", measure="relative_perplexity", **{"class": "all"}
    )[problem]
    own = np.exp(np.concatenate(sums[places[2]]).mean())
    assert ratio == pytest.approx(own / first_perplexity(followed, places[0], problem), 1e-4)


def job_model(place: str) -> Any:
    from harness.models.model import Model

    return Model("m", place, None, "float32", "cpu", None, "", "", "", False, {}, ())


def first_perplexity(run: Path, place: str, problem: str) -> float:
    """Of the first checkpoint on its own traces of a problem."""
    rows = pl.read_parquet(run / "dynamics" / Path(place).name / "traces.parquet")
    model, losses = AutoModelForCausalLM.from_pretrained(place).eval(), list[float]()
    for row in rows.filter(problem_id=problem).iter_rows(named=True):
        ids, at = torch.tensor([row["prompt_ids"] + row["token_ids"]]), len(row["prompt_ids"])
        with torch.inference_mode():
            found = model(ids).logits[0, at - 1 : -1].double().log_softmax(-1)
        losses += (-found.gather(1, ids[0, at:, None])[:, 0]).tolist()
    return float(np.exp(np.mean(losses)))


def test_on_the_first_ones_traces_the_others_are_less_sure(followed: Path, places: list[str]):
    frame = harness.load(followed).dynamics.filter(
        pl.col("class") == "all", measure="relative_perplexity", traces="base"
    )
    one, two, three = frame.sort("step")["value"]
    assert 1 == one < two < three


def test_accuracy_is_that_of_all_rollouts(followed: Path, places: list[str]):
    name = Path(places[1]).name
    folder = followed / "dynamics" / name / "rollouts"
    drawn = pl.concat([pl.read_parquet(file) for file in folder.glob("*/*.parquet")])
    assert len(drawn) == 3 * ROLLOUTS
    found = value(followed, checkpoint=name, measure="accuracy")
    for (problem,), part in drawn.group_by("trace_id"):
        assert found[str(problem)] == pytest.approx(part["correct"].mean())


def test_all_are_given_the_same_prompts(followed: Path, places: list[str]):
    prompts = [
        pl.read_parquet(followed / "dynamics" / Path(p).name / "traces.parquet")
        .select("problem_id", "prompt_ids").unique().sort("problem_id")
        for p in places
    ]  # fmt: skip
    assert prompts[0].equals(prompts[1])
    assert prompts[0].equals(prompts[2])


@dataclass(frozen=True)
class Stopping:
    """The real engine, cut off in the given checkpoint as by a kill.

    Keeps which checkpoints it was started for, and how many models were loaded before each.
    """

    real: EngineConf
    at: int
    starts: list[str]
    loaded: list[int] = field(default_factory=list)

    def check(self, subject: Subject) -> None:
        self.real.check(subject)

    def able(self, subject: Subject, checkpoint: str, under: Any) -> None:
        self.real.able(subject, checkpoint, under)

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Any:
        self.starts.append(subject.path)
        self.loaded.append(sum(type(o) is LlamaForCausalLM for o in gc.get_objects()))
        running = self.real.start(subject, stops, checkpoint)
        return Cut(running) if len(self.starts) == self.at else running


class Cut:
    def __init__(self, inner: Any) -> None:
        self.inner, self.counts = inner, inner.counts

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        yield next(iter(self.inner.sample(requests)))
        raise KeyboardInterrupt

    def close(self) -> None:
        self.inner.close()


def test_it_goes_on_where_it_was_stopped(
    followed: Path, places: list[str], questions: Path, tmp_path: Path
):
    todo = job(line(tmp_path, places, questions))
    stopping = Stopping(todo.run.engine, 2, [])
    with pytest.raises(KeyboardInterrupt):
        follow(replace(todo.run, engine=stopping), todo.dynamics, todo.agreement)
    assert not (todo.folder / "dynamics.parquet").exists()
    first = todo.folder / "dynamics" / Path(places[0]).name
    kept = {path: path.read_bytes() for path in first.glob("**/*.parquet")}
    again = Stopping(todo.run.engine, 0, [])
    assert follow(replace(todo.run, engine=again), todo.dynamics, todo.agreement) == {}
    assert again.starts == places[1:]  # the first was done
    assert len(set(stopping.loaded + again.loaded)) == 1  # each is gone before the next comes
    assert {path: path.read_bytes() for path in first.glob("**/*.parquet")} == kept
    a, b = (harness.load(folder).dynamics for folder in (todo.folder, followed))
    assert a.equals(b, null_equal=True)
    once_more = Stopping(todo.run.engine, 0, [])
    follow(replace(todo.run, engine=once_more), todo.dynamics, todo.agreement)
    assert once_more.starts == []


def test_one_that_fails_is_named_and_left_out(
    places: list[str],
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(places[1]).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    three = [places[0], str(broken), places[2]]
    monkeypatch.setattr(sys, "argv", ["dynamics", *line(tmp_path, three, questions)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    said = capfd.readouterr()
    assert "left out: broken: model.path: " in said.err
    assert "Traceback" not in said.err
    assert "Along the series: r" in said.err
    run = tmp_path / "r"
    assert set(harness.load(run).dynamics["checkpoint"]) == {Path(places[0]).name, "step-20"}
    state = json.loads((run / "dynamics" / "broken" / "status.json").read_text())
    assert state["state"] == "failed"
    assert (run / "plots" / "dynamics.svg").exists()


def test_other_weights_under_the_same_name_are_refused(
    places: list[str], questions: Path, tmp_path: Path
):
    moving = tmp_path / "moving"
    moving.mkdir()
    for file in Path(places[1]).iterdir():
        (moving / file.name).write_bytes(file.read_bytes())
    todo = job(line(tmp_path, [places[0], str(moving)], questions, "problems.limit=1"))
    assert follow(todo.run, todo.dynamics, todo.agreement) == {}
    (moving / "model.safetensors").write_bytes(Path(places[2], "model.safetensors").read_bytes())
    failed = follow(todo.run, todo.dynamics, todo.agreement)
    assert "was made by other weights (local-" in failed["moving"]
    assert follow(todo.run, todo.dynamics, todo.agreement) == failed


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["model.series=[]"], "model.series: names fewer than two checkpoints"),
        (["model.series=[a,a]"], "model.series: a is named twice"),
        (["model.series=['',step_5]"], "model.series: step_5 is not among model.checkpoints"),
        (["model.series=['',/none/here]"], "model.series: /none/here does not exist"),
        (["overwrite=true"], "overwrite: dynamics adds to a run and replaces none"),
        (["engine=server"], "engine: a server serves one checkpoint"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(
    more: list[str],
    said: str,
    places: list[str],
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    given = line(tmp_path / "none", places, questions)
    if more == ["engine=server"]:
        given = [each for each in given if not each.startswith("engine")]
    keys = {each.partition("=")[0] for each in more}
    given = [each for each in given if each.partition("=")[0] not in keys]
    monkeypatch.setattr(sys, "argv", ["dynamics", *given, *more])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    told = capfd.readouterr().err
    assert told.startswith(f"error: {said}")
    assert told.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_another_tokenizer_is_one_line(places: list[str], questions: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    for file in Path(places[1]).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    words = json.loads((other / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary[" and"], vocabulary[" so"] = vocabulary[" so"], vocabulary[" and"]
    (other / "tokenizer.json").write_text(json.dumps(words))
    todo = job(line(tmp_path / "none", [places[0], str(other)], questions))
    with pytest.raises(UserError, match=r"^model\.series: token \d+ is ' (and|so)' to the tok"):
        follow(todo.run, todo.dynamics, todo.agreement)
    assert not (tmp_path / "none").exists()
