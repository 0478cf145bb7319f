"""Categories by another model: what is asked, what counts of a reply, what stops a run."""

import json
from pathlib import Path

import pytest
import yaml

import harness
from harness.core import UserError
from harness.evidence.asking.endpoint import Endpoints
from harness.evidence.asking.labelling import AskedLabels, categories, labelling
from harness.text.categories import Labels
from tests.harness.evidence.asking.test_endpoint import said, serve  # noqa: F401

CONF = Path(harness.__file__).parents[1] / "conf" / "labels"
TEXTS = ("Let us\n add.", "1 + 1 = 2.", "Wait.", "So {question} it is.")


def conf(name: str, **values: object) -> Labels | AskedLabels:
    return labelling(yaml.safe_load((CONF / f"{name}.yaml").read_text()) | values)


def test_the_yamls_are_rules_and_an_endpoint():
    assert isinstance(conf("default"), Labels)
    assert isinstance(conf("none"), Labels)
    asked = conf("endpoint")
    assert isinstance(asked, AskedLabels)
    shipped = conf("default")
    assert {rule.category for rule in shipped.rules} <= set(asked.categories)
    with pytest.raises(UserError, match=r"labels.prompt: must hold \{sentences\}"):
        conf("endpoint", prompt="{question} {categories}")


def test_a_trace_is_asked_about_once_and_the_last_word_counts(serve, tmp_path: Path):  # noqa: F811
    reply = "1: plan_generation\n**2**: active_computation\n3: nonsense\n4: self_checking\n"
    service, want = serve(said(reply + "4: result_consolidation\n9: fact_retrieval"))
    labels = conf("endpoint", url=want.url, least=0.7)
    found = categories(labels, "What is 1 + 1?", TEXTS, tmp_path)
    assert found == ["plan_generation", "active_computation", None, "result_consolidation"]
    assert categories(labels, "What is 1 + 1?", TEXTS, tmp_path) == found
    ((_, body, _),) = service.asked
    message = body["messages"][0]["content"]
    assert "Question: What is 1 + 1?" in message
    assert "1. Let us add.\n" in message
    assert "4. So {question} it is." in message  # what a text holds is no place to fill
    assert len(list((tmp_path / "asked").glob("*.json"))) == 1
    assert json.dumps(body).count("uncertainty_management: ") == 1


def test_what_labels_too_little_or_nothing_stops_the_run(serve, tmp_path: Path):  # noqa: F811
    _, want = serve(said("1: plan_generation"))
    labels = conf("endpoint", url=want.url)
    with pytest.raises(UserError, match=r"^labels: labeller labels 1 of the 4 sentences of a"):
        categories(labels, "?", TEXTS, tmp_path)
    _, want = serve((500, "no"), (401, "who are you"))
    labels = conf("endpoint", url=want.url)
    with pytest.raises(UserError, match=r"^labels: the endpoint answers 401 .*goes on$"):
        labels.of("?", TEXTS, Endpoints(tmp_path / "other"))
