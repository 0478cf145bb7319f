"""A small tree in the published layout of Thought Anchors, written by hand."""

import json
from pathlib import Path
from typing import Any

CHUNKS = ["We add the apples first.", "So 2 + 3 = 5.", "Wait, let me verify.", "The total is 5."]
TAGS = ["plan_generation", "active_computation", "self_checking", "result_consolidation"]
KL = [0.4, 0.9, 0.0, 0.1]
ACCURACY = [-0.25, 0.5, 0.0, 0.125]  # without − with, as published
DISSIMILAR = [1.0, 0.5, 0.0, 0.25]
IMPACTS = [(0, 1, 1.0), (0, 2, 3.0), (0, 3, -1.0), (1, 2, 0.5), (1, 3, 1.5), (2, 3, -2.0)]


def chunk(i: int) -> dict[str, Any]:
    return {
        "chunk": CHUNKS[i],
        "chunk_idx": i,
        "function_tags": [TAGS[i], "problem_setup"],
        "depends_on": [],
        "accuracy": 0.5,
        "resampling_importance_accuracy": -ACCURACY[i],
        "resampling_importance_kl": KL[i] / 2,
        "counterfactual_importance_accuracy": ACCURACY[i],
        "counterfactual_importance_kl": KL[i],
        "forced_importance_accuracy": 0.25 * i,
        "forced_importance_kl": 0.1 * i,
        "different_trajectories_fraction": DISSIMILAR[i],
        "overdeterminedness": 0.9,
    }


def steps() -> list[dict[str, Any]]:
    return [
        {
            "source_chunk_idx": j,
            "source_chunk_text": CHUNKS[j],
            "target_impacts": [
                {"target_chunk_idx": t, "importance_score": v} for s, t, v in IMPACTS if s == j
            ],
        }
        for j in range(len(CHUNKS))
    ]


def write_trace(folder: Path, *, correct: bool, masked: bool) -> None:
    folder.mkdir(parents=True)
    text = f"{' '.join(CHUNKS[:2])}\n\n{' '.join(CHUNKS[2:])}\n</think>\n\n\\boxed{{5}}"
    files: dict[str, Any] = {
        "problem": {"problem": "2 + 3?", "gt_answer": "5", "level": "Level 1"},
        "base_solution": {
            "prompt": "2 + 3? <think>\n",
            "solution": text,
            "answer": "5" if correct else "6",
            "is_correct": correct,
        },
        "chunks_labeled": [chunk(i) for i in range(len(CHUNKS))],
        **({"step_importance_supp": steps()} if masked else {}),
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def write_tree(root: Path, models: tuple[str, ...] = ("one", "two")) -> Path:
    """Two problems a model, each answered right and wrong; the right ones were masked."""
    for model in models:
        for outcome in ("correct", "incorrect"):
            for number in (7, 8):
                right = outcome == "correct"
                place = root / model / f"{outcome}_base_solution" / f"problem_{number}"
                write_trace(place, correct=right, masked=right)
    return root
