"""Where problems come from: one frozen dataclass a source, its values in conf/problems."""

from harness.problems.gsm8k import Gsm8k
from harness.problems.hub import Hub
from harness.problems.jsonl import Jsonl
from harness.problems.reasoning_gym import ReasoningGym
from harness.problems.traces import Traces

__all__ = ["Gsm8k", "Hub", "Jsonl", "ReasoningGym", "Traces"]
