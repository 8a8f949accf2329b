"""How the server's log is written: for people, or as one JSON object per line. Sets levels.

Used by `florilegium serve` alone: a program that serves libraries itself has a log of its own.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from florilegium import tracing
from florilegium.config_sections import ServerConfig
from florilegium.redaction import hide_secrets
from florilegium.server.request_notes import current_request

UVICORN: Final[Mapping[str, Any]] = {"log_config": None, "access_log": False}
"""Arguments for uvicorn, with which it logs through what is set up here, and no addresses."""

_LEVELS: Final = {
    "": logging.WARNING,
    "florilegium": logging.INFO,
    "uvicorn": logging.INFO,
    "uvicorn.error": logging.INFO,  # which another server of the process may have set
    # It warns of addresses that are not there, which may hold the id of an opened page.
    "nicegui": logging.ERROR,
}
_MARK: Final = "    | "  # before further lines of a record, so that none can be taken for another


class TextFormatter(logging.Formatter):
    """One line for people: time, level, logger, request, message, and fields as `name=value`.

    Args:
        request: The id of the request, where there is none at hand.
        job: The id of the run of ingest that all lines are about.
    """

    def __init__(self, *, request: str = "", job: str = "") -> None:
        super().__init__()
        self._request = request
        self._job = job

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text; its message is one line, whatever is in it."""
        request = _request_id() or self._request
        head = [_time(record), record.levelname, record.name]
        head += [f"[{request}]"] if request else []
        told = [f"{name}={_bare(value)}" for name, value in _fields(record, self._job).items()]
        lines = [" ".join([*head, escape(hide_secrets(record.getMessage())), *told])]
        lines += [_MARK + escape(line) for line in _trace(record).splitlines()]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with `request` and `trace` where there are such.

    Args:
        request: The id of the request, where there is none at hand.
        job: The id of the run of ingest that all lines are about.
    """

    def __init__(self, *, request: str = "", job: str = "") -> None:
        super().__init__()
        self._request = request
        self._job = job

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        told: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
        }
        if request := _request_id() or self._request:
            told["request"] = request
        if trace := tracing.trace_id():
            told["trace"] = trace
        told |= _fields(record, self._job)
        if error := _trace(record):
            told["error"] = error
        # In ASCII, a line stays one for readers who take U+2028 for the end of one.
        return json.dumps(told, default=str)


def set_up_logging(
    config: ServerConfig, *, stream: TextIO | None = None, request: str = "", job: str = ""
) -> None:
    """Write what this process logs to stderr, in the format that `server.log_format` says.

    Args:
        config: The settings of the server.
        stream: Where to write instead.
        request: The id of the request that this process is for, if it is for one.
        job: The id of the run of ingest that this process is.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    formatter = JsonFormatter if config.log_format == "json" else TextFormatter
    handler.setFormatter(formatter(request=request, job=job))
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.handlers = [] if name else [handler]
        logger.propagate = True
    logging.getLogger("uvicorn.error").addFilter(_tells_no_address)
    logging.captureWarnings(capture=True)


def _tells_no_address(record: logging.LogRecord) -> bool:
    # Uvicorn tells the address of each WebSocket, which holds the id of an opened page.
    return "WebSocket" not in str(record.msg)


def escape(text: str) -> str:
    """Return text in which line ends, colours of terminals and the like are escaped."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _request_id() -> str:
    request = current_request()
    return request.id if request else ""


def _fields(record: logging.LogRecord, job: str) -> Mapping[str, object]:
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return {"job": job, **fields} if job else fields


def _bare(value: object) -> str:
    text = escape(str(value))
    return json.dumps(text, ensure_ascii=False) if set(text) & set(' "=') else text


def _trace(record: logging.LogRecord) -> str:
    if record.exc_info:
        return hide_secrets(logging.Formatter().formatException(record.exc_info))
    return hide_secrets(record.exc_text or "")
