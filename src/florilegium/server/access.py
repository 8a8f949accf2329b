"""Puts the guards before the app: who may use it, from where, and by which name of the host."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request

from florilegium.config_sections import ServerConfig
from florilegium.server.account_book import Users
from florilegium.server.attempts import Attempts
from florilegium.server.authentication import Authentication, check_exposure
from florilegium.server.guard import Guard
from florilegium.server.hosts import HostCheck
from florilegium.server.log_in_page import LogInPage, add_log_in, log_out_token
from florilegium.server.origins import OriginCheck, Sharing, check_origins
from florilegium.server.passwords import PasswordChecks
from florilegium.server.places import server_folder
from florilegium.server.security_headers import SecurityHeaders
from florilegium.server.sessions import Sessions, session_key
from florilegium.server.unforeseen import UnforeseenErrors

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the rest of the server asks about who may use it."""

    authentication: Authentication
    sessions: Sessions | None
    passwords: PasswordChecks

    @property
    def has_log_in(self) -> bool:
        """Return whether people log in, and so may log out."""
        return self.sessions is not None

    def log_out_token(self, request: Request) -> str | None:
        """Return what the form that posts to /logout sends as `token`; None without a session."""
        return None if self.sessions is None else log_out_token(self.sessions, request)

    def close(self) -> None:
        """End the threads that check passwords."""
        self.passwords.close()


def open_users(config: ServerConfig) -> Users | None:
    """Return the accounts that are configured; None if none are. Raises ConfigError."""
    return Users(Path(config.users_file).expanduser()) if config.users_file else None


def warn_of_libraries(users: Users | None, served: Collection[str]) -> None:
    """Log which libraries accounts are to see that are not served; a name may be mistyped.

    Args:
        users: The accounts, if there are any.
        served: Names of the libraries that are served.

    Raises:
        ConfigError: The file of accounts is damaged.
    """
    absent: dict[str, list[str]] = {}
    accounts = {} if users is None else users.accounts()
    for name, account in sorted(accounts.items()):
        for library in account.user.libraries or ():
            if library not in served:
                absent.setdefault(library, []).append(name)
    for library, names in sorted(absent.items()):
        logger.warning(
            "no library %r is served, which these accounts are to see: %s",
            library,
            ", ".join(names),
        )


def add_access(app: FastAPI, *, config: ServerConfig, users: Users | None) -> Access:
    """Guard an app. Only middleware that is added later stands outside of the guards.

    The user of a request stands in its state as `user`. The guards are, from without: headers,
    the name of the host, the sharing with other origins, the origin, the user.

    Args:
        app: What is guarded.
        config: The key, and which hosts and origins are let in.
        users: The accounts.

    Raises:
        ConfigError: Everybody who reaches the server would be let in; the key that is configured
            is not set; an origin is none; or the key of sessions cannot be made.
    """
    check_exposure(config, users)
    check_origins(config.cors_origins)
    is_open = config.api_key is None and users is None
    sessions = None
    if not is_open:
        key = session_key(server_folder(config))
        sessions = Sessions(key, seconds=config.session_hours * 3600)
    attempts, passwords = Attempts(), PasswordChecks()
    authentication = Authentication(config, users=users, sessions=sessions, attempts=attempts)
    if sessions is not None:
        page = LogInPage(
            authentication, sessions, users=users, attempts=attempts, passwords=passwords
        )
        add_log_in(app, page)
    app.add_middleware(Guard, authentication=authentication)
    app.add_middleware(OriginCheck, allowed=config.cors_origins)
    app.add_middleware(Sharing, allowed=config.cors_origins)
    app.add_middleware(HostCheck, config=config)
    app.add_middleware(UnforeseenErrors)
    app.add_middleware(SecurityHeaders)
    return Access(authentication=authentication, sessions=sessions, passwords=passwords)
