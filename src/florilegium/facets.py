"""What filters can choose from in a library: its folders, kinds of files, labels, fields and days.

Reads the file of a catalog with a connection of its own, so that nobody waits for it.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from florilegium.fields import CARD_FIELDS, MACHINE_CAPTION, fold
from florilegium.sqlite_file import open_sqlite

_LONGEST: Final = 80  # characters of a value that somebody would choose from a list
# A title or a caption is one item's own; labels and days are facets of their own.
_OWN: Final = (*(name for name in CARD_FIELDS if name != "keywords"), MACHINE_CAPTION, "date")

_BY_FOLDER: Final = (
    "SELECT folder, count(*), sum(modality = 'image') FROM places NOT INDEXED GROUP BY folder"
)
_BY_SUFFIX: Final = "SELECT suffix, count(*) FROM places NOT INDEXED GROUP BY suffix"
_LABELS: Final = (
    "SELECT min(value), count(*) FROM item_fields WHERE name = 'label' AND length(value) <= ?"
    " GROUP BY folded ORDER BY count(*) DESC, folded LIMIT ?"
)
_FIELDS: Final = (
    "SELECT name || '=' || min(value), count(*) FROM item_fields"  # noqa: S608 - a constant
    f" WHERE name NOT IN ({', '.join('?' * len(_OWN))})"
    " AND instr(name, '=') = 0 AND length(name) + length(value) <= ?"
    " GROUP BY name, folded ORDER BY count(*) DESC, name, folded LIMIT ?"
)
_DAYS: Final = (
    "SELECT (SELECT min(folded) FROM item_fields WHERE name = 'date'),"
    " (SELECT max(folded) FROM item_fields WHERE name = 'date'),"
    " (SELECT min(modified_ns) FROM places WHERE dated = 0),"
    " (SELECT max(modified_ns) FROM places WHERE dated = 0)"
)

_Rows: TypeAlias = Callable[..., list[Any]]  # rows of SQLite


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """Values that a filter of one kind can take, in their order.

    `is_whole` says whether they are all there are, and not only the most frequent ones. Values too
    long for a list count as none.
    """

    values: tuple[str, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What a `Filter` can choose from; each value admits an item at least.

    `folders` holds those above others too; `fields` are `NAME=VALUE`; `since` and `until` are the
    first and the last day of any item, None where there is none.
    """

    folders: Facet
    suffixes: Facet
    labels: Facet
    fields: Facet
    since: date | None = None
    until: date | None = None


def read_facets(file: Path, *, most: int) -> Facets:
    """Return what the catalog in `file` offers, at most `most` values of each kind.

    It looks at every item, which takes some 3 s for a million of them. Raises sqlite3.Error.
    """
    connection = open_sqlite(file).connection

    def rows(sql: str, *values: object) -> list[Any]:
        return connection.execute(sql, values).fetchall()

    try:
        return _read(rows, most)
    finally:
        connection.close()


def _read(rows: _Rows, most: int) -> Facets:
    folders: Counter[str] = Counter()
    called: dict[str, tuple[str, int]] = {}
    for folder, items, pictures in rows(_BY_FOLDER):
        for one in _with_outer(folder):
            folders[one] += items
        name = folder.rpartition("/")[2]
        if name and pictures:  # a picture has the label of its folder
            _count(called, name, pictures)
    for label, items in rows(_LABELS, _LONGEST, most + 1):
        _count(called, label, items)
    since, until = _days(*rows(_DAYS)[0])
    return Facets(
        folders=_facet(folders.items(), most),
        suffixes=_facet(((suffix, n) for suffix, n in rows(_BY_SUFFIX) if suffix), most),
        labels=_facet(called.values(), most),
        fields=_facet(rows(_FIELDS, *_OWN, _LONGEST, most + 1), most),
        since=since,
        until=until,
    )


def _with_outer(folder: str) -> list[str]:
    path = PurePosixPath(folder)
    return [str(one) for one in (path, *path.parents) if str(one) not in {".", "/"}]


def _count(called: dict[str, tuple[str, int]], name: str, items: int) -> None:
    kept, count = called.get(fold(name), (name, 0))
    called[fold(name)] = kept, count + items


def _facet(counted: Iterable[tuple[str, int]], most: int) -> Facet:
    values = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    chosen = sorted((value for value, _ in values[:most]), key=lambda value: (fold(value), value))
    return Facet(values=tuple(chosen), is_whole=len(values) <= most)


def _days(
    first: str | None, last: str | None, oldest_ns: int | None, newest_ns: int | None
) -> tuple[date | None, date | None]:
    firsts = [_first_day(first), _day_of(oldest_ns)]
    lasts = [_last_day(last), _day_of(newest_ns)]
    return (
        min((day for day in firsts if day is not None), default=None),
        max((day for day in lasts if day is not None), default=None),
    )


def _day_of(modified_ns: int | None) -> date | None:
    if modified_ns is None:
        return None
    try:
        return datetime.fromtimestamp(modified_ns // 1_000_000_000, UTC).date()
    except (ValueError, OverflowError, OSError):  # files may have any time
        return None


def _first_day(written: str | None) -> date | None:
    # As `fields.iso_date` writes them: a year, a month, a day, or a moment.
    if written is None:
        return None
    try:
        return date.fromisoformat(f"{written[:10]}-01-01"[:10])
    except ValueError:
        return None


def _last_day(written: str | None) -> date | None:
    day = _first_day(written)
    if written is None or day is None or len(written) >= len("2024-06-01"):
        return day
    month = 12 if len(written) == len("2024") else day.month
    return date(day.year, month, calendar.monthrange(day.year, month)[1])
