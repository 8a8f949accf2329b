"""Errors as JSON: one shape for all, and what clients of OpenAI's API read besides."""

from __future__ import annotations

from typing import Final, cast

from florilegium.errors import FlorilegiumError
from florilegium.serialize import Json

INTERNAL: Final[Json] = {
    "code": "internal",
    "message": "The server failed in a way that was not foreseen.",
    "hint": "Its log has the traceback; report it as a defect.",
}
INTERNAL_ERROR: Final[Json] = {"error": INTERNAL}

_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_SERVER_ERRORS: Final = 500


def error_to_json(error: FlorilegiumError) -> Json:
    """Return the one shape that errors have."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def openai_status(status: int) -> int:
    """Return the status that clients of OpenAI's API know for that of an error."""
    return _BAD_REQUEST if status == _UNPROCESSABLE else status


def for_openai(body: Json, status: int, param: str | None = None) -> Json:
    """Return an error of the one shape with the type and the parameter that it is about.

    Args:
        body: What `error_to_json` gave, or `INTERNAL_ERROR`.
        status: The status of its answer.
        param: The parameter.
    """
    fallback = "server_error" if status >= _SERVER_ERRORS else "invalid_request_error"
    shape = cast("dict[str, object]", body["error"])
    # Clients show their users nothing but the message.
    message = " ".join(str(shape[part]) for part in ("message", "hint") if shape[part])
    kind = _TYPES.get(status, fallback)
    return {"error": {**shape, "message": message, "type": kind, "param": param}}
