"""A small tree in the layout of uzaymacar/math-rollouts, with answers drawn by a seed."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

CHUNKS = [
    "We add the apples first.",
    "So 2 + 3 = 5 apples.",
    "Wait, let me verify.",
    "It is 5 in all.",
]
PROMPT = "Solve this math problem step by step. Problem: 2 + 3? Solution: \n<think>\n"
FORCE = "\n</think>\n\nTherefore, the final answers is \\boxed{"
SAID = ("Let me count them.", "So 2 + 3 = 5 apples.", "Hmm, what is asked here?")
SETTING = "temperature_0.6_top_p_0.95"


def prefix(i: int) -> str:
    """What a rollout of chunk i goes on from, by the published rule."""
    return " ".join(CHUNKS[: i + 1]).replace(CHUNKS[i], "").strip()


def rollout(i: int, rng: random.Random) -> dict[str, Any]:
    first, answer = rng.choice(SAID), rng.choices("567", (3 + i, 2, 1))[0]
    text = f"{first} Then I go on.\n</think>\n\nThe answer is \\boxed{{{answer}}}."
    return {
        "chunk_removed": CHUNKS[i],
        "prefix_without_chunk": prefix(i),
        "chunk_resampled": first,
        "rollout": text,
        "full_cot": PROMPT + prefix(i) + text,
        "answer": answer,
        "is_correct": answer == "5",
    }


def forced(i: int, rng: random.Random) -> dict[str, Any]:
    answer = rng.choices("567", (1 + 2 * i, 2, 1))[0]
    text = f"{answer}}}."
    row = rollout(i, rng)
    told = {"answer": answer, "is_correct": answer == "5"}
    return {**row, "rollout": text, "full_cot": PROMPT + prefix(i) + FORCE + text, **told}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))


def write_tree(
    root: Path, numbers: tuple[int, ...] = (7, 8), draws: int = 12, padding: str = ""
) -> Path:
    """A right trace a problem by one model, with rollouts and forced answers of every chunk."""
    for number in numbers:
        rng = random.Random(number)
        model = root / "one" / SETTING
        place = model / "correct_base_solution" / f"problem_{number}"
        text = f"{' '.join(CHUNKS)}\n</think>\n\n\\boxed{{5}}"
        solution = {"prompt": PROMPT, "solution": text, "answer": "5", "is_correct": True}
        labels = [
            {"chunk": c, "chunk_idx": i, "function_tags": ["plan"]} for i, c in enumerate(CHUNKS)
        ]
        write(place / "problem.json", {"problem": f"2 + 3, or {number}?", "gt_answer": "5"})
        write(place / "base_solution.json", {**solution, "full_cot": PROMPT + text})
        write(place / "chunks.json", {"source_text": text, "solution_text": text, "chunks": CHUNKS})
        write(place / "chunks_labeled.json", labels)
        other = model / "correct_base_solution_forced_answer" / f"problem_{number}"
        for i in range(len(CHUNKS)):
            every = [rollout(i, rng) for _ in range(draws)]
            for row in every:
                for key in ("rollout", "full_cot"):
                    row[key] = row[key].replace("Then", padding + "Then")
            write(place / f"chunk_{i}" / "solutions.json", every)
            write(other / f"chunk_{i}" / "solutions.json", [forced(i, rng) for _ in range(draws)])
    return root


def write_shards(tree: Path, out: Path, rows: int = 5) -> Path:
    """The same as parquet shards with a row a file, two of them."""
    out.mkdir(parents=True)
    paths = sorted(tree.rglob("*.json"))
    half = len(paths) // 2
    for i, part in enumerate((paths[:half], paths[half:])):
        columns = {
            "path": [path.relative_to(tree).as_posix() for path in part],
            "filename": [path.name for path in part],
            "extension": [path.suffix for path in part],
            "size_bytes": [path.stat().st_size for path in part],
            "content": [path.read_text() for path in part],
        }
        pq.write_table(pa.table(columns), out / f"default-0000{i}.parquet", row_group_size=rows)
    return out
