"""Yaml nodes to dataclasses: every wrong key and value is named."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import pytest
from pydantic import Field

from harness.core import UserError
from harness.core.config import MOVED, build, check, named, serving, target


@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Outer:
    number: int
    maybe: int | None
    words: tuple[str, ...]
    either: float | Literal["median"]
    free: dict[str, Any]
    inner: Inner


GOOD = {
    "number": 3,
    "maybe": None,
    "words": ["a", "b"],
    "either": 1,
    "free": {"any": [True]},
    "inner": {"share": 0.5},
}
HERE = f"{__name__}."


@runtime_checkable
class Walker(Protocol):
    def walk(self) -> int: ...


@dataclass(frozen=True)
class Dog:
    legs: int

    def walk(self) -> int:
        return self.legs


def test_a_mapping_becomes_the_dataclass() -> None:
    made = build(Outer, GOOD, "outer")
    assert made == Outer(3, None, ("a", "b"), 1.0, {"any": [True]}, Inner(0.5))
    assert isinstance(made.either, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"typo": 1}, "outer.typo: no such key; there are number, maybe"),
        ({"number": "many"}, 'outer.number: must be a valid integer, got "many"'),
        ({"number": "3"}, "outer.number"),
        ({"number": 2.5}, "outer.number: must be a valid integer, got 2.5"),
        ({"number": True}, "outer.number: must be a valid integer, got true"),
        ({"number": None}, "outer.number: must be a valid integer, got null"),
        ({"maybe": True}, "outer.maybe"),
        ({"maybe": False}, "outer.maybe"),
        ({"words": "a"}, "outer.words"),
        ({"words": ["a", 1]}, "outer.words"),
        ({"either": "mean"}, "outer.either: must be a valid number or 'median', got \"mean\""),
        ({"either": float("nan")}, "outer.either: must be a finite number"),
        ({"either": float("inf")}, "outer.either: must be a finite number"),
        ({"inner": {"share": 1}}, "outer.inner.share: must be less than 1, got 1"),
        ({"inner": {"share": 0.5, "x": 1}}, "outer.inner.x: no such key"),
        ({"inner": 3}, "outer.inner: expected keys and values, got 3"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        build(Outer, GOOD | change, "outer")


@pytest.mark.parametrize("key", list(GOOD))
def test_a_missing_key_is_named(key: str) -> None:
    rest = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(UserError, match=rf"^outer\.{key}: missing"):
        build(Outer, rest, "outer")


def test_long_values_are_cut_and_messages_stay_on_one_line() -> None:
    with pytest.raises(UserError) as caught:
        check(int, "x\n" * 1000, "key")
    assert len(str(caught.value)) < 150
    assert "\n" not in str(caught.value)


def test_a_target_is_made() -> None:
    assert target({"_target_": f"{HERE}Dog", "legs": 4}, "pet") == Dog(4)
    assert serving(Walker, {"_target_": f"{HERE}Dog", "legs": 4}, "pet").walk() == 4


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"legs": 4}, "pet: has no _target_"),
        ({"_target_": "no_such_package.Dog"}, "pet._target_: cannot find no_such_package.Dog"),
        ({"_target_": f"{HERE}Cat"}, f"pet._target_: cannot find {HERE}Cat; looked in "),
        ({"_target_": "harness.engines.hf"}, "pet._target_: harness.engines.hf is no class"),
        ({"_target_": "pathlib.Path"}, "pet._target_: Path is no dataclass"),
        ({"_target_": f"{HERE}Dog", "tail": 1}, "pet.tail: no such key; there are legs"),
        ({"_target_": f"{HERE}Inner", "share": 0.5}, "pet._target_: Inner lacks walk"),
    ],
)
def test_a_target_that_is_none_is_named(node: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        serving(Walker, node, "pet")


def test_a_module_that_fails_is_told_from_one_that_is_not_there(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fails_on_import.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"does not import \(ZeroDivisionError: division by zero\)"):
        named("fails_on_import.Thing", "key")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("before", "now"), MOVED.items())
def test_a_class_is_found_where_it_lay_before(before: str, now: str) -> None:
    assert named(before, "engine") is named(now, "engine")
    assert isinstance(named(before, "engine"), type)
