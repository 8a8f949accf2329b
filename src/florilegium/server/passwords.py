"""Passwords: hashed by Argon2id, and checked in a time that does not tell who has an account."""

from __future__ import annotations

import secrets
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from florilegium.errors import ConfigError
from florilegium.server.workers import Workers

SHORTEST: Final = 8
LONGEST: Final = 1024
"""Characters that a password may have."""

_RUNNING: Final = 2  # each takes 64 MiB
_WAITING: Final = 32
_SECONDS: Final = 30.0


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, in the form that names its parameters.

    Raises:
        ConfigError: It is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ConfigError(
            f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.",
            hint="Take a few words that do not belong together.",
        )
    return PasswordHasher().hash(_normal(password))


def is_password_of(hashed: str, password: str) -> bool:
    """Return whether a hash is that of a password. It takes some tens of milliseconds."""
    try:
        return PasswordHasher().verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


class PasswordChecks:
    """Checks passwords in threads of their own, at most two at a time: each takes 64 MiB."""

    def __init__(self) -> None:
        self._workers = Workers("log-ins", running=_RUNNING, waiting=_WAITING)
        self._nobody: str | None = None

    async def check(self, hashed: str | None, password: str) -> bool:
        """Return whether a password is right.

        Args:
            hashed: The hash of the account; None if there is none of this name, which takes as
                long and is always wrong.
            password: What was typed.

        Raises:
            TooBusyError: Too many wait for this already.
            TooSlowError: It took too long.
        """
        return await self._workers.run(lambda: self._check(hashed, password), seconds=_SECONDS)

    def close(self) -> None:
        """End the threads."""
        self._workers.close()

    def _check(self, hashed: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = hash_password(secrets.token_urlsafe())
        is_right = is_password_of(hashed or self._nobody, password[:LONGEST])
        return is_right and hashed is not None and len(password) <= LONGEST


def _normal(password: str) -> str:
    # The same letters are typed as one character here and as two there.
    return unicodedata.normalize("NFC", password)
