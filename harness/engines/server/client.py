"""Requests to the server: asked again while it fails, its replies checked before they are used."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2
from pydantic import ValidationError

from harness.core import UserError
from harness.engines.base import Request
from harness.engines.completions import Completion, FailedError
from harness.engines.server import Server
from harness.engines.server.replies import (
    SMALLEST,
    Answer,
    Card,
    Cards,
    Choice,
    RefusedError,
    Reply,
    answer_of,
    body_of,
    shown,
)  # fmt: skip
from harness.models.model import Subject

FIRST, LONGEST = 0.5, 10.0  # seconds between attempts
OFFER = 10.0  # seconds for the list of what a server offers
PER_TOKEN = 512  # bytes of a reply for each token that is asked for
ALIKE, LONG = 4, 64  # from so many continuations of so many tokens up, all the same are no chance
LEAST = -100  # what servers take as the bias of a token that is never to be drawn


class Served(NamedTuple):
    """The name of the subject on the server, and the most tokens it takes."""

    name: str
    context: int


def found(conf: Server, subject: Subject, name: str) -> Served:
    """The subject of this name among what a server offers; raises UserError if it offers others."""
    cards = _offered(conf)
    names = {conf.model} if conf.model else {subject.path, subject.conf.path, name}
    for card in cards:
        if names & {card.id, card.root}:
            return Served(card.id, card.max_model_len or 2**31)
    offered = conf.shown(", ".join(card.id for card in cards))[:200] or "nothing"
    if conf.model:
        raise UserError(f"engine.model: {conf.place} serves {offered}, not {conf.model}")
    same = "name it with engine.model=NAME" if name == subject.conf.name else f"serve it as {name}"
    raise UserError(
        f"engine.url: {conf.place} serves {offered}, not {subject.conf.path}; if it is the same, "
        f"{same}"
    )


def serving(
    several: Server, subject: Subject, name: str
) -> tuple[list[tuple[Server, Served]], list[FailedError]]:
    """The servers that answer, and why others do not.

    Raises UserError if none does, or if one serves another model.
    """
    there, gone = list[tuple[Server, Served]](), list[FailedError]()
    for conf in several.each:
        try:
            there.append((conf, found(conf, subject, name)))
        except FailedError as error:
            gone.append(error)
    if not there:
        raise gone[0]
    return there, gone


def _offered(conf: Server) -> list[Card]:
    """What a server offers; raises UserError if nothing there can be asked for it."""

    async def asked() -> Answer:
        async with httpx2.AsyncClient(headers=conf.headers) as http, asyncio.timeout(OFFER):
            return await answer_of(http, "GET", f"{conf.base}/models", None, SMALLEST)

    try:
        with asyncio.Runner() as runner:
            answer = runner.run(asked())
    except (httpx2.RequestError, httpx2.InvalidURL, RefusedError, TimeoutError) as error:
        reason = conf.shown(str(error)) or type(error).__name__
        raise FailedError(f"engine.url: no server at {conf.place} ({reason}); start it") from None
    try:
        return Cards.model_validate_json(body_of(conf, answer)).data
    except (RefusedError, ValidationError):
        message = f"{answer.status} {shown(conf, answer.content)}"
        where = conf.shown(f"{conf.base}/models")
        raise UserError(f"engine.url: {where} names no models ({message})") from None


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
            raise self._wrong(
                f"returns {len(reply.choices)} of {n} completions; if it knows no n, set "
                "sampling.chunk=1"
            )
        choices = sorted(reply.choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(n)):
            numbers = ", ".join(str(choice.index) for choice in choices)
            raise self._wrong(f"numbers {n} completions {numbers:.80}, not from 0")
        made = [self._completion(choice, most) for choice in choices]
        self._differing(made, request.temperature)
        if self.conf.tokens:
            self._check_forbidden(made, request.forbidden)
        return made

    def _wrong(self, message: str) -> UserError:
        """What cannot be used of a reply, in one line."""
        return UserError(f"engine.url: {self.conf.place} {self.conf.shown(message)}")

    def _differing(self, made: Sequence[Completion], temperature: float) -> None:
        """Raise UserError where all draws are one: they would count as a sure answer."""
        same = temperature > 0 and len(made) >= ALIKE and len({c.token_ids for c in made}) == 1
        if same and len(made[0].token_ids) >= LONG:
            raise self._wrong(
                f"gives the same {len(made[0].token_ids)} tokens {len(made)} times; if its draws "
                "share their noise, set engine.seeds=false or sampling.chunk=1"
            )

    async def _asked(self, body: dict[str, Any]) -> Reply:
        """The reply, asked for again with growing pauses for as long as patience lasts."""
        wait, since = FIRST, None
        while True:
            try:
                async with asyncio.timeout(self.conf.timeout):
                    return await self._attempt(body)
            except (httpx2.TimeoutException, TimeoutError):
                reason = f"no reply within {self.conf.timeout:g} s"
            except (RefusedError, httpx2.RequestError) as error:
                reason = str(error) or type(error).__name__
            since = since or time.monotonic()
            if time.monotonic() - since > self.conf.patience:
                raise FailedError(f"{self._wrong(f'fails ({reason})')}")
            self.counts["retries"] += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, LONGEST)

    async def _attempt(self, body: dict[str, Any]) -> Reply:
        self.counts["requests"] += 1
        most = SMALLEST + PER_TOKEN * int(body["n"]) * int(body["max_tokens"])
        answer = await answer_of(self.http, "POST", f"{self.conf.base}/completions", body, most)
        try:
            return Reply.model_validate_json(body_of(self.conf, answer))
        except ValidationError:
            raise RefusedError(f"it answers {shown(self.conf, answer.content)}") from None

    def _completion(self, choice: Choice, most: int) -> Completion:
        """Token ids of a continuation; raises UserError for one that cannot be used."""
        ended = choice.finish_reason == "stop"
        ids = choice.token_ids if self.conf.tokens else self.subject.encode(choice.text)
        if ids is None:
            raise UserError(
                f"engine.tokens: {self.conf.place} returns no token ids; set it to false for text, "
                "which is tokenized again"
            )
        reason = choice.finish_reason
        if reason not in ("stop", "length"):
            raise self._wrong(f"gives {reason or 'null'} as the finish_reason, not stop or length")
        if not ended and (not ids or (self.conf.tokens and len(ids) < most)):
            raise self._wrong(
                f"wrote {len(ids)} of {most} tokens and gives {reason} as the reason; is its "
                "context shorter?"
            )
        if self.conf.tokens and len(ids) > most + ended:
            raise self._wrong(f"wrote {len(ids)} tokens where {most} were asked for")
        unknown = next((token for token in ids if not 0 <= token < self.vocab), None)
        if unknown is not None:
            raise self._wrong(
                f"wrote the token {unknown}, which {self.subject.conf.path} lacks; it serves "
                "another model"
            )
        if any(secret in f"{choice.text}\n{self._text(ids)}" for secret in self.conf.secrets):
            raise self._wrong("writes the key into what it says; give it another key")
        return Completion(tuple(ids), ended)

    def _check_forbidden(self, found: Sequence[Completion], forbidden: Sequence[int]) -> None:
        """Raise UserError where a token was written that never may be."""
        broken = {token for each in found for token in each.token_ids} & {*forbidden}
        if broken:
            raise self._wrong(f"wrote the forbidden token {min(broken)}; it ignores logit_bias")

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.subject.tokenizer.decode(list(ids), skip_special_tokens=False))
