"""`engine=server`: sampling from a server that speaks OpenAI's completions."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.core import UserError
from harness.engines.base import Interventions, Running
from harness.engines.completions import CompletionEngine, check_under
from harness.engines.stopping import Stops
from harness.models.model import Subject
from harness.text.masking import masked, printable


@dataclass(frozen=True)
class Server:
    """What conf/engine/server.yaml says; times in seconds.

    Several `url` are one queue: the work of one that fails the others do. `model` is the name it is
    served under, null where the server tells that it is model.path; `key` names the environment
    variable with the API key. Without `tokens` prompts and replies are text, tokenized at each end;
    without `seeds` the server draws its own noise. `extra` goes into every request as it stands.
    `checkpoints` are the URLs of servers of the model's checkpoints by name. A request ends after
    `timeout`, whatever comes meanwhile; one that fails is sent again until `patience` has passed
    since its first failure.
    """

    url: str | tuple[str, ...]
    model: str | None
    key: str | None
    slots: int
    tokens: bool
    seeds: bool
    timeout: float
    patience: float
    extra: Mapping[str, Any] = field(hash=False)
    checkpoints: Mapping[str, str | tuple[str, ...]] = field(hash=False)

    def __post_init__(self) -> None:
        urls = {f"checkpoints.{name}": url for name, url in self.checkpoints.items()}
        for key, url in {"url": self.url, **urls}.items():
            _check(key, _several(url))
        if self.slots < 1:
            raise UserError(f"engine.slots: must be at least 1, got {self.slots}")
        if self.timeout <= 0 or self.patience < 0:
            raise UserError("engine: timeout must be above 0 and patience at least 0")
        if self.key is not None and not os.environ.get(self.key):
            raise UserError(f"engine.key: the environment variable {self.key} is not set")

    @property
    def base(self) -> str:
        """The URL without a slash at its end; of several the first."""
        return _several(self.url)[0].rstrip("/")

    @property
    def each(self) -> "list[Server]":
        """The same of each URL alone."""
        return [replace(self, url=url) for url in _several(self.url)]

    @property
    def secrets(self) -> list[str]:
        """What no message may show."""
        return [] if self.key is None else [os.environ[self.key]]

    def shown(self, text: str) -> str:
        """A text in one line that a terminal only shows, without key and credentials."""
        return masked(printable(text), self.secrets)

    @property
    def place(self) -> str:
        """The URL as messages name it; of several the first."""
        return self.shown(_several(self.url)[0])

    @property
    def headers(self) -> dict[str, str]:
        """What authorizes a request."""
        return {} if self.key is None else {"Authorization": f"Bearer {os.environ[self.key]}"}

    def of(self, subject: Subject, checkpoint: str) -> "tuple[Server, Subject]":
        """The server of a checkpoint, and the checkpoint; raises UserError where there is none."""
        other = subject.checkpoint(checkpoint)
        if other is subject:
            return self, subject
        if checkpoint not in self.checkpoints:
            raise UserError(
                f"engine.checkpoints.{checkpoint}: missing; start a server of {other.conf.path} "
                f"and add '+engine.checkpoints.{checkpoint}=URL'"
            )
        return replace(self, url=self.checkpoints[checkpoint], model=None), other

    def check(self, subject: Subject) -> None:
        """Ask the server what it serves; raises UserError if that is not the subject."""
        from harness.engines.server.client import serving  # httpx2 is not needed by other engines

        for error in serving(self, subject, subject.conf.name)[1]:
            print(f"left out: {error}", file=sys.stderr)

    def able(self, subject: Subject, checkpoint: str, under: Interventions) -> None:
        """Raise UserError where no server serves the checkpoint, or it cannot do one of these."""
        from harness.engines.server.client import serving

        check_under("server", under)
        several, other = self.of(subject, checkpoint)
        serving(several, other, checkpoint or subject.conf.name)

    def check_replica(self, subject: Subject) -> None:
        """Raise UserError where the server draws its own noise."""
        if not self.seeds:
            raise UserError(
                "engine.seeds: false, so that the server's draws cannot be repeated and there is "
                "no replica to draw"
            )

    def start(self, subject: Subject, stops: Stops, checkpoint: str) -> Running:
        """The engine, once the server is known to serve the checkpoint."""
        from harness.engines.server.client import Client, serving

        several, other = self.of(subject, checkpoint)
        there, _ = serving(several, other, checkpoint or subject.conf.name)
        clients = [Client(conf, other, served) for conf, served in there]
        return CompletionEngine(clients, stops, self.slots)


def _several(url: str | tuple[str, ...]) -> tuple[str, ...]:
    return (url,) if isinstance(url, str) else url


def _check(key: str, urls: tuple[str, ...]) -> None:
    """Raise UserError unless each is a URL, and another than the others."""
    if not urls:
        raise UserError(f"engine.{key}: names no server")
    for url in urls:
        given = masked(url)
        if not url.startswith(("http://", "https://")):
            raise UserError(f"engine.{key}: must begin with http:// or https://, got {given!r}")
        if [other.rstrip("/") for other in urls].count(url.rstrip("/")) > 1:
            raise UserError(f"engine.{key}: names {given} twice")
