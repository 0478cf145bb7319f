"""Runs on the Hugging Face hub: a dataset whose files are those of a run folder."""

import re
from pathlib import Path
from ssl import SSLError
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from harness.core import UserError
from harness.text.masking import printable

SCHEME = "hf://"
WAIT = 5.0  # seconds that the hub may take to say that it is there
READ = ("*.parquet", "*.json", "*.yaml")  # what frames are read from; nothing else is fetched
HIDDEN = (".*", "**/.*", "**/.*/**")  # leases and drafts
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_]|[.-](?![.-]))*(?<![.-])"
_REPO = re.compile(rf"{_PART}/{_PART}")


def endpoint() -> str:
    """The hub's address."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def reachable() -> bool:
    """Whether something answers at the hub's address within a few seconds, whatever it says."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=WAIT).close()
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, SSLError)
    except OSError:
        return False
    return True


def repository(name: str) -> str:
    """The name of a dataset; raises UserError for one that the hub would not take."""
    if not _REPO.fullmatch(name) or len(name) > 96 or name.endswith(".git"):
        raise UserError(f"{name}: is no name of a dataset on the hub; write OWNER/NAME")
    return name


def downloaded(address: str) -> Path:
    """The folder of hf://OWNER/NAME or hf://OWNER/NAME@REVISION, from the hub or its cache.

    Only tables and descriptions are fetched. Raises UserError where they cannot be had.
    """
    name, _, revision = address.removeprefix(SCHEME).removeprefix("datasets/").partition("@")
    repo = repository(name.rstrip("/"))
    from huggingface_hub import snapshot_download

    away = not reachable()
    try:
        found = snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision or None,
            allow_patterns=list(READ),
            local_files_only=away,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{address}: {_reason(error, away=away)}") from None
    return Path(found)


def may_push() -> bool:
    """Whether this machine has a token of the hub."""
    from huggingface_hub import get_token

    return get_token() is not None


def pushed(run: Path, repo: str, *, private: bool) -> str:
    """Upload a run folder to a dataset of the hub, made `private` where it is new; its address.

    Files that are there already are not sent again. Raises UserError with the hub's reason.
    """
    from httpx2 import HTTPError as Refused
    from huggingface_hub import HfApi

    if not reachable():
        raise UserError(
            f"{repo}: {_reason(None, away=True, writing=True)}; {run} is ready to be pushed"
        )
    api = HfApi()
    try:
        made = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=run,
            ignore_patterns=list(HIDDEN),
            commit_message=f"Run {run.resolve().name}",
        )
    except (OSError, ValueError, Refused) as error:
        raise UserError(
            f"{repo}: {_reason(error, writing=True)}; {run} is ready to be pushed"
        ) from None
    return str(made)


def _reason(error: Any, *, away: bool = False, writing: bool = False) -> str:
    """Why the hub did not do it, in a line."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if away:
        return f"{endpoint()} cannot be reached" + ("" if writing else ", nor is it in the cache")
    if writing and status in (401, 403, 404):
        return "the token may not write there; make one that may (hf auth login)"
    if status in (401, 403, 404):
        return "is not on the hub, or is private and the token may not read it"
    return f"the hub fails ({printable(str(error)):.200})"
