"""From yaml nodes to frozen dataclasses: types in code, values in yaml, every key checked."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pydoc import ErrorDuringImport, locate
from typing import Any, TypeVar, cast, get_type_hints

from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.core.errors import UserError, meant

T = TypeVar("T")

MOVED = {  # what users' yamls may still name by where it lay before
    "harness.auto.Auto": "harness.engines.auto.Auto",
    "harness.hf.HF": "harness.engines.hf.HF",
    "harness.server.Server": "harness.engines.server.Server",
    "harness.vllm.VLLM": "harness.engines.vllm.VLLM",
}

_FINITE = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


def plain(node: Any) -> Any:
    """A config node as plain containers, interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    if not isinstance(node, Mapping):
        return {prefix: node}
    return {
        key: value
        for name, inner in node.items()
        for key, value in flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()
    }


def build(cls: type[T], node: Any, where: str) -> T:
    """An instance of a dataclass from a mapping; `where` is the node's name in messages.

    Raises UserError naming the key that is unknown, missing or of the wrong type.
    """
    values = plain(node)
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected keys and values, got {shown(values)}")
    if not is_dataclass(cls):
        raise UserError(f"{where}._target_: {cls.__name__} is no dataclass")
    kinds = get_type_hints(cls, include_extras=True)
    known = {f.name: kinds[f.name] for f in fields(cls)}
    for key in values:
        if key not in known:
            raise UserError(
                f"{where}.{key}: no such key; {meant(str(key), known)}there are {', '.join(known)}"
            )
    for key in known:
        if key not in values:
            raise UserError(f"{where}.{key}: missing; add it to conf or to the command line")
    return cls(**{k: check(known[k], v, f"{where}.{k}") for k, v in values.items()})


def check(kind: Any, value: Any, where: str) -> Any:
    """A value as the type a field declares, or UserError naming the key."""
    if isinstance(value, Mapping) and "_target_" in value:
        return serving(kind, value, where)
    if isinstance(kind, type) and is_dataclass(kind):
        return build(kind, value, where)
    adapter = TypeAdapter[Any](cast("Any", kind), config=_FINITE)
    try:
        # As strict JSON: lists become tuples and 1 a float, but true is no 1 and "2" no number.
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        wrong = " or ".join(dict.fromkeys(e["msg"] for e in error.errors()))
        wrong = wrong.replace(" or Input should be", " or").replace("Input should", "must")
        raise UserError(f"{where}: {wrong}, got {shown(value)}") from None


def shown(value: Any) -> str:
    """A value as the command line has it, cut where it is long."""
    return f"{json.dumps(value, ensure_ascii=False, default=str):.80}"


def target(node: DictConfig | Mapping[str, Any], where: str) -> Any:
    """The dataclass instance that a node with `_target_` describes.

    Raises UserError if the class cannot be found or a key does not fit.
    """
    values = plain(node)
    name = values.get("_target_") if isinstance(values, Mapping) else None
    if not isinstance(name, str):
        raise UserError(f"{where}: has no _target_, the class it is made of; is the name right?")
    return build(_class(name, where), {k: v for k, v in values.items() if k != "_target_"}, where)


def serving(kind: type[T], node: Any, where: str) -> T:
    """What `target` gives, if it serves as `kind`; raises UserError naming what it lacks."""
    made = target(node, where)
    if not isinstance(made, kind):
        lacks = [key for key in dir(kind) if key[0] != "_" and not hasattr(made, key)]
        raise UserError(f"{where}._target_: {type(made).__name__} lacks {', '.join(lacks)}")
    return made


def _class(name: str, where: str) -> type[Any]:
    found = named(name, f"{where}._target_")
    if not isinstance(found, type):
        raise UserError(f"{where}._target_: {name} is no class")
    return found


def named(name: str, where: str) -> object:
    """What a dotted name stands for; raises UserError if there is none or its module fails."""
    try:
        found = locate(MOVED.get(name, name))
    except ErrorDuringImport as error:
        reason = f"{type(error.value).__name__}: {error.value}"
        raise UserError(f"{where}: {name} does not import ({reason}){_hidden(name)}") from None
    if found is None:
        raise UserError(f"{where}: cannot find {name}{_hidden(name)}")
    return found


def _hidden(name: str) -> str:
    """Where the package of a dotted name lies, as another of that name may be found first."""
    package = sys.modules.get(name.partition(".")[0])
    places = list(getattr(package, "__path__", []))
    return f"; looked in {places[0]}" if places else ""
