"""One opened page: who looks, at which library, in which language, and what they chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from starlette.requests import Request

from florilegium.errors import UnauthenticatedError
from florilegium.server.chats import Chats
from florilegium.server.page.texts import Language, Say, choose_language
from florilegium.server.page.writing import Writing
from florilegium.server.service import Service
from florilegium.server.users import User

LANGUAGE_COOKIE = "florilegium_language"
THEME_COOKIE = "florilegium_theme"
PLACE = "florilegium.page"
"""Where a request's scope holds what the page is made of."""

Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Door:
    """What the page is made of in one server.

    `log_out_token` gives what the form that posts to /logout sends; None where nobody logs in.
    `writings` are the answers that are being written, by their chats.
    """

    service: Service
    chats: Chats
    log_out_token: Callable[[Request], str | None]
    writings: dict[str, Writing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visit:
    """What all parts of one opened page share. `library` is the name of the one looked at."""

    door: Door
    user: User
    library: str
    say: Say
    theme: Theme
    log_out_token: str | None = None

    @property
    def service(self) -> Service:
        """Return what answers."""
        return self.door.service

    @property
    def chats(self) -> Chats:
        """Return where chats are kept."""
        return self.door.chats

    @property
    def language(self) -> Language:
        """Return the language of the page."""
        return self.say.language

    @property
    def identity(self) -> str:
        """Return what the chats about this library are kept under. Raises NotFoundError."""
        return self.service.served(self.library, self.user).identity

    def address(self, item: str, kind: Literal["thumbnail", "picture"]) -> str:
        """Return where the browser finds a picture of an item, relative to the page."""
        return f"api/libraries/{quote(self.library)}/items/{item}/{kind}"


def user_of(request: Request) -> User:
    """Return who makes a request. Raises UnauthenticatedError."""
    user = getattr(request.state, "user", None)
    if not isinstance(user, User):
        raise UnauthenticatedError("Nobody is logged in.", hint="Log in at /login.")
    return user


def language_of(request: Request) -> Language:
    """Return the language that a request wants."""
    return choose_language(
        request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")
    )


def theme_of(request: Request) -> Theme:
    """Return the appearance that was chosen, or that of the system."""
    chosen = request.cookies.get(THEME_COOKIE)
    if chosen == "light":
        return "light"
    return "dark" if chosen == "dark" else "auto"
