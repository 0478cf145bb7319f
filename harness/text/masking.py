"""What may be shown: no credentials, no characters that a terminal would obey."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/\s@]+@")  # user:password@ of a URL
_QUERY = re.compile(r"([?&][^=&\s]+=)[^&\s\"']+")
_SECRET = re.compile(
    r"api[-_]?key|authorization|bearer|secret|passw|credential|private|access[-_]?key|"
    r"(?:access|auth|session|refresh|id|hf)[-_]?token",
    re.IGNORECASE,
)


def printable(text: str) -> str:
    """One line, with a question mark for what a terminal would obey or could not show."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the credentials of URLs and without these secrets."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN) if secret else text
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))


def masked_values(value: Any, key: str = "") -> Any:
    """Nested values without credentials: those of URLs, and strings under names that say so."""
    if isinstance(value, Mapping):
        return {name: masked_values(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [masked_values(inner, key) for inner in value]
    if isinstance(value, str):
        return HIDDEN if value and _SECRET.search(key) else masked(value)
    return value
