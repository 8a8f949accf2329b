"""Keys that programs send: made here, kept as hashes, and compared in a time that tells nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

_PREFIX: Final = "fl_"  # by which scanners for leaked secrets know it
_BYTES: Final = 32


def new_key() -> str:
    """Return a random key of 32 bytes."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def digest(key: str | bytes) -> str:
    """Return the SHA-256 of a key in hexadecimal.

    A key is random and long, so unlike a password it needs no slow hash.
    """
    data = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
    return hashlib.sha256(data).hexdigest()


def same(one: str, other: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
