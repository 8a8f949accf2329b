"""What a server says when it refuses, whatever it serves: its words, and how long to wait.

Pure functions of bodies and headers; what a refusal means, each backend knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from florilegium.redaction import hide_secrets

_LONGEST_WORDS = 300
_UNSUPPORTED_CODES = frozenset({"unsupported_parameter", "unsupported_value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server said when it refused: its words, and the field that it does not know."""

    words: str
    unsupported: str = ""


def read_refusal(body: str, *, secrets: Sequence[str], optional: str = "") -> Refusal:
    """Return what the body of a refusal says, in at most some hundred characters.

    Args:
        body: What the server sent.
        secrets: Are cut out: servers repeat a key that they do not know, and addresses with one.
        optional: A field of the request that is not known if the body of JSON names it at all.
    """
    try:
        said: object = json.loads(body)
    except (ValueError, RecursionError):
        is_page = body.lstrip().startswith("<")
        return Refusal(words="an HTML page" if is_page else brief_words(body, secrets))
    error = said.get("error", said) if isinstance(said, Mapping) else said
    if not isinstance(error, Mapping):
        return Refusal(words=brief_words(str(error), secrets))
    words = error.get("message") or error.get("detail") or json.dumps(error)
    kind = " ".join(str(error[key]) for key in ("type", "code") if isinstance(error.get(key), str))
    field = str(error.get("param") or "") if error.get("code") in _UNSUPPORTED_CODES else ""
    if optional and optional in body:
        field = optional
    named = f"{words} ({kind})" if kind else str(words)
    return Refusal(words=brief_words(named, secrets), unsupported=field)


def read_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait; None if it does not say."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def brief_words(text: str, secrets: Sequence[str]) -> str:
    """Return a text of a server in one line, bounded, and without keys."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    words = " ".join(hide_secrets(text).split())
    if not words:
        return "it did not say why"
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"
