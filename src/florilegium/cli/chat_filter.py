"""The filter of a conversation, written as the options of `search`, `ask` and `chat` are."""

from __future__ import annotations

import shlex
from typing import Final

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter, parse_filter

OPTIONS: Final = ("--folder", "--type", "--label", "--since", "--until", "--where")
EXAMPLE: Final = "--folder roses --since 2020-01-01"


def read_filter(text: str) -> Filter:
    """Return the filter that options say, as `describe_filter` writes it.

    Raises:
        InvalidQueryError: It has something else than options with their values, or `Filter`
            refuses a value.
    """
    given: dict[str, list[str]] = {name: [] for name in OPTIONS}
    words = iter(_split(text))
    for word in words:
        name, sign, value = word.partition("=")
        if name not in given:
            raise InvalidQueryError(
                f"The filter has {word!r}, which is none of {', '.join(OPTIONS)}.",
                hint=f"Write for example `{EXAMPLE}`, with quotes round a value with spaces.",
            )
        following = value if sign else next(words, None)
        if following is None:
            raise InvalidQueryError(
                f"The filter ends with {name}, without its value.",
                hint=f"Write for example `{EXAMPLE}`.",
            )
        given[name].append(following)
    return parse_filter(
        folders=given["--folder"],
        suffixes=given["--type"],
        labels=given["--label"],
        since=_last(given["--since"]),
        until=_last(given["--until"]),
        fields=given["--where"],
    )


def describe_filter(where: Filter) -> str:
    """Return the options that say a filter; empty if it admits everything."""
    words = [part for folder in where.folders for part in ("--folder", folder)]
    words += [part for suffix in where.suffixes for part in ("--type", suffix)]
    words += [part for label in where.labels for part in ("--label", label)]
    words += ["--since", where.since.isoformat()] if where.since else []
    words += ["--until", where.until.isoformat()] if where.until else []
    words += [part for name, value in where.fields for part in ("--where", f"{name}={value}")]
    return shlex.join(words)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidQueryError(
            f"The filter {text!r} cannot be read: {error}.", hint="Close the quotes."
        ) from error


def _last(values: list[str]) -> str | None:
    return values[-1] if values else None
