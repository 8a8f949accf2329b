"""Which items a search may find: by folder, kind of file, label, date, and any field.

Pure data and the parsing of what users write. The catalog says which items a filter admits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from florilegium.errors import InvalidQueryError
from florilegium.fields import fold, iso_date, standard_name

_DRIVE = re.compile(r"[A-Za-z]:|[/\\]|~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What an item must be for a search to find it.

    Several values of one kind are alternatives, different kinds must all hold, and a kind without
    a value admits everything. Fields of different names are different kinds.

    `folders` are paths within the library folder with `/`, and include their subfolders.
    `suffixes` are the last endings of file names, in any case, with or without their dot.
    `labels` compare without regard to case with each `label` of the item and, for a picture, with
    the name of the folder that it lies in. `since` and `until` are the first and the last day
    admitted: an item's day is that of its fields `date` as it is written there, any of them if
    there are several, and one of a year or a month is all days of it; an item without one has the
    day in UTC on which its file was last changed. `fields` are pairs of a name and a value; both
    compare without regard to case.

    Raises:
        InvalidQueryError: A value is empty, a folder is not within the library, or `since` comes
            after `until`.
    """

    folders: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for folder in self.folders:
            _check_folder(folder)
        for suffix in self.suffixes:
            if not suffix.strip(" .") or re.search(r"[/\\]", suffix):
                raise InvalidQueryError(
                    f"A filter by suffix has the value {suffix!r}.", hint="Give one such as .jpg."
                )
        if not all(label.strip() for label in self.labels):
            raise InvalidQueryError("A filter by label is empty.", hint="Give the name of a label.")
        for name, value in self.fields:
            if not name.strip() or not value.strip():
                raise InvalidQueryError(
                    f"A filter by field has the name {name!r} and the value {value!r}.",
                    hint="Give both, such as creator=Ana.",
                )
        if self.since and self.until and self.since > self.until:
            raise InvalidQueryError(
                f"The first day, {self.since}, comes after the last, {self.until}.",
                hint="Exchange since and until.",
            )

    @property
    def is_empty(self) -> bool:
        """Return whether everything is admitted."""
        return self == Filter()


def parse_filter(
    *,
    folders: Iterable[str] = (),
    suffixes: Iterable[str] = (),
    labels: Iterable[str] = (),
    since: str | None = None,
    until: str | None = None,
    fields: Iterable[str] = (),
) -> Filter:
    """Return a filter from strings, as they come from a command line.

    Args:
        folders: Paths within the library folder.
        suffixes: Endings of file names.
        labels: Names of labels.
        since: The first day, as YYYY-MM-DD.
        until: The last day.
        fields: Each `NAME=VALUE`.

    Raises:
        InvalidQueryError: A string is not of its form, or `Filter` refuses its value.
    """
    return Filter(
        folders=tuple(folders),
        suffixes=tuple(suffixes),
        labels=tuple(labels),
        since=None if since is None else parse_day(since, name="since"),
        until=None if until is None else parse_day(until, name="until"),
        fields=tuple(parse_field(text) for text in fields),
    )


def parse_day(text: str, *, name: str) -> date:
    """Return a date, ISO or `2024年6月1日`; `name` says in errors what it is for.

    Raises:
        InvalidQueryError: It is no day.
    """
    try:
        return date.fromisoformat(iso_date(text.strip()) or text.strip())
    except ValueError as error:
        raise InvalidQueryError(
            f"The date {text!r} of {name!r} is no day.", hint="Give one such as 2024-06-01."
        ) from error


def parse_field(text: str) -> tuple[str, str]:
    """Return the name and the value of `NAME=VALUE`. Raises InvalidQueryError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise InvalidQueryError(
            f"The filter {text!r} is not NAME=VALUE.", hint="Give one such as creator=Ana."
        )
    return name.strip(), value.strip()


def place(path: str) -> tuple[str, str]:
    """Return the folder of a file, empty for the library's own, and its suffix, as compared."""
    pure = PurePosixPath(unicodedata.normalize("NFC", path))
    folder = str(pure.parent)
    return "" if folder == "." else folder, pure.suffix.lower()


def suffix_key(suffix: str) -> str:
    """Return a suffix as `place` gives it."""
    return "." + suffix.strip().lstrip(".").lower()


def is_within(folder: str, wanted: str) -> bool:
    """Return whether a folder, as `place` gives it, is the wanted one or lies in it."""
    outer = str(PurePosixPath(unicodedata.normalize("NFC", wanted.replace("\\", "/"))))
    return outer == "." or folder == outer or folder.startswith(f"{outer}/")


def by_name(fields: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the values that are admitted for each field, folded, by its standard name."""
    wanted: dict[str, set[str]] = {}
    for name, value in fields:
        wanted.setdefault(standard_name(name), set()).add(fold(value))
    return wanted


def _check_folder(folder: str) -> None:
    parts = PurePosixPath(folder.replace("\\", "/")).parts
    if not folder.strip() or _DRIVE.match(folder) or ".." in parts:
        raise InvalidQueryError(
            f"The folder {folder!r} of a filter is not within the library.",
            hint="Give its path from the library's folder on, such as roses/2024.",
        )
