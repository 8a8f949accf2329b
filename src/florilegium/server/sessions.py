"""Sessions of browsers: a signed cookie that says who logged in and when. Knows no passwords.

A session ends by time, by logging out, and when the password or the account has changed. Another
cookie stays longer and lets nobody in: it says that a browser has logged in before.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from florilegium.durable import replace_file
from florilegium.errors import ConfigError
from florilegium.server.keys import same

KEY_FILE: Final = "session.key"
FORM_SECONDS: Final = 3600.0
DEVICE_SECONDS: Final = 365 * 86400.0

_KEY_BYTES: Final = 32
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_SIGNED: Final[dict[str, Any]] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who logged in, and the fingerprint of what they did it with."""

    id: str
    user: str
    fingerprint: str


class Sessions:
    """Signs and reads cookies.

    Args:
        key: What they are signed with.
        seconds: How long a session lasts.
    """

    def __init__(self, key: bytes, *, seconds: float) -> None:
        self._key = key
        self._seconds = seconds
        self._cookies = URLSafeTimedSerializer(key, salt="session", signer_kwargs=_SIGNED)
        self._forms = URLSafeTimedSerializer(key, salt="form", signer_kwargs=_SIGNED)
        self._devices = URLSafeTimedSerializer(key, salt="device", signer_kwargs=_SIGNED)
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}  # ids of sessions, and when they would have ended

    @property
    def seconds(self) -> float:
        """Return how long a session lasts."""
        return self._seconds

    def begin(self, user: str, secret: str) -> str:
        """Return the cookie of a new session.

        Args:
            user: Who logged in.
            secret: The hash of the password or key; with another one the session has ended.
        """
        found = [secrets.token_urlsafe(12), user, self._fingerprint(user, secret)]
        return str(self._cookies.dumps(found))

    def read(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None if it is not ours, too old, or has ended."""
        try:
            id_, user, fingerprint = self._cookies.loads(cookie, max_age=int(self._seconds))
        except (BadData, UnicodeError):
            return None
        if id_ in self._ended:
            return None
        return Session(id=id_, user=user, fingerprint=fingerprint)

    def fits(self, session: Session, secret: str) -> bool:
        """Return whether the secret is still the one that the session began with."""
        return same(session.fingerprint, self._fingerprint(session.user, secret))

    def end(self, session: Session) -> None:
        """End a session, so that its cookie is worth nothing, wherever a copy of it is."""
        now = time.time()
        with self._lock:
            ended = {id_: until for id_, until in self._ended.items() if until > now}
            self._ended = {**ended, session.id: now + self._seconds}

    def form_token(self, holder: str) -> str:
        """Return the token of a form, which counts only together with the cookie `holder`."""
        return str(self._forms.dumps(self._hashed(holder)))

    def is_form_token(self, token: str, holder: str) -> bool:
        """Return whether a token is one of the last hour for the cookie `holder`."""
        try:
            found = self._forms.loads(token, max_age=int(FORM_SECONDS))
        except (BadData, UnicodeError):
            return False
        return same(str(found), self._hashed(holder))

    def device_cookie(self, user: str) -> str:
        """Return the cookie of a browser in which a user has just logged in."""
        return str(self._devices.dumps([secrets.token_urlsafe(12), self._hashed(user)]))

    def device(self, cookie: str, user: str) -> str | None:
        """Return the id of a browser in which this user logged in within a year; None for others.

        It outlasts the session and the password, and proves nothing: attempts are counted by it.
        """
        try:
            id_, hashed = self._devices.loads(cookie, max_age=int(DEVICE_SECONDS))
        except (BadData, UnicodeError):
            return None
        return str(id_) if same(str(hashed), self._hashed(user)) else None

    def _fingerprint(self, user: str, secret: str) -> str:
        return self._hashed(f"{user}\n{secret}")[:32]

    def _hashed(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def session_key(folder: Path) -> bytes:
    """Return the key of a server's sessions, which is made when there is none.

    Raises:
        ConfigError: It cannot be read or written.
    """
    file = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        if not file.exists():
            replace_file(file, secrets.token_bytes(_KEY_BYTES), mode=_MODE)
        key = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The key of sessions {str(file)!r} cannot be read or made: {error.strerror}.",
            hint="Let server.folder be a folder that the server may write to.",
        ) from error
    if len(key) != _KEY_BYTES:
        raise ConfigError(
            f"The key of sessions {str(file)!r} is damaged: it has not {_KEY_BYTES} bytes.",
            hint="Remove it; a new one is made, and everybody logs in anew.",
        )
    return key
