"""Addresses of servers without what may be secret in them, for whatever is shown or logged.

A key may stand in the query (`?api-key=...`) and a password before an @. Paths are shown, so a
key is not safe there. Knows no setting and no server.
"""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit

HIDDEN: Final = "***"

_SHORTEST_SECRET: Final = 8
_SCHEMES = re.compile(r"(?:[A-Za-z][\w+.-]*:)*//")
_WORD = re.compile(r"""[^\s"'<>]+""")
_NAMED_VALUE = re.compile(r"\?[^=]+=.")


def show_address(address: str) -> str:
    """Return an address with `***` for a user, for each value of its query, and for its fragment.

    The names of values stay. What is no right address loses more of itself, never less.
    """
    schemes = _SCHEMES.match(address)
    front = schemes[0] if schemes else ""
    rest, sharp, _ = address[len(front) :].partition("#")
    if "@" in rest:
        # A password that was not escaped may hold any sign.
        rest = f"{HIDDEN}@{rest.rpartition('@')[2]}"
    return f"{front}{_show_query(rest)}{sharp}{HIDDEN if sharp else ''}"


def hide_secrets(text: str) -> str:
    """Return a text in which all addresses stand as `show_address` shows them.

    Paths with a named value in their query count as addresses, as in `GET /v1/models?key=...`.
    """
    return _WORD.sub(_hide, text) if "://" in text or "?" in text else text


def secrets_of(address: str) -> tuple[str, ...]:
    """Return the values of the query of an address, raw and decoded, which a server may repeat.

    Those of less than 8 characters are no secrets, but part of other words.
    """
    try:
        query = urlsplit(address).query
    except ValueError:
        return ()
    raw = [part.partition("=")[2] or part for part in query.split("&")]
    decoded = [value for _, value in parse_qsl(query)] + [unquote_plus(part) for part in raw]
    return tuple(sorted({one for one in raw + decoded if len(one) >= _SHORTEST_SECRET}))


def hide_in_record(record: logging.LogRecord) -> bool:
    """Hide what is secret in the message of a record, which is logged: a filter for loggers."""
    message = record.getMessage()
    hidden = hide_secrets(message)
    if hidden != message:
        record.msg, record.args = hidden, ()
    return True


def _hide(word: re.Match[str]) -> str:
    text = word[0]
    if "://" in text:
        return show_address(text)
    return _show_query(text) if _NAMED_VALUE.search(text) else text


def _show_query(text: str) -> str:
    place, mark, query = text.partition("?")
    return f"{place}{mark}{'&'.join(_show_part(part) for part in query.split('&') if part)}"


def _show_part(part: str) -> str:
    name, _, value = part.partition("=")
    # The padding of a key in base64 is no sign between a name and a value.
    return f"{name}={HIDDEN}" if value.strip("=") else HIDDEN
