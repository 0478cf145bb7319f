"""Seeds and other numbers that follow from names alone."""

import hashlib


def derive(*parts: object) -> int:
    """A seed derived from names and numbers, 63 bits, the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
