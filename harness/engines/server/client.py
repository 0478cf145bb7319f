"""Requests to the server: asked again while it fails, its replies checked before they are used."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx2
from pydantic import BaseModel, ValidationError

from harness.core import UserError
from harness.engines.base import Request
from harness.engines.completions import Completion
from harness.engines.server import Server
from harness.models.model import Subject

FIRST, LONGEST = 0.5, 10.0  # seconds between attempts
PASSING = {
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS,
}  # fmt: skip
LEAST = -100  # what servers take as the bias of a token that is never to be drawn
KEPT = "what is finished is kept, and the same command goes on"


class Card(BaseModel):
    """A model that a server offers; vLLM also tells where it came from and what it takes."""

    id: str
    root: str | None = None
    max_model_len: int | None = None


class Cards(BaseModel):
    """The reply to /models."""

    data: list[Card]


class Choice(BaseModel):
    """One continuation."""

    index: int
    text: str
    finish_reason: str | None
    token_ids: list[int] | None = None


class Reply(BaseModel):
    """The reply to /completions."""

    choices: list[Choice]


class Message(BaseModel):
    """What went wrong."""

    message: str


class Fault(BaseModel):
    """The reply that says so."""

    error: Message


class Served(NamedTuple):
    """The name of the subject on the server, and the most tokens it takes."""

    name: str
    context: int


class RefusedError(Exception):
    """A reply that another attempt may better."""


def found(conf: Server, subject: Subject, name: str) -> Served:
    """The subject of this name among what a server offers; raises UserError if it offers others."""
    cards = _offered(conf)
    names = {conf.model} if conf.model else {subject.path, subject.conf.path, name}
    for card in cards:
        if names & {card.id, card.root}:
            return Served(card.id, card.max_model_len or 2**31)
    offered = ", ".join(card.id for card in cards) or "nothing"
    if conf.model:
        raise UserError(f"engine.model: {conf.url} serves {offered}, not {conf.model}")
    same = "name it with engine.model=NAME" if name == subject.conf.name else f"serve it as {name}"
    raise UserError(
        f"engine.url: {conf.url} serves {offered}, not {subject.conf.path}; if it is the same, "
        f"{same}"
    )


def _offered(conf: Server) -> list[Card]:
    """What a server offers; raises UserError if nothing there can be asked for it."""
    try:
        reply = httpx2.get(f"{conf.base}/models", headers=conf.headers, timeout=10)
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"engine.url: no server at {conf.url} ({reason}); start it") from None
    try:
        return Cards.model_validate_json(_body(reply)).data
    except (RefusedError, ValidationError):
        said = f"{reply.status_code} {_shown(reply.text)}"
        raise UserError(f"engine.url: {conf.base}/models names no models ({said})") from None


class Client:
    """Completions of one model on one server; connections are kept."""

    def __init__(self, conf: Server, subject: Subject, served: Served) -> None:
        self.conf, self.subject, self.served = conf, subject, served
        self.vocab = int(subject.config.get_text_config().vocab_size)
        self.counts = Counter[str]()
        limits = httpx2.Limits(max_connections=None)
        timeout = httpx2.Timeout(conf.timeout, connect=10)
        self.http = httpx2.AsyncClient(headers=conf.headers, timeout=timeout, limits=limits)
        self.fixed: dict[str, Any] = {"model": served.name, **conf.extra}
        if conf.tokens:
            self.fixed |= {"return_token_ids": True, "stop_token_ids": sorted(subject.eos)}

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def complete(
        self, request: Request, prefix: tuple[int, ...], n: int, most: int, seed: int
    ) -> list[Completion]:
        """Continuations in the order of their noise; raises UserError where the server fails."""
        if len(prefix) + most > self.served.context:
            raise UserError(
                f"sampling.max_tokens: a prefix of {len(prefix)} tokens and {most} more exceed the "
                f"{self.served.context} that the server takes; lower it, or raise the server's"
            )
        prompt = list(prefix) if self.conf.tokens else self._text(prefix)
        how: dict[str, Any] = {"temperature": request.temperature, "top_p": request.top_p}
        if request.forbidden:
            how["logit_bias"] = {str(i): LEAST for i in request.forbidden}
        body = {**how, **self.fixed, "prompt": prompt, "n": n, "max_tokens": most}
        reply = await self._asked(body | ({"seed": seed} if self.conf.seeds else {}))
        if len(reply.choices) != n:
            raise UserError(
                f"engine.url: {self.conf.url} returns {len(reply.choices)} of {n} completions; if "
                "it knows no n, set sampling.chunk=1"
            )
        choices = sorted(reply.choices, key=lambda choice: choice.index)
        found = [self._completion(choice, most) for choice in choices]
        if self.conf.tokens:
            self._check_forbidden(found, request.forbidden)
        return found

    async def _asked(self, body: dict[str, Any]) -> Reply:
        """The reply, asked for again with growing pauses for as long as patience lasts."""
        wait, since = FIRST, None
        while True:
            try:
                return await self._attempt(body)
            except httpx2.TimeoutException:
                reason = f"no reply within {self.conf.timeout:g} s"
            except (RefusedError, httpx2.RequestError) as error:
                reason = str(error) or type(error).__name__
            since = since or time.monotonic()
            if time.monotonic() - since > self.conf.patience:
                raise UserError(f"engine.url: {self.conf.url} fails ({reason}); {KEPT}")
            self.counts["retries"] += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, LONGEST)

    async def _attempt(self, body: dict[str, Any]) -> Reply:
        self.counts["requests"] += 1
        answer = await self.http.post(f"{self.conf.base}/completions", json=body)
        try:
            return Reply.model_validate_json(_body(answer))
        except ValidationError:
            raise RefusedError(f"it answers {_shown(answer.text)}") from None

    def _completion(self, choice: Choice, most: int) -> Completion:
        """Token ids of a continuation; raises UserError for one that cannot be used."""
        ended = choice.finish_reason == "stop"
        ids = choice.token_ids if self.conf.tokens else self.subject.encode(choice.text)
        if ids is None:
            raise UserError(
                f"engine.tokens: {self.conf.url} returns no token ids; set it to false for text, "
                "which is tokenized again"
            )
        if not ended and (not ids or (self.conf.tokens and len(ids) < most)):
            raise UserError(
                f"engine.url: {self.conf.url} wrote {len(ids)} of {most} tokens and gives "
                f"{choice.finish_reason} as the reason; is its context shorter?"
            )
        unknown = next((token for token in ids if not 0 <= token < self.vocab), None)
        if unknown is not None:
            raise UserError(
                f"engine.url: {self.conf.url} wrote the token {unknown}, which "
                f"{self.subject.conf.path} lacks; it serves another model"
            )
        return Completion(tuple(ids), ended)

    def _check_forbidden(self, found: Sequence[Completion], forbidden: Sequence[int]) -> None:
        """Raise UserError where a token was written that never may be."""
        broken = {token for each in found for token in each.token_ids} & {*forbidden}
        if broken:
            raise UserError(
                f"engine.url: {self.conf.url} wrote the token {min(broken)}, which is forbidden: it "
                "ignores logit_bias"
            )

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.subject.tokenizer.decode(list(ids), skip_special_tokens=False))


def _body(answer: httpx2.Response) -> bytes:
    """What a server says; raises RefusedError if that may pass, UserError if not."""
    if answer.status_code == HTTPStatus.OK:
        return answer.content
    said = f"{answer.status_code} {_shown(answer.text)}"
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code in PASSING:
        raise RefusedError(f"it answers {said}")
    raise UserError(f"engine.url: {answer.url} answers {said}")


def _shown(text: str) -> str:
    """A reply in one short line: the message of an error, or all of it."""
    with suppress(ValidationError):
        text = Fault.model_validate_json(text).error.message
    plain = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return f"{plain or 'nothing':.200}"
