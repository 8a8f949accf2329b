"""SQL that lists the items which a filter admits, for the catalog, which holds the connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, TypeAlias

from florilegium.fields import fold
from florilegium.filters import Filter, by_name, is_within, suffix_key
from florilegium.types import Modality

Statement: TypeAlias = tuple[str, tuple[str | int, ...]]

_SAYING: Final = (
    "p.number IN (SELECT number FROM item_fields f WHERE f.name = ?"
    " AND f.folded IN (SELECT value FROM json_each(?)))"
)
# Dates are ISO, so they sort as they follow each other. A year or a month alone comes before its
# days, so those that the first day lies in are named.
_ON_DAYS: Final = (
    "p.number IN (SELECT f.number FROM item_fields f WHERE f.name = 'date'"
    " AND (f.folded BETWEEN ? AND ? OR f.folded IN (?, ?)))"
    " OR (p.dated = 0 AND p.modified_ns BETWEEN ? AND ?)"
)
_AFTER_TIMES: Final = "~"  # sorts behind whatever follows a day
_LARGEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def matching_statement(
    wanted: Filter, modality: Modality | None, *, folders: Iterable[str]
) -> Statement:
    """Return SQL and values that give the ids of the items which `wanted` admits, as one JSON list.

    Args:
        wanted: The filter.
        modality: What the items must be made of, if that matters.
        folders: All folders that hold files, as `filters.place` gives them.
    """
    parts = [part for part in _parts(wanted, tuple(folders)) if part[0]]
    if modality is not None:
        parts.insert(0, ("p.modality = ?", (str(modality),)))
    where = " AND ".join(f"({sql})" for sql, _ in parts) or "1"
    sql = f"SELECT json_group_array(p.id) FROM places p WHERE {where}"  # noqa: S608 - of constants
    return sql, tuple(value for _, values in parts for value in values)


def _parts(wanted: Filter, folders: Sequence[str]) -> list[Statement]:
    return [
        _folders(wanted, folders),
        _suffixes(wanted),
        _labels(wanted, folders),
        _days(wanted),
        *(_says(name, values) for name, values in sorted(by_name(wanted.fields).items())),
    ]


def _folders(wanted: Filter, folders: Sequence[str]) -> Statement:
    if not wanted.folders:
        return "", ()
    inside = [one for one in folders if any(is_within(one, outer) for outer in wanted.folders)]
    return _listed("p.folder", inside)


def _suffixes(wanted: Filter) -> Statement:
    suffixes = [suffix_key(suffix) for suffix in wanted.suffixes]
    return _listed("p.suffix", suffixes) if suffixes else ("", ())


def _labels(wanted: Filter, folders: Sequence[str]) -> Statement:
    if not wanted.labels:
        return "", ()
    labels = {fold(label) for label in wanted.labels}
    called = [one for one in folders if fold(one.rpartition("/")[2]) in labels]
    in_folder, names = _listed("p.folder", called)
    said, values = _says("label", labels)
    return f"{said} OR (p.modality = 'image' AND {in_folder})", (*values, *names)


def _days(wanted: Filter) -> Statement:
    if wanted.since is None and wanted.until is None:
        return "", ()
    since, until = wanted.since or date.min, wanted.until or date.max
    first, last = since.isoformat(), until.isoformat()
    days = first, last + _AFTER_TIMES, first[:4], first[:7]
    return _ON_DAYS, (*days, _first_moment(since), _last_moment(until))


def _says(name: str, values: Iterable[str]) -> Statement:
    some = json.dumps(sorted(values), ensure_ascii=False)
    return _SAYING, (name, some)


def _listed(column: str, values: Sequence[str]) -> Statement:
    # One value that lists them all: statements may have few variables, and folders are many.
    some = json.dumps(values, ensure_ascii=False)
    return f"{column} IN (SELECT value FROM json_each(?))", (some,)  # noqa: S608 - a constant


def _first_moment(day: date) -> int:
    since = datetime.combine(day, time(), tzinfo=UTC) - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return max(-_LARGEST, min(_LARGEST, seconds * 1_000_000_000))


def _last_moment(day: date) -> int:
    return min(_LARGEST, _first_moment(day) + 86_400 * 1_000_000_000 - 1)
