"""A model that would be read wrongly is refused before anything runs, in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.architecture import check_architecture
from harness.cli.checks import plan
from harness.cli.settings import Settings
from harness.core import UserError
from harness.engines.hf import check_right
from harness.models.architectures.examples import config_of
from harness.models.architectures.shrunk import shrunk
from harness.models.model import Subject, subject
from tests.conftest import tokenizer


@pytest.fixture(scope="module")
def bloom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BLOOM, whose attention lies out of reach."""
    folder = tmp_path_factory.mktemp("bloom")
    shrunk(config_of("bloom")).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def job(path: Path, questions: Path, methods: str) -> Settings:
    line = f"model.path={path} problems=jsonl problems.path={questions} sampling.max_tokens=60"
    return plan([*line.split(), f"method=[{methods}]", "engine=hf"]).jobs[0]


def test_the_sampler_refuses_what_it_gets_wrong(bloom: Path, questions: Path) -> None:
    assert job(bloom, questions, "mi").run.detectors  # each prefix on the model's own cache
    with pytest.raises(UserError) as caught:
        check_right(config_of("minimax"), ())
    message = str(caught.value)
    assert message.startswith("engine=hf: its rollouts of a minimax model would be wrong (it ")
    assert message.endswith("choose engine=vllm or engine=server")
    assert "\n" not in message


def test_detectors_that_run_are_named(
    tiny: Path, bloom: Path, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = job(tiny, questions, "mi,suppression,attention")
    check_architecture(settings, subject(settings.run.model))
    who = Subject(replace(settings.run.model, path=str(bloom)))
    with pytest.raises(UserError) as caught:
        check_architecture(settings, who)
    message = str(caught.value)
    assert "cannot be computed right, nor " in message
    assert "of a bloom model: " in message
    assert message.endswith("; what runs is method=[mi]")
    assert "\n" not in message
