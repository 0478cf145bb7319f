from pathlib import Path
from typing import Any

import pytest

from harness.core import UserError
from harness.models.model import Model, Subject
from harness.series.checkpoints import check_tokenizer, series, steps

HUB = {"path": "someone/model", "revision": None, "checkpoints": {}}


def model(series: tuple[str, ...], **changed: Any) -> Model:
    given = {"path": "wheel://p/m", "revision": None, "checkpoints": {"base": "b", "rl": "r"}}
    given |= changed
    return Model(
        name="m", dtype="float32", device="cpu", prompt=None, open_tag="", close_tag="",
        force="", trust_remote_code=False, series=series, **given,
    )  # fmt: skip


def loads(*found: Any) -> list[tuple[str, str | None]]:
    return [(each.model.path, each.model.revision) for each in found]


def test_names_of_checkpoints_and_the_model_itself():
    made = series(model(("base", "", "rl")))
    assert [each.name for each in made] == ["base", "m", "rl"]
    assert loads(*made) == [("b", None), ("wheel://p/m", None), ("r", None)]
    assert all(not each.model.series and not each.model.checkpoints for each in made)


def test_revisions_of_one_repository():
    made = series(model(("step_100", "step_300", ""), **HUB))
    assert loads(*made) == [
        ("someone/model", "step_100"),
        ("someone/model", "step_300"),
        ("someone/model", None),
    ]
    mixed = series(model(("base", "step_100"), **HUB | {"checkpoints": {"base": "other/base"}}))
    assert loads(*mixed) == [("other/base", None), ("someone/model", "step_100")]


def test_folders(tmp_path: Path):
    places = [str(tmp_path / name / "checkpoint") for name in "ab"] + [str(tmp_path / "last-40")]
    for place in places:
        Path(place).mkdir(parents=True)
    made = series(model(tuple(places)))
    assert [each.name for each in made] == [*places[:2], "last-40"]
    assert loads(*made) == [(place, None) for place in places]
    with pytest.raises(UserError, match=rf"^model\.series: {tmp_path}/none does not exist$"):
        series(model((places[0], f"{tmp_path}/none")))


@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        ((), {}, r"^model\.series: names fewer than two checkpoints; give names of"),
        (("base",), {}, r"^model\.series: names fewer than two checkpoints"),
        (("base", "rl", "base"), {}, r"^model\.series: base is named twice$"),
        (("", ""), {}, r"^model\.series: the model itself is named twice$"),
        (("base", "rl-9"), {}, r"^model\.series: rl-9 is not among model\.checkpoints, and no"),
        (("base", "step_1"), {"path": "m.gguf"}, r"^model\.series: step_1 is not among"),
        (
            ("base", "rl"),
            {"checkpoints": {"base": "b", "rl": "b"}},
            r"^model\.series: base and rl are one model$",
        ),
    ],
)
def test_what_is_no_series_is_one_line(names: tuple[str, ...], more: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said):
        series(model(names, **more))


def test_steps_are_numbers_that_rise_else_places():
    assert steps(["base", "rl-1", "rl-2"]) == [0, 1, 2]
    assert steps(["step_0025", "step_0275", "run3-step1375"]) == [25, 275, 1375]
    assert steps(["base", "sft", "rl"]) == [0, 1, 2]
    assert steps(["step_300", "step_200"]) == [0, 1]
    assert steps(["step_100", "main"]) == [0, 1]


def test_a_tokenizer_that_differs_is_named(subject: Subject):
    vocabulary = subject.tokenizer.get_vocab()
    alike = Subject(subject.conf)
    check_tokenizer(subject, alike, "rl", set())
    words = {i: word for word, i in vocabulary.items()}
    alike.tokenizer.get_vocab = lambda: vocabulary | {words[7]: 8, words[8]: 7}
    said = rf"^model\.series: token 7 is '{words[8]}' to the tokenizer of rl and '{words[7]}' to"
    with pytest.raises(UserError, match=said):
        check_tokenizer(subject, alike, "rl", set())


def test_an_added_mark_may_differ_where_no_prompt_has_it(subject: Subject):
    vocabulary, added = subject.tokenizer.get_vocab(), subject.tokenizer.get_added_vocab()
    mark, i = next(iter(added.items()))
    other = Subject(subject.conf)
    other.tokenizer.get_vocab = lambda: {w: k for w, k in vocabulary.items() if w != mark}
    check_tokenizer(subject, other, "rl", set())
    with pytest.raises(UserError, match=rf"^model\.series: token {i} is None to the tokenizer of"):
        check_tokenizer(subject, other, "rl", {i})
