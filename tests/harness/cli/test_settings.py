"""A composed config as settings: what is refused, and what makes a run the same run."""

from collections.abc import Mapping
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from harness.cli.hydra import CONF
from harness.cli.settings import Settings, merged, settings
from harness.core import UserError


@pytest.fixture(scope="module")
def config() -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config")


def changed(config: Any, changes: Mapping[str, Any]) -> Settings:
    new = config.copy()
    with open_dict(new):
        for key, value in changes.items():
            OmegaConf.update(new, key, value, merge=False, force_add=True)
    return settings(new)


def test_another_schedule_is_another_run_and_the_default_is_that_of_older_ones(config: Any) -> None:
    before = settings(config).run.identity
    assert not {"sampling.schedule", "sampling.stretch", "sampling.pilot"} & set(before)
    assert changed(config, {"sampling.stretch": 4}).run.identity == before
    coupled = {"sampling.schedule": "coupled", "sampling.stretch": 8}
    assert changed(config, coupled).run.identity == {**before, **coupled}
    allocated = {"sampling.schedule": "allocated", "sampling.pilot": 10}
    assert changed(config, allocated).run.identity == {**before, **allocated}
    assert changed(config, allocated).run.sampling.pilots == 10
    assert changed(config, coupled).run.sampling.pilots == 0


def test_the_schedule_that_was_biased_names_the_one_that_is_not(config: Any) -> None:
    with pytest.raises(UserError, match=r"^sampling\.schedule: adaptive is no more.*allocated"):
        changed(config, {"sampling.schedule": "adaptive"})


def test_the_defaults_are_settings(config: Any) -> None:
    made = settings(config)
    assert list(made.run.detectors) == ["resampling", "mi"]
    assert str(made.folder) == f"results/{made.run.model.name}-{made.run.problems.name}"


@pytest.mark.parametrize("name", ["a/b", "/a", "..", ".", "", " ", "a\nb", "a\\b", ".a", "x" * 201])
def test_a_run_is_one_name(config: Any, name: str) -> None:
    with pytest.raises(UserError, match=r"^run: must be a folder name"):
        changed(config, {"run": name})


@pytest.mark.parametrize("value", [True, 1.5, ["a"], {"a": 1}])
def test_a_run_is_text(config: Any, value: Any) -> None:
    with pytest.raises(UserError, match=r"^run: must be a folder name"):
        changed(config, {"run": value})


def test_a_run_may_be_a_number(config: Any) -> None:
    assert changed(config, {"run": 3}).folder.name == "3"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nix", 1, "nix: no such key; there are agreement"),
        ("results", "", "results: must be the path of a folder"),
        ("results", "~/runs", "results: must be the path of a folder"),
        ("overwrite", "no", "overwrite: must be a valid boolean"),
        ("sampling.draws", 0, "sampling.draws: must be at least 1, got 0"),
        ("sampling.attempts", 0, "sampling.attempts: must be at least 1, got 0"),
        ("sampling.top_p", 0.0, "sampling: temperature"),
        ("sampling.screen.low", 0.9, "sampling.screen: needs"),
        ("sampling.screen.draws", -1, "sampling.screen: needs"),
        ("model.prompt", "hello", "model.prompt: must hold {question}"),
        ("model.path", "", "model.path: which model"),
        ("engine.slots", 0, "engine.slots: must be at least 1"),
        ("engine._target_", "harness.problems.Jsonl", "engine.slots: no such key"),
        (
            "method.resampling._target_",
            "harness.engines.hf.HF",
            "method.resampling.importance: no such",
        ),
        ("method", {}, "method: choose at least one"),
        ("method", {"_target_": "methods.mi.MI"}, "method._target_: holds no options"),
        ("report", None, "report: missing"),
    ],
)
def test_what_is_wrong_is_named(config: Any, key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(config, {key: value})
    assert str(caught.value).startswith(message)


def test_options_go_to_the_detectors_that_there_are(config: Any) -> None:
    made = changed(config, {"options": {"resampling": {"threshold": 0.7}, "absent": {"k": 1}}})
    assert made.run.values["method"]["resampling"]["threshold"] == 0.7
    assert made.run.detectors["resampling"].threshold == 0.7
    assert list(made.run.detectors) == ["resampling", "mi"]
    with pytest.raises(UserError, match=r"^method\.resampling\.typo: no such key"):
        changed(config, {"options": {"resampling": {"typo": 1}}})


def test_a_run_can_be_named_after_an_option(config: Any) -> None:
    options = {"options": {"resampling": {"threshold": 0.7}}}
    for group in ("options", "method"):
        made = changed(config, options | {"run": f"x-${{{group}.resampling.threshold}}"})
        assert made.folder.name == "x-0.7"


def test_merging_changes_nothing_the_second_time(config: Any) -> None:
    assert merged(merged(config)) == merged(config)


def test_identity(config: Any) -> None:
    before = settings(config)
    same = {"sampling.draws": 7, "sampling.chunk": 3, "model.device": "cpu", "engine.slots": 9}
    same |= {"problems.limit": 99}
    assert changed(config, same).run.identity == before.run.identity
    for key in ("sampling.seed", "model.path", "problems.seed", "segmentation.min_chars"):
        value = 99 if key != "model.path" else "x"
        other = changed(config, {key: value}).run.identity
        assert {k for k in other if other[k] != before.run.identity[k]} == {key}


def test_hashes_follow_the_options_and_the_draws(config: Any) -> None:
    before = settings(config).run.hashes
    one = changed(config, {"method.mi.sigma": 49.0}).run.hashes
    assert one["mi"] != before["mi"]
    assert one["resampling"] == before["resampling"]
    all_of_them = changed(config, {"sampling.draws": 7}).run.hashes
    assert all(all_of_them[name] != before[name] for name in before)


@pytest.fixture(scope="module")
def comparing() -> Any:
    """A detector of two checkpoints beside one of one, and a model that names none."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", ["model=smollm2-135m", "method=[mi,rl_entropy_kl]"])


def test_a_checkpoint_not_declared_is_named_before_anything_starts(comparing: Any) -> None:
    message = r"^method\.rl_entropy_kl: needs model\.checkpoints\.base; declare it in conf/model"
    with pytest.raises(UserError, match=message):
        settings(comparing)


def test_a_changed_checkpoint_concerns_the_detectors_that_read_it(comparing: Any) -> None:
    a, b, c = (
        changed(comparing, {"model.checkpoints": paths, "model.series": list(paths)})
        for paths in ({"base": "a"}, {"base": "b"}, {"base": "a", "rl": "c"})
    )
    assert a.run.checkpoints == b.run.checkpoints == c.run.checkpoints == ("base",)
    assert a.run.identity == b.run.identity == c.run.identity
    assert {n for n in a.run.hashes if a.run.hashes[n] != b.run.hashes[n]} == {"rl_entropy_kl"}
    assert a.run.hashes == c.run.hashes


def test_folds_concern_the_detectors_that_learn(comparing: Any) -> None:
    base = {"model.checkpoints.base": "a"}
    a, b = (changed(comparing, {**base, "calibration.folds": n}) for n in (2, 3))
    assert {n for n in a.run.hashes if a.run.hashes[n] != b.run.hashes[n]} == {"rl_entropy_kl"}
    with pytest.raises(UserError, match=r"^calibration\.folds: must be at least 2, got 1"):
        changed(comparing, {**base, "calibration.folds": 1})


def test_a_series_names_checkpoints_or_the_model_itself(comparing: Any) -> None:
    base = {"model.checkpoints.base": "a"}
    assert changed(comparing, {**base, "model.series": ["base", ""]}).run.model.series == (
        "base",
        "",
    )
    with pytest.raises(UserError, match=r"^model\.series: rl-9 is not among model\.checkpoints"):
        changed(comparing, {**base, "model.series": ["rl-9"]})
