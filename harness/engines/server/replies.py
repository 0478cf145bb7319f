"""What a server replies: read within bounds, and what it says of faults in one line."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx2
from pydantic import BaseModel, ValidationError

from harness.core import UserError
from harness.engines.server import Server

PASSING = {
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS,
}  # fmt: skip
SMALLEST = 1 << 20  # bytes of a reply that are taken in any case


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


class Answer(NamedTuple):
    """A reply, read to its end."""

    status: int
    content: bytes


class RefusedError(Exception):
    """A reply that another attempt may better."""


async def answer_of(
    http: httpx2.AsyncClient, method: str, url: str, body: dict[str, Any] | None, most: int
) -> Answer:
    """A reply of at most so many bytes, unpacked; raises RefusedError for a longer one."""
    content = bytearray()
    async with http.stream(method, url, json=body) as reply:
        async for piece in reply.aiter_bytes():
            content += piece
            if len(content) > most:
                raise RefusedError(f"it answers with more than {most:,} bytes")
        return Answer(reply.status_code, bytes(content))


def body_of(conf: Server, answer: Answer) -> bytes:
    """What a server says; raises RefusedError if that may pass, UserError if not."""
    if answer.status == HTTPStatus.OK:
        return answer.content
    message = f"{answer.status} {shown(conf, answer.content)}"
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in PASSING:
        raise RefusedError(f"it answers {message}")
    raise UserError(f"engine.url: {conf.place} answers {message}")


def shown(conf: Server, content: bytes) -> str:
    """A reply in one short line: the message of an error, or all of it."""
    text = content[:SMALLEST].decode("utf-8", "replace")
    with suppress(ValidationError):
        text = Fault.model_validate_json(text).error.message
    return f"{conf.shown(text) or 'nothing':.200}"
