"""What a plan takes for a model or for problems that cannot be had where it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.core import Problem, UserError
from harness.core.trace import Role
from harness.models.model import Model, Subject, subject
from harness.problems.roles import Roles
from harness.run.growth import of_run
from harness.run.settings import RunSettings

CHARACTERS = 4  # a token, about what English has
QUESTION, SOLUTION = 240, 290  # characters, the means of GSM8K's test problems
TEMPLATE = 20  # tokens that a chat template puts around a question


class Unseen(Subject):
    """A model of which nothing is known but its config; a token is some characters."""

    def __init__(self, model: Model, config: Mapping[str, Any]) -> None:
        from transformers import AutoConfig  # takes seconds: not before it is needed

        values = dict(config)
        self.conf, self.path, self.local = model, model.path, False
        self.revision_asked, self.device, self.tokenizer = model.revision, "cpu", None
        self.config = AutoConfig.for_model(values.pop("model_type"), **values)

    def prompt_ids(self, problem: Problem, instruction: str) -> tuple[int, ...]:
        """As many tokens as a prompt may have."""
        question = f"{problem.question}\n\n{instruction}".strip()
        return (0,) * (TEMPLATE + len(self.encode(question)))

    def encode(self, text: str, special: bool = False) -> tuple[int, ...]:
        """As many tokens as a text may have."""
        return (0,) * -(-len(text) // CHARACTERS)

    def decode(self, ids: Sequence[int]) -> str:
        """As many characters as some tokens may have."""
        return "x" * (CHARACTERS * len(ids))

    def checkpoint(self, name: str) -> Subject:
        """Another checkpoint, taken to be of the same size; raises UserError if undeclared."""
        self.same(name)
        return self


def seen(model: Model, configs: Mapping[str, Mapping[str, Any]]) -> Subject:
    """The model as far as it can be had here; raises UserError if not even its config can."""
    try:
        return subject(replace(model, device="cpu"))  # where it is to run is no matter here
    except UserError as error:
        if model.path not in configs:
            raise UserError(f"{error}; plan.configs can say what its config.json says") from None
    return Unseen(model, configs[model.path])


def roles(run: RunSettings) -> Roles:
    """The problems of a run; where they cannot be had, as many as are asked for."""
    try:
        found = run.problems.load()
    except UserError:
        asked = run.values["problems"]
        if asked.get("limit") is None:
            raise
        name = run.problems.name
        found = [_assumed(f"{name}/{i}", name, "evaluate") for i in range(asked["limit"])]
        more = range(asked.get("reference") or 0)
        found += [_assumed(f"{name}/reference/{i}", name, "reference") for i in more]
    return of_run(run.folder, found)


def _assumed(id: str, source: str, role: Role) -> Problem:
    return Problem(id, id.ljust(QUESTION, "?"), "", id.ljust(SOLUTION, "."), source, role)
