"""The pages /login and /logout: plain forms without any script, for names or for the server's key.

Knows what a right log-in is by asking; keeps nothing itself.
"""

from __future__ import annotations

import math
import re
import secrets
from typing import Final
from urllib.parse import parse_qs

from fastapi import FastAPI
from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from florilegium.errors import (
    ConfigError,
    InvalidRequestError,
    RequestTooLargeError,
    TooBusyError,
    TooSlowError,
)
from florilegium.server.account_book import Users
from florilegium.server.attempts import Attempts
from florilegium.server.authentication import Authentication
from florilegium.server.cookies import DEVICE, FORM, SESSION, cookie_header, read_cookie
from florilegium.server.log_in_words import WORDS, language_of
from florilegium.server.passwords import PasswordChecks
from florilegium.server.request_notes import note_request
from florilegium.server.sessions import DEVICE_SECONDS, FORM_SECONDS, Sessions
from florilegium.server.users import KEY_USER, User

_FORM_BYTES: Final = 16_384
_FIELDS: Final = 10
_NAME_SHOWN: Final = 64
_SECONDS_SHOWN: Final = 120  # a longer time is told in minutes
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_templates = Environment(
    loader=PackageLoader("florilegium.server"), autoescape=True, trim_blocks=True
)


class LogInPage:
    """The handlers of both pages.

    Args:
        authentication: Knows keys, and begins sessions.
        sessions: Signs the tokens of forms.
        users: The accounts; None where people log in with the server's key.
        attempts: Counts how often somebody tries.
        passwords: Checks passwords.
    """

    def __init__(
        self,
        authentication: Authentication,
        sessions: Sessions,
        *,
        users: Users | None,
        attempts: Attempts,
        passwords: PasswordChecks,
    ) -> None:
        self._authentication = authentication
        self._sessions = sessions
        self._users = users
        self._attempts = attempts
        self._passwords = passwords

    async def show(self, request: Request) -> Response:
        """Return the form, or go on if there is a session already."""
        wanted = local_path(request.query_params.get("next", ""), request)
        try:
            session = self._authentication.session(request.scope)
        except ConfigError:
            return self._form(request, wanted, problem="closed", status=500)
        if session is not None:
            return _go_to(wanted)
        return self._form(request, wanted)

    async def log_in(self, request: Request) -> Response:
        """Begin a session, or return the form again with what was wrong."""
        form = await read_form(request)
        wanted = local_path(form.get("next", ""), request)
        holder = read_cookie(request.scope, FORM) or ""
        if not holder or not self._sessions.is_form_token(form.get("token", ""), holder):
            return self._form(request, wanted, problem="old", status=403)
        name = form.get("name", "") if self._users is not None else None
        address = request.client.host if request.client else ""
        device = self._device(request, KEY_USER.name if name is None else name)
        if seconds := self._attempts.log_in(address, name, device=device):
            problem = "too_many" if seconds <= _SECONDS_SHOWN else "far_too_many"
            return self._form(request, wanted, problem=problem, status=429, seconds=seconds)
        try:
            user, password = await self._user(form)
            begin = self._authentication.begin_session
            cookie = None if user is None else begin(user, password=password)
        except (TooBusyError, TooSlowError):
            return self._form(request, wanted, problem="busy", status=429, seconds=5)
        except ConfigError:
            return self._form(request, wanted, problem="closed", status=500)
        if user is None or cookie is None:
            problem = "wrong_key" if self._users is None else "wrong_password"
            return self._form(request, wanted, problem=problem, status=401, name=name or "")
        self._attempts.logged_in(address, user.name, device=device)
        note_request(user=user.name)
        answer = _go_to(wanted)
        for which, value, lasts in (
            (SESSION, cookie, self._sessions.seconds),
            (DEVICE, self._sessions.device_cookie(user.name), DEVICE_SECONDS),
            (FORM, "", 0.0),
        ):
            header = cookie_header(request.scope, which, value, seconds=lasts)
            answer.headers.append("set-cookie", header)
        return answer

    async def ask(self, request: Request) -> Response:
        """Return a page that asks whether to log out."""
        token = log_out_token(self._sessions, request)
        if token is None:
            return _go_to(f"{_root(request)}/login")
        return _render(request, "logout.html", token=token, status=200)

    async def log_out(self, request: Request) -> Response:
        """End the session, if the form is one of this session; else ask first."""
        form = await read_form(request)
        cookie = read_cookie(request.scope, SESSION)
        if cookie is not None and not self._sessions.is_form_token(form.get("token", ""), cookie):
            return _go_to(f"{_root(request)}/logout")
        if cookie is not None and (session := self._sessions.read(cookie)):
            self._sessions.end(session)
        answer = _go_to(f"{_root(request)}/login")
        answer.headers.append("set-cookie", cookie_header(request.scope, SESSION, "", seconds=0))
        # Pictures that the browser kept are not for whoever sits there next.
        answer.headers["Clear-Site-Data"] = '"cache"'
        return answer

    async def _user(self, form: dict[str, str]) -> tuple[User | None, str | None]:
        """Return who may come in, and the hash of the password that they have."""
        if self._users is None:
            return self._authentication.user_of_server_key(form.get("key", "").strip()), None
        account = self._users.account(form.get("name", ""))
        hashed = None if account is None else account.password
        is_right = await self._passwords.check(hashed, form.get("password", ""))
        return (account.user, hashed) if account is not None and is_right else (None, None)

    def _device(self, request: Request, name: str) -> str | None:
        cookie = read_cookie(request.scope, DEVICE)
        return None if cookie is None else self._sessions.device(cookie, name)

    def _form(
        self,
        request: Request,
        wanted: str,
        *,
        problem: str | None = None,
        status: int = 200,
        seconds: int = 0,
        name: str = "",
    ) -> Response:
        holder = read_cookie(request.scope, FORM) or secrets.token_urlsafe(18)
        words = WORDS[language_of(request.headers.get("accept-language", ""))]
        times = {"seconds": seconds, "minutes": math.ceil(seconds / 60)}
        answer = _render(
            request,
            "login.html",
            status=status,
            token=self._sessions.form_token(holder),
            next=wanted,
            with_name=self._users is not None,
            name=name[:_NAME_SHOWN],
            problem=None if problem is None else words[problem].format(**times),
        )
        answer.headers.append(
            "set-cookie", cookie_header(request.scope, FORM, holder, seconds=FORM_SECONDS)
        )
        if seconds:
            answer.headers["Retry-After"] = str(seconds)
        return answer


def add_log_in(app: FastAPI, page: LogInPage) -> None:
    """Add both pages to an app."""
    app.router.add_route("/login", page.show, methods=["GET"], include_in_schema=False)
    app.router.add_route("/login", page.log_in, methods=["POST"], include_in_schema=False)
    app.router.add_route("/logout", page.ask, methods=["GET"], include_in_schema=False)
    app.router.add_route("/logout", page.log_out, methods=["POST"], include_in_schema=False)


def log_out_token(sessions: Sessions, request: Request) -> str | None:
    """Return the token that a form for logging out sends as `token`; None without a session."""
    cookie = read_cookie(request.scope, SESSION)
    return None if cookie is None or sessions.read(cookie) is None else sessions.form_token(cookie)


def local_path(text: str, request: Request) -> str:
    """Return a path of this server to go to after the log-in; that of the page for any other."""
    root = f"{_root(request)}/"
    # A second slash, or what browsers take for one, would lead to another server.
    return text if _LOCAL.fullmatch(text) and text.startswith(root) else root


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a plain form, the last of each name. Raises RequestError."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_BYTES:
            raise RequestTooLargeError(
                f"The form has more than {_FORM_BYTES} bytes.", hint="Send only its own fields."
            )
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_FIELDS)
    except ValueError as error:
        raise InvalidRequestError(
            f"The form has more than {_FIELDS} fields.", hint="Send only its own fields."
        ) from error
    return {name: values[-1] for name, values in fields.items()}


def _render(request: Request, template: str, *, status: int, **shown: object) -> HTMLResponse:
    language = language_of(request.headers.get("accept-language", ""))
    nonce = secrets.token_urlsafe(16)
    html = _templates.get_template(template).render(
        words=WORDS[language], language=language, nonce=nonce, root=_root(request), **shown
    )
    policy = (
        f"default-src 'none'; img-src 'self'; style-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Vary": "Accept-Language, Cookie",
    }
    return HTMLResponse(html, status_code=status, headers=headers)


def _go_to(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))
