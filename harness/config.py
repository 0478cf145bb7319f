"""From yaml nodes to frozen dataclasses: types in code, values in yaml, every key checked."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.types import UserError

T = TypeVar("T")

_LAX = ConfigDict(arbitrary_types_allowed=True)


def plain(node: Any) -> Any:
    """A config node as plain containers, interpolations resolved."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def build(cls: type[T], node: Any, where: str) -> T:
    """An instance of a dataclass from a mapping; `where` is the node's name in messages.

    Raises UserError naming the key that is unknown, missing or of the wrong type.
    """
    values = plain(node)
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected keys and values, got {values!r}")
    assert is_dataclass(cls)
    known = {f.name: f.type for f in fields(cls)}
    for key in values:
        if key not in known:
            raise UserError(f"{where}.{key}: no such key; there are {', '.join(known)}")
    for key in known:
        if key not in values:
            raise UserError(f"{where}.{key}: missing; add it to conf or to the command line")
    return cls(**{k: check(known[k], v, f"{where}.{k}") for k, v in values.items()})


def check(kind: Any, value: Any, where: str) -> Any:
    """A value as the type a field declares, or UserError naming the key."""
    if isinstance(kind, type) and is_dataclass(kind):
        return build(kind, value, where)
    if isinstance(value, bool) and kind in (int, float):
        raise UserError(f"{where}: expected a number, got {value}")
    try:
        return TypeAdapter[Any](cast("Any", kind), config=_LAX).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{where}: {first['msg'].lower()}, got {value!r}") from None


def target(node: DictConfig | Mapping[str, Any], where: str) -> Any:
    """The dataclass instance that a node with `_target_` describes.

    Raises UserError if the class cannot be found or a key does not fit.
    """
    values = dict(plain(node))
    name = values.pop("_target_", None)
    if not isinstance(name, str):
        raise UserError(f"{where}: has no _target_; is the name right?")
    try:
        cls = get_class(name)
    except (ImportError, ValueError) as error:
        raise UserError(f"{where}._target_: cannot find {name} ({error})") from None
    return build(cls, values, where)
