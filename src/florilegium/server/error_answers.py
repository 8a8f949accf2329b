"""Errors as HTTP answers: one JSON shape for all of them, whoever raised them.

`{"error": {"code": ..., "message": ..., "hint": ...}}`, below /v1 with the type that clients of
OpenAI's API read. What this program did not foresee is told without its traceback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from florilegium.errors import (
    FlorilegiumError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    RequestTooLargeError,
    TooBusyError,
    UnauthenticatedError,
    UnsupportedBodyError,
)
from florilegium.serialize import Json
from florilegium.server.error_shapes import (
    INTERNAL_ERROR,
    error_to_json,
    for_openai,
    openai_status,
)
from florilegium.server.request_paths import is_openai
from florilegium.server.status_codes import status_code
from florilegium.server.unknown_names import meant_by

RETRY_AFTER = "1"
"""Seconds after which one who was turned away may try again."""

_SHOWN = 3
_TOP: Final = 2  # parts of the place of a field of the body
_FAILED: Final = 500
_METHOD_NOT_ALLOWED: Final = 405
_NO_OBJECT: Final = frozenset({"model_attributes_type", "dict_type"})
_UNREADABLE: Final = "There was an error parsing the body"  # what FastAPI says
_CLIENT_CLOSED_REQUEST = 499  # no standard has it, but logs of proxies do


def error_answer(error: FlorilegiumError, scope: Scope) -> Response:
    """Return an error as the answer, with its status, to a request."""
    status, body = status_code(error), error_to_json(error)
    if is_openai(scope):
        status = openai_status(status)
        body = for_openai(body, status)
    return _in_ascii(body, status, error_headers(error))


def error_headers(error: FlorilegiumError) -> dict[str, str]:
    """Return the headers of the answer that tells an error."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, TooBusyError):
        headers["Retry-After"] = RETRY_AFTER
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def internal_answer(scope: Scope) -> Response:
    """Return the answer to a request that failed by an error that nobody foresaw."""
    body = for_openai(INTERNAL_ERROR, _FAILED) if is_openai(scope) else INTERNAL_ERROR
    # What was sent may be half, so the connection is closed.
    headers = {"Cache-Control": "no-store", "Connection": "close"}
    return _in_ascii(body, _FAILED, headers)


def _in_ascii(body: Json, status: int, headers: Mapping[str, str]) -> Response:
    # Names of files, which errors repeat, need not be UTF-8.
    content = json.dumps(body, separators=(",", ":"))
    return Response(content, status, headers, media_type="application/json")


def add_error_answers(app: FastAPI) -> None:
    """Let every error of an app be answered in the one shape."""
    app.add_exception_handler(FlorilegiumError, _ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_routing)
    app.add_exception_handler(ClientDisconnect, _nobody)
    app.add_exception_handler(Exception, _unforeseen)


async def _ours(request: Request, error: Exception) -> Response:
    return error_answer(cast(FlorilegiumError, error), request.scope)


async def _of_validation(request: Request, error: Exception) -> Response:
    problems = cast(RequestValidationError, error).errors()
    if (
        problems[0]["type"] in _NO_OBJECT
        and problems[0]["loc"] == ("body",)
        and not _is_json(request)
    ):
        return error_answer(not_json(request), request.scope)
    return error_answer(
        InvalidRequestError(
            f"The request is not of the expected shape: {_describe(problems, request)}",
            hint="The document /openapi.json says what each address takes.",
        ),
        request.scope,
    )


async def _of_routing(request: Request, error: Exception) -> Response:
    raised = cast(HTTPException, error)
    answer = error_answer(_translate(request, raised), request.scope)
    # A method that is not allowed has a status of its own, and says which are.
    answer.status_code = raised.status_code
    answer.headers.update(raised.headers or {})
    if answer.status_code == _METHOD_NOT_ALLOWED:
        answer.headers["allow"] = _allowed(request, answer.headers.get("allow", ""))
    return answer


def _allowed(request: Request, told: str) -> str:
    """Return the methods of all routes at an address, of which the framework told the first's."""
    path = getattr(request.scope.get("route"), "path", None)
    described = request.app.openapi()["paths"].get(path, ())
    methods = {*filter(None, told.split(", ")), *(method.upper() for method in described)}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


async def _nobody(_: Request, __: Exception) -> Response:
    """Answer a client that has gone: no defect, and nothing for the log of errors."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _unforeseen(request: Request, _: Exception) -> Response:
    # The error goes on to who logs it.
    return internal_answer(request.scope)


def not_json(request: Request) -> UnsupportedBodyError:
    """Return the error of a body that does not say that it is JSON."""
    told = request.headers.get("content-type", "")
    return UnsupportedBodyError(
        f"The body is told to be {told[:100]!r}." if told else "It is not said what the body is.",
        hint="Send JSON, with the header Content-Type: application/json.",
    )


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _translate(request: Request, error: HTTPException) -> FlorilegiumError:
    if error.status_code == 404:
        path = request.url.path[:200]
        return NotFoundError(
            f"There is nothing at {path!r}.",
            hint="The document /openapi.json lists the addresses of the API.",
        )
    if error.status_code == 413:
        return RequestTooLargeError(
            "The body of the request has more bytes than the server takes.",
            hint="Send less, or raise server.max_body_megabytes.",
        )
    if error.status_code == 405:
        return RequestError(
            f"The method {request.method!r} is not for {request.url.path[:200]!r}.",
            hint="The document /openapi.json lists the methods of all addresses.",
        )
    if error.detail == _UNREADABLE:
        return RequestError(
            "The body of the request cannot be read.",
            hint="Send JSON in UTF-8, nested in no more than a hundred levels.",
        )
    return RequestError(str(error.detail), hint="Look at how the body of the request is made.")


def _fields(request: Request) -> Sequence[str]:
    """Return the names of the fields that the body of a route has."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return list(getattr(body and body.field_info.annotation, "model_fields", ()))


def _describe(problems: Sequence[dict[str, object]], request: Request) -> str:
    told = []
    for problem in problems[:_SHOWN]:
        place = cast("tuple[object, ...]", problem["loc"])
        where = ".".join(str(part) for part in place)[:200]
        said = problem["msg"]
        if problem["type"] == "extra_forbidden":
            known = _fields(request) if len(place) == _TOP else []
            meant = meant_by(str(place[-1])[:200], known)
            said = "there is no such field" + (f"; did you mean {meant!r}?" if meant else "")
        told.append(f"{where}: {said}")
    more = len(problems) - len(told)
    said = "; ".join(told) + (f"; and {more} more" if more > 0 else "")
    return said if said.endswith("?") else f"{said}."
