"""What questions and searches may hold at most, whichever door they come through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from florilegium.errors import InvalidQueryError
from florilegium.filters import Filter

MOST_VALUES: Final = 100
"""Values of each kind that a filter may have; of fields, for each name."""

MOST_FIELDS: Final = 20
"""Names of fields that a filter may have."""

MOST_CHARACTERS: Final = 500
"""Characters of a value, or of the name of a field."""


def check_length(text: str, *, most: int) -> None:
    """Raise InvalidQueryError if a question or search has more than `most` characters."""
    if len(text) > most:
        raise InvalidQueryError(
            f"A question or search has {len(text)} characters, but at most {most} are taken.",
            hint="Say it more shortly.",
        )


def check_whole(text: str) -> None:
    """Raise InvalidQueryError if a text holds half of a character, which no encoding can write.

    JSON can: as one of the two escapes of a character beyond U+FFFF, where a client cut a text
    between them.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidQueryError(
            f"A text holds half of a character, {text[error.start]!r}, at {error.start}.",
            hint="Cut texts between characters, not between the two halves that UTF-16 has of one.",
        ) from error


def check_filter(where: Filter | None) -> None:
    """Raise InvalidQueryError if a filter has too many values, or one that is too long."""
    if where is None:
        return
    kinds = {"folders": where.folders, "suffixes": where.suffixes, "labels": where.labels}
    for kind, values in kinds.items():
        _check_values(f"filter by {kind}", values, most=MOST_VALUES)
    fields: dict[str, list[str]] = {}
    for name, value in where.fields:
        fields.setdefault(name, []).append(value)
    _check_values("filter by fields", list(fields), most=MOST_FIELDS)
    for name, given in fields.items():
        _check_values(f"filter by the field {name!r}", given, most=MOST_VALUES)


def _check_values(what: str, values: Sequence[str], *, most: int) -> None:
    if len(values) > most:
        raise InvalidQueryError(
            f"The {what} has {len(values)} values, but at most {most} are taken.",
            hint="Choose fewer, or a folder or field that they share.",
        )
    for value in values:
        if len(value) > MOST_CHARACTERS:
            raise InvalidQueryError(
                f"The {what} has a value of {len(value)} characters, but at most "
                f"{MOST_CHARACTERS} are taken.",
                hint="Give the value as it stands in the library.",
            )
        check_whole(value)
