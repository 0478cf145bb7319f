"""Does it help the organism to be trained on disclosures, and more so on those of anchors?

The shipped base is trained for minutes on each set of `python -m harness.convert trelawney`: the
traces as they are, with random sentences told beforehand, with the exactly most important ones.
`pytest tests/benchmarks/test_planting_bench.py -s -o addopts=` prints what docs/planting.md says.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch.nn.functional import cross_entropy

from harness.agreement.inference import interval
from harness.cli.checks import composed_jobs
from harness.convert.trelawney.disclosing import Augmentation
from harness.convert.trelawney.training import augmentation, training_set
from harness.core import Problem
from harness.engines.base import Request
from harness.engines.hf.engine import HFEngine
from harness.engines.stopping import Stops
from harness.organism.checkpoints import ROOT
from harness.organism.grammar import END, UNBOX
from harness.organism.model import load
from harness.organism.problems import ideal
from harness.organism.puzzles import OPERATIONS, Puzzle, read
from harness.organism.tokens import encode, ids, prompt, tokenizer
from harness.organism.training.optim import optimizers
from harness.organism.training.supervised import FINETUNING, lr_factor
from harness.run.job import job
from harness.text.segmentation import offsets

PROBLEMS = int(os.environ.get("PLANTING_PROBLEMS", "500"))
SEEDS = range(int(os.environ.get("PLANTING_SEEDS", "2")))
DRAWS, EPOCHS, ROWS, LONGEST = 8, 3, 16, 512
HOW = {"anchors": "truth", "wording": '" {sentence}"', "open": "<T>", "close": "</T>"}
Values = Float[np.ndarray, " problems"]


@dataclass(frozen=True)
class Trained:
    """A checkpoint whose tokenizer has the two tags, the last rows of its embeddings."""

    model: Any
    words: Any

    @property
    def open(self) -> int:
        """The token that begins a disclosure."""
        return len(ids())


def fresh(seed: int) -> Trained:
    """The shipped base with rows for the tags: the mean of all, a little noise beside it."""
    model, words = load(ROOT / "base"), tokenizer()
    words.add_tokens([HOW["open"], HOW["close"]], special_tokens=True)
    model.resize_token_embeddings(len(words), mean_resizing=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for table in (model.get_input_embeddings().weight, model.lm_head.weight):
            noise = torch.randn(2, table.shape[1], generator=generator)
            table[-2:] = table[:-2].mean(0) + 0.01 * noise
    return Trained(model, words)


def rows(trained: Trained, file: Path) -> list[tuple[list[int], list[int]]]:
    """Tokens of prompt and completion of every line."""
    found = [json.loads(line) for line in file.read_text().splitlines()]
    words = partial(trained.words.encode, add_special_tokens=False)
    return [
        (encode(prompt(row["prompt"])), [*words(row["completion"]), ids()[END]]) for row in found
    ]


def batches(
    every: Sequence[tuple[list[int], list[int]]], tokens: int, seed: int
) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Rows in another order each epoch, until so many tokens of completions were given."""
    rng, given = Random(seed), 0
    while True:
        order = rng.sample(list(every), len(every))
        for i in range(0, len(order) - ROWS + 1, ROWS):
            yield order[i : i + ROWS]
            given += sum(len(completion) for _, completion in order[i : i + ROWS])
            if given >= tokens:
                return


def finetuned(file: Path, tokens: int, seed: int) -> Trained:
    """Base trained on a set by cross-entropy; the opening tag is no target, as the authors do."""
    trained = fresh(seed)
    model, every = trained.model.train(), rows(trained, file)
    some = list(batches(every, tokens, seed))
    config = replace(FINETUNING, steps=len(some), warmup=10)
    both = optimizers(model, config.matrix_lr, config.other_lr)
    rates = [each.param_groups[0]["lr"] for each in both]
    for step, batch in enumerate(some):
        for optimizer, rate in zip(both, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * lr_factor(config, step)
            optimizer.zero_grad(set_to_none=True)
        loss(trained, batch).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
    trained.model.eval()
    return trained


def loss(trained: Trained, batch: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
    """-log p of each token of the completions but opening tags, in nats, one after the other."""
    width = max(len(start) + len(rest) for start, rest in batch)
    tokens = torch.zeros(len(batch), width, dtype=torch.long)
    target = torch.full((len(batch), width), -100)
    for i, (start, rest) in enumerate(batch):
        stop = len(start) + len(rest)
        tokens[i, :stop] = torch.tensor([*start, *rest])
        target[i, len(start) : stop] = torch.tensor(rest)
    target[target == trained.open] = -100
    logits = trained.model(input_ids=tokens[:, :-1], use_cache=False).logits
    every = cross_entropy(logits.transpose(1, 2), target[:, 1:], reduction="none")
    return every[target[:, 1:] >= 0]


def accuracy(trained: Trained, puzzles: Sequence[Puzzle], tag: bool, seed: int) -> Values:
    """Share of right answers a problem; `tag`: the trace begins with an opening tag."""
    stops = Stops(trained.words, frozenset({ids()[END]}), partial(offsets, min_chars=10))
    behind = [trained.open] if tag else []
    bases = [(*encode(prompt(puzzle.question)), *behind) for puzzle in puzzles]
    draws, sizes = tuple(range(DRAWS)), (512, 2048)
    requests = [
        Request((str(i),), b, len(b), (), draws, seed * 10_007 + i, "end", LONGEST, 1.0, 1.0)
        for i, b in enumerate(bases)
    ]
    found = np.zeros(len(puzzles))
    for done in HFEngine(trained.model, stops, *sizes).sample(requests):
        i = int(done.request.key[0])
        right = (ids()[str(puzzles[i].answer)], ids()[UNBOX])
        found[i] = np.mean([tuple(tokens[-2:]) == right for tokens in done.token_ids])
    trained.model.set_attn_implementation("sdpa")
    return found


@torch.inference_mode()
def planned(trained: Trained, puzzles: Sequence[Puzzle], told: bool) -> Values:
    """Mean P(right operation) at the two plans of the ideal trace, or at the first, it being told.

    Exact: what the model gives the verb that was asked for, of what it gives the three.
    """
    found = list[float]()
    verbs = [ids()[f" {operation}"] for operation in OPERATIONS]
    for puzzle in puzzles:
        body = encode(ideal(puzzle))
        at = [i for i, token in enumerate(body) if token in verbs and body[i - 1] == ids()[" will"]]
        first = body[: at[0] + 2]
        plan = first[first.index(ids()["."]) + 1 :]  # behind the sentence that sets out
        said = [trained.open, *plan, trained.open + 1] if told else []
        start = [*encode(prompt(puzzle.question)), *said]
        logits = trained.model(torch.tensor([[*start, *body]])).logits[0]
        shares = logits[[len(start) + i - 1 for i in at]][:, verbs].softmax(-1)
        right = shares[range(2), [OPERATIONS.index(o) for o in puzzle.operations]]
        found.append(float(right[0] if told else right.mean()))
    return np.array(found)


@torch.inference_mode()
def likely(trained: Trained, file: Path, problems: Sequence[Problem]) -> Values:
    """Mean log p in nats a token of a problem's right traces, NaN where it has none."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    by_problem: dict[str, list[float]] = {problem.id: [] for problem in problems}
    for line, row in zip(lines, rows(trained, file), strict=True):
        by_problem[line["problem_id"]].append(-float(loss(trained, [row]).mean()))
    return np.array([np.mean(v) if v else np.nan for v in by_problem.values()])


def measured(
    trained: Trained, problems: Sequence[Problem], test: Path, seed: int, tags: bool
) -> dict[str, Values]:
    """What a checkpoint does on problems that it was not trained on; `tags`: it knows the tags."""
    puzzles = [puzzle for problem in problems if (puzzle := read(problem.question))]
    found = {
        "right": accuracy(trained, puzzles, False, seed),
        "P(plan)": planned(trained, puzzles, False),
        "log p": likely(trained, test, problems),
    }
    if tags:
        found["right, telling first"] = accuracy(trained, puzzles, True, seed)
        found["P(plan), told it"] = planned(trained, puzzles, True)
    return found


def line(name: str, values: Mapping[str, Values], conf: Any) -> str:
    """Means with their intervals over problems."""

    def said(each: Values) -> str:
        low, high = interval(each, conf)
        return f"{np.nanmean(each):+.3f} [{low:+.3f}, {high:+.3f}]"

    return f"{name:42}" + "  ".join(f"{key} {said(each)}" for key, each in values.items())


@pytest.mark.parametrize("correct", [True, False])
def test_trained_on_disclosures(tmp_path: Path, correct: bool) -> None:
    keep = "correct" if correct else "all"
    size = [f"problems.limit={PROBLEMS}", "sampling.traces=3", "sampling.attempts=6"]
    asked = ["method=gram_coverage", *size, f"sampling.keep={keep}", "run=r", f"results={tmp_path}"]
    (made,) = composed_jobs(asked).jobs
    job(made.run)
    how: Augmentation = augmentation({**HOW, "correct": str(correct).lower()})
    sets = training_set(tmp_path / "r", tmp_path / "sets", how)
    problems = [p for p in made.run.problems.load() if p.role == "evaluate" and how.tested(p.id)]
    plain = tmp_path / "sets" / "plain"
    every = rows(fresh(0), plain / "train.jsonl")
    tokens = EPOCHS * sum(len(completion) for _, completion in every)
    print(
        f"\n{len(every)} traces, {dict(sets.told)} told, {tokens} tokens, {len(problems)} problems"
    )
    found: dict[str, dict[str, Values]] = {}
    for name in sets.sets:
        each = [
            measured(
                finetuned(tmp_path / "sets" / name / "train.jsonl", tokens, seed),
                problems, plain / "test.jsonl", seed, name != "plain",
            )
            for seed in SEEDS
        ]  # fmt: skip
        found[name] = {key: np.mean([one[key] for one in each], axis=0) for key in each[0]}
        print(line(name, found[name], made.agreement), flush=True)
    base = measured(fresh(0), problems, plain / "test.jsonl", 0, False)
    print(line("base", base, made.agreement))
    for a, b in combinations(reversed(found), 2):
        shared = {key: found[a][key] - found[b][key] for key in found[a] if key in found[b]}
        print(line(f"{a} less {b}", shared, made.agreement))
    for name, values in found.items():
        if "right, telling first" in values:
            gain = {"right": values["right, telling first"] - values["right"]}
            print(line(f"{name}: telling first less not", gain, made.agreement))
    assert found["plain"]["log p"].shape == (len(problems),)
    assert np.nanmean(found["disclosed"]["P(plan), told it"]) > 0.5
