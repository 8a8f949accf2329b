"""Errors of the routes below /v1: ours, with a type and the parameter that they are about.

Every error of such a route passes here, also those of bodies that FastAPI refuses. What does not
reach a route, as an unknown address or a wrong key, gets the same shape without a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from florilegium.errors import FlorilegiumError, InvalidRequestError, RequestTooLargeError
from florilegium.serialize import Json
from florilegium.server import error_shapes
from florilegium.server.body_limit import TOO_MANY
from florilegium.server.error_answers import error_headers
from florilegium.server.error_shapes import for_openai, openai_status
from florilegium.server.openai.replies import json_reply
from florilegium.server.status_codes import status_code

_TOO_LARGE: Final = 413
_LONGEST: Final = 500
_LONGEST_NAME: Final = 200


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
    status = openai_status(status_code(error))
    body = for_openai(error_shapes.error_to_json(error), status, param)
    return json_reply(body, status=status, headers=error_headers(error))


def error_to_json(error: FlorilegiumError) -> Json:
    """Return an error in the one shape of the server, with what these clients read besides."""
    return for_openai(error_shapes.error_to_json(error), status_code(error))


def internal_error_to_json() -> Json:
    """Return what is told of an error that was not foreseen."""
    return for_openai(error_shapes.INTERNAL_ERROR, 500)


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
