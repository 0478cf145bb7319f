"""Other models behind OpenAI-compatible endpoints: asked once a run, counted, within a budget."""

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.core import Ask, Reply
from harness.store.files import write_json
from harness.store.reading import read_json
from harness.text.masking import masked, printable

PAUSE = 0.5  # seconds before a request that failed is sent again, twice as long each time
BYTES = 1 << 20  # of a reply, and
PER_TOKEN = 512  # for each token that is asked for
SHOWN = 160  # characters of what went wrong


class Said(BaseModel):
    """The message of a choice; some models write nothing but reasoning."""

    content: str | None = None


class Choice(BaseModel):
    """One of the replies."""

    message: Said


class Usage(BaseModel):
    """What a request took."""

    total_tokens: int


class Completion(BaseModel):
    """The reply to /chat/completions."""

    choices: list[Choice]
    usage: Usage


@dataclass(frozen=True)
class Endpoints:
    """Replies kept in a folder of the run; an endpoint that is out of reach is not tried again."""

    folder: Path
    down: dict[str, str] = field(default_factory=dict[str, str])

    def reply(self, want: Ask) -> Reply:
        """What was said, now or before; what failed is not kept and says why in `fault`."""
        path = self.folder / f"{_digest(want)}.json"
        if kept := read_json(path):
            return Reply(str(kept["text"]), int(kept["tokens"]))
        if want.url in self.down:
            return Reply("", 0, self.down[want.url])
        if (spent := self.spent()) >= want.budget:
            return Reply("", 0, f"the budget of {want.budget} tokens is spent ({spent})")
        found = self._asked(want)
        if not found.fault:
            write_json(path, {"text": found.text, "tokens": found.tokens, "model": want.model})
        return found

    def spent(self) -> int:
        """Tokens read and written by all replies of the run so far."""
        kept = self.folder.glob("*.json") if self.folder.is_dir() else ()
        return sum(int(read_json(path).get("tokens", 0)) for path in kept)

    def _asked(self, want: Ask) -> Reply:
        """One request, sent again while the endpoint is busy, for as long as its timeout."""
        import httpx2  # not needed by runs that ask nobody

        if not want.url.startswith(("http://", "https://")):
            return Reply("", 0, f"the url {_shown(want.url)!r} must begin with http:// or https://")
        if want.key and not os.environ.get(want.key):
            return Reply("", 0, f"the environment variable {want.key} is not set")
        secrets = [os.environ[want.key]] if want.key else []
        try:
            with asyncio.Runner() as runner:
                return runner.run(_sent(want))
        except TimeoutError:
            why = f"no reply within {want.timeout:g} s"
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            why = _shown(str(error) or type(error).__name__, secrets)
        self.down[want.url] = f"not tested: no endpoint at {_shown(want.url, secrets)} ({why})"
        return Reply("", 0, self.down[want.url])


async def _sent(want: Ask) -> Reply:
    """The reply; raises TimeoutError where there is none in time."""
    import httpx2

    from harness.engines.server.replies import PASSING, RefusedError, answer_of

    key = os.environ.get(want.key, "") if want.key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url, pause = f"{want.url.rstrip('/')}/chat/completions", PAUSE
    async with (
        asyncio.timeout(want.timeout),
        httpx2.AsyncClient(headers=headers, timeout=want.timeout) as http,
    ):
        while True:
            try:
                answer = await answer_of(
                    http, "POST", url, _body(want), BYTES + PER_TOKEN * want.most
                )
            except RefusedError as error:
                return Reply("", 0, _shown(str(error), [key]))
            if answer.status not in PASSING and answer.status < 500:
                return _read(answer.status, answer.content, [key])
            await asyncio.sleep(pause)
            pause *= 2


def _body(want: Ask) -> dict[str, Any]:
    message = {"role": "user", "content": want.message}
    sampling: Mapping[str, Any] = {"temperature": 0, "max_tokens": want.most}
    return {"model": want.model, "messages": [message], **sampling}


def _read(status: int, content: bytes, secrets: list[str]) -> Reply:
    """What a reply says, or that it says nothing that can be used."""
    shown = _shown(content[:BYTES].decode("utf-8", "replace"), secrets)
    if status != 200:
        return Reply("", 0, f"the endpoint answers {status} {shown}")
    try:
        found = Completion.model_validate_json(content)
    except ValidationError:
        return Reply("", 0, f"the endpoint answers {shown or 'nothing'}")
    if not found.choices or found.choices[0].message.content is None:
        return Reply("", 0, "the endpoint replies without a text")
    return Reply(found.choices[0].message.content, found.usage.total_tokens)


def _shown(text: str, secrets: list[str] | None = None) -> str:
    return masked(printable(text), secrets or [])[:SHOWN]


def _digest(want: Ask) -> str:
    """What a reply depends on; neither how long one waits nor what may be spent."""
    asked = {k: v for k, v in asdict(want).items() if k in ("url", "model", "message", "most")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]
