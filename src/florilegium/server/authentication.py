"""Who makes a request: by a key, by the cookie of a session, or because only this machine can.

Knows scopes of ASGI, and no route. Neither names nor keys come into errors.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from florilegium.config_sections import ServerConfig
from florilegium.errors import ConfigError, UnauthenticatedError
from florilegium.server.account_book import Users
from florilegium.server.attempts import Attempts
from florilegium.server.cookies import SESSION, read_cookie
from florilegium.server.keys import digest, same
from florilegium.server.sessions import Session, Sessions
from florilegium.server.users import KEY_USER, LOCAL_USER, User

logger = logging.getLogger(__name__)

CROSS_ORIGIN: Final = "florilegium.cross_origin"
"""Stands in the state of a request from a page of another origin, whose cookies do not count."""


SHORTEST_KEY: Final = 16
"""Characters that the server's key needs where other machines reach the server."""

# What proxies add to what they pass on, besides all that begins with x-forwarded-.
_FORWARDED: Final = frozenset(
    (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip",
     b"cf-connecting-ip", b"fastly-client-ip", b"fly-client-ip", b"x-original-forwarded-for",
     b"x-original-host")
)  # fmt: skip


class TooManyKeysError(Exception):
    """An address has sent too many wrong keys; the next is answered in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class Authentication:
    """Finds out who makes a request.

    Args:
        config: Whose `api_key` is the server's key.
        users: The accounts; None without any.
        sessions: The sessions of browsers; None where nobody logs in.
        attempts: Counts wrong keys.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        users: Users | None,
        sessions: Sessions | None,
        attempts: Attempts,
    ) -> None:
        self._key = None if config.api_key is None else digest(config.api_key.get_secret_value())
        self._users = users
        self._sessions = sessions
        self._attempts = attempts

    @property
    def is_open(self) -> bool:
        """Return whether there are neither a key nor accounts, so that all here are one user."""
        return self._key is None and self._users is None

    def user(self, scope: Scope) -> User:
        """Return who makes a request.

        Raises:
            UnauthenticatedError: Nobody that is known.
            TooManyKeysError: The key is wrong, and too many wrong ones came from this address.
            ConfigError: The file of accounts is damaged.
        """
        if self.is_open:
            # A client of an OpenAI-compatible server sends some key, whatever it is.
            if _is_local(scope):
                return LOCAL_USER
            raise UnauthenticatedError(
                "Without a key or accounts, only programs and pages of this machine are let in.",
                hint="Set server.api_key_env or server.users_file.",
            )
        if (key := bearer(scope)) is not None:
            return self._user_of_key(key, _address(scope, "client"))
        user = None if CROSS_ORIGIN in scope.get("state", {}) else self._user_of_session(scope)
        if user is None:
            raise UnauthenticatedError(
                "The request has no key.",
                hint="Send the header 'Authorization: Bearer KEY', or log in at /login.",
            )
        return user

    def user_of_server_key(self, key: str) -> User | None:
        """Return the user of the server's own key; None if this is another one."""
        # Without a server key some digest is compared all the same.
        is_right = same(digest(key), self._key or digest(b""))
        return KEY_USER if is_right and self._key is not None else None

    def session(self, scope: Scope) -> Session | None:
        """Return the session of a request; None if it has none that counts."""
        cookie = read_cookie(scope, SESSION)
        if cookie is None or self._sessions is None:
            return None
        session = self._sessions.read(cookie)
        secret = None if session is None else self._secret(session.user)
        if session is None or secret is None or not self._sessions.fits(session, secret):
            return None
        return session

    def begin_session(self, user: User, *, password: str | None = None) -> str:
        """Return the cookie of a new session of a user who has just proved who they are.

        Args:
            user: Who it is.
            password: The hash of the password that was found right; None for the server's key. If
                the account has another one by now, the session ends as it begins.
        """
        secret = password or self._secret(user.name)
        if self._sessions is None or secret is None:
            raise UnauthenticatedError("This account is gone.", hint="Ask for a new one.")
        return self._sessions.begin(user.name, secret)

    def _user_of_key(self, key: bytes, address: str) -> User:
        hashed = digest(key)
        # Both are compared, whichever fits.
        of_server = same(hashed, self._key or digest(b"")) and self._key is not None
        of_account = None if self._users is None else self._users.user_of_key(hashed)
        user = KEY_USER if of_server else of_account
        # Only wrong keys wait: whoever shares an address with many of them is let in all the same.
        if user is None:
            if seconds := self._attempts.before_key(address):
                raise TooManyKeysError(seconds)
            self._attempts.wrong_key(address)
            raise UnauthenticatedError(
                "The key of the request is not one of this server.",
                hint="Make one by `florilegium users key NAME LABEL`, or ask for one.",
            )
        return user

    def _user_of_session(self, scope: Scope) -> User | None:
        session = self.session(scope)
        if session is None:
            return None
        if session.user == KEY_USER.name:
            return KEY_USER
        account = None if self._users is None else self._users.account(session.user)
        return None if account is None else account.user

    def _secret(self, name: str) -> str | None:
        if name == KEY_USER.name:
            # With accounts, people log in with a name.
            return self._key if self._users is None else None
        account = None if self._users is None else self._users.account(name)
        return None if account is None else account.password


def current_user(request: Request) -> User:
    """Return who makes a request, as the guard of the app found out.

    Raises:
        UnauthenticatedError: The guard let the request pass without a user.
    """
    user = getattr(request.state, "user", None)
    if not isinstance(user, User):
        raise UnauthenticatedError("The request has no user.", hint="Log in at /login.")
    return user


def check_exposure(config: ServerConfig, users: Users | None) -> None:
    """Refuse to serve other machines without a key or accounts, and warn of a short key.

    Other machines reach a server that listens beyond this one, or has a name in `allowed_hosts`,
    as one behind a proxy has.

    Raises:
        ConfigError: The server would let in everybody who reaches it; its key is not set; or other
            machines reach it and its key is short.
    """
    if config.api_key_env and config.api_key is None:
        raise ConfigError(
            f"The setting 'server.api_key_env' names the environment variable "
            f"{config.api_key_env!r}, which is not set.",
            hint=f"Set {config.api_key_env} to a long random key, or take the setting out.",
        )
    reached = [name for name in (config.host, *config.allowed_hosts) if not is_loopback(name)]
    if users is None and config.api_key is None and reached:
        raise ConfigError(
            f"Other machines would reach the server at {reached[0]!r}, and it would let everybody "
            "in.",
            hint="Set server.api_key_env to the name of a variable that holds a key, or make "
            "accounts by `florilegium users add NAME --users FILE` and give --users FILE.",
        )
    _check_length(config)


def _check_length(config: ServerConfig) -> None:
    key = config.api_key
    if key is None or len(key.get_secret_value()) >= SHORTEST_KEY:
        return
    variable = config.api_key_env or "The server's key"
    told = f"{variable} has less than {SHORTEST_KEY} characters, so the server's key can be guessed"
    make = "openssl rand -hex 32"
    if all(is_loopback(name) for name in (config.host, *config.allowed_hosts)):
        logger.warning("%s; make one by `%s`", told, make)
        return
    raise ConfigError(
        f"{told}, and other machines reach the server.", hint=f"Make one by `{make}`."
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host by this name or address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def bearer(scope: Scope) -> bytes | None:
    """Return the key of the header Authorization; None if it has none."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, key = bytes(given[0]).partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else None


def _is_local(scope: Scope) -> bool:
    """Return whether a request was made on this machine, and by no page of another origin."""
    if CROSS_ORIGIN in scope.get("state", {}):
        return False
    # A proxy on this machine passes on what others send; this is how it tells.
    if any(name in _FORWARDED or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]):
        return False
    return is_loopback(_address(scope, "server")) and not _is_elsewhere(_address(scope, "client"))


def _is_elsewhere(address: str) -> bool:
    try:
        return not ip_address(address).is_loopback
    except ValueError:  # no address: a socket file, or a client in this process
        return False


def _address(scope: Scope, which: str) -> str:
    found = scope.get(which)
    return str(found[0]) if found else ""
