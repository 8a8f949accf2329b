"""Errors as clients of OpenAI's API read them: ours, with a type and the parameter.

Every error of a route below /v1 passes here, also those of bodies that FastAPI refuses. What does
not reach a route, as an unknown address or a wrong key, has the server's one shape alone, whose
message these clients show too.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from florilegium.errors import FlorilegiumError, InvalidRequestError, RequestTooLargeError
from florilegium.serialize import Json
from florilegium.server import error_answers
from florilegium.server.body_limit import TOO_MANY
from florilegium.server.openai.replies import json_reply
from florilegium.server.status_codes import status_code

_BAD_REQUEST: Final = 400
_TOO_LARGE: Final = 413
_UNPROCESSABLE: Final = 422
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_SERVER_ERRORS: Final = 500
_LONGEST: Final = 500
_LONGEST_NAME: Final = 200
_HEADERS: Final = ("Cache-Control", "Retry-After", "WWW-Authenticate")


class ParameterError(Exception):
    """An error of ours that is about one parameter of the body."""

    def __init__(self, error: FlorilegiumError, param: str) -> None:
        super().__init__(error.message)
        self.error = error
        self.param = param


@contextmanager
def about(param: str) -> Iterator[None]:
    """Let errors of ours in the block name a parameter. Raises ParameterError."""
    try:
        yield
    except FlorilegiumError as error:
        raise ParameterError(error, param) from error


class OpenAiRoute(APIRoute):
    """A route whose errors have the form that clients of OpenAI's API read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of FastAPI with errors turned into replies."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return error_reply(*read_refusal(error.errors()))
            except HTTPException as error:
                return error_reply(_unreadable(error))
            except ParameterError as error:
                return error_reply(error.error, error.param)
            except FlorilegiumError as error:
                return error_reply(error)

        return handled


def error_reply(error: FlorilegiumError, param: str | None = None) -> Response:
    """Return the reply to a request that failed; `param` is the parameter that it is about."""
    status = status_code(error)
    if status == _UNPROCESSABLE:
        status = _BAD_REQUEST  # which is what clients of OpenAI's API know
    headers = error_answers.error_answer(error).headers
    kept = {name: headers[name] for name in _HEADERS if name in headers}
    body = _extended(error_answers.error_to_json(error), status, param)
    return json_reply(body, status=status, headers=kept)


def error_to_json(error: FlorilegiumError) -> Json:
    """Return an error in the one shape of the server, with what these clients read besides."""
    return _extended(error_answers.error_to_json(error), status_code(error), None)


def internal_error_to_json() -> Json:
    """Return what is told of an error that was not foreseen."""
    return _extended(error_answers.INTERNAL_ERROR, _SERVER_ERRORS, None)


def _unreadable(error: HTTPException) -> FlorilegiumError:
    """Return what FastAPI says of a body that it could not read."""
    if error.status_code == _TOO_LARGE:
        return RequestTooLargeError(
            "The body of the request has more bytes than the server takes.",
            hint="Send smaller pictures, or raise server.max_body_megabytes.",
        )
    if error.detail.startswith(TOO_MANY):
        return InvalidRequestError(error.detail, hint="Send it in several requests.")
    return InvalidRequestError("The body is no JSON.", hint="Send a JSON object, in UTF-8.")


def _extended(body: Json, status: int, param: str | None) -> Json:
    fallback = "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    shape = cast("dict[str, object]", body["error"])
    # Clients show their users nothing but the message.
    message = " ".join(str(shape[part]) for part in ("message", "hint") if shape[part])
    kind = _TYPES.get(status, fallback)
    return {"error": {**shape, "message": message, "type": kind, "param": param}}


def read_refusal(found: Sequence[Any]) -> tuple[InvalidRequestError, str | None]:
    """Return the first of the errors that pydantic found, and the parameter that it is about."""
    # Of a union, such as a text or parts, one error comes for each member; what was sent as a
    # list was meant as one.
    chosen = next((one for one in found if "str" not in one["loc"]), found[0])
    param = _parameter(chosen["loc"])
    if chosen["type"] == "refused":
        message, hint = str(chosen["ctx"]["message"]), chosen["ctx"]["hint"]
    elif chosen["type"] == "extra_forbidden":
        message, hint = "This server knows no such parameter.", "Leave it out."
    elif chosen["type"] == "json_invalid":
        message, hint = "The body is no JSON.", "Send a JSON object."
    else:
        message, hint = f"{chosen['msg']}.", None
    where = f"{param!r}: " if param else ""
    return InvalidRequestError(f"{where}{message}"[:_LONGEST], hint=hint), param


def _parameter(location: Sequence[int | str]) -> str | None:
    """Return where in the body, as in `messages[0].content`; None for the body as a whole."""
    name = ""
    if len(location) > 1 and isinstance(location[1], int):  # a place in text that is no JSON
        return None
    for part in location[1:]:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part != "str":
            name += f".{part}" if name else part
    return name[:_LONGEST_NAME] or None
