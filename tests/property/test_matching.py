"""The items that SQL finds for a filter are those that a plain reading of its definition admits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from florilegium.catalog import Catalog
from florilegium.entries import Entry
from florilegium.filters import Filter
from florilegium.types import Description, Item, Modality, Source

FOLDERS = ("", "roses", "roses/2024", "Dog Rose", "tulips")
STEMS = ("a", "b")
SUFFIXES = (".jpg", ".PNG", ".txt")
NAMES = ("label", "creator", "date")
VALUES = ("Roses", "dog rose", "Ana", "ÉTÉ")
DATES = ("2024", "2024-06", "2024-06-15", "2024-06-15T12:00:00", "2023-01-31", "1999")
DAYS = (date(1999, 12, 31), date(2024, 1, 1), date(2024, 6, 15), date(2024, 6, 30), date.max)
TIMES = tuple(
    int(datetime(*day, tzinfo=UTC).timestamp()) * 10**9 + extra
    for day, extra in (
        ((2024, 6, 15), 0),
        ((2024, 6, 15), -1),
        ((2024, 6, 16), -1),
        ((1999, 1, 1), 0),
    )
)

paths = st.builds(
    lambda folder, stem, suffix: f"{folder}/{stem}{suffix}".lstrip("/"),
    st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(SUFFIXES),
)  # fmt: skip
pairs = st.one_of(
    st.tuples(st.sampled_from(NAMES[:2]), st.sampled_from(VALUES)),
    st.tuples(st.just("date"), st.sampled_from(DATES)),
)
fields = st.lists(pairs, max_size=3).map(lambda some: tuple(sorted(set(some))))


def entry(path: str, time: int, said: tuple[tuple[tuple[str, str], ...], ...]) -> Entry:
    """Return a file whose items each have fields of their own."""
    source = Source(root=Path("x"), path=path, size=1, modified_ns=time, content_hash=path)
    modality = Modality.TEXT if path.endswith(".txt") else Modality.IMAGE
    items = tuple(
        Item(id=f"{path} {number}", source=source, modality=modality, ordinal=number, title="",
             text="", fields=own)
        for number, own in enumerate(said)
    )  # fmt: skip
    return Entry(source=source, items=items, labels={}, records={})


entries = st.dictionaries(
    paths, st.tuples(st.sampled_from(TIMES), st.lists(fields, min_size=1, max_size=2).map(tuple)),
    min_size=1, max_size=8,
)  # fmt: skip
descriptions = st.lists(
    st.tuples(st.one_of(paths, paths.map(lambda p: p.rpartition(".")[0])), fields), max_size=5
)
filters = st.builds(
    lambda since, until, **kinds: Filter(
        since=min(since, until) if since and until else since,
        until=max(since, until) if since and until else until,
        **kinds,
    ),
    since=st.sampled_from((None, *DAYS)),
    until=st.sampled_from((None, *DAYS)),
    folders=st.lists(
        st.sampled_from(("roses", "roses/2024", ".", "Dog Rose/")), max_size=2
    ).map(tuple),
    suffixes=st.lists(st.sampled_from(("jpg", ".png", "TXT")), max_size=2).map(tuple),
    labels=st.lists(st.sampled_from(("roses", "DOG ROSE", "2024", "été")), max_size=2).map(tuple),
    fields=st.lists(
        st.tuples(st.sampled_from(("Creator", "label")), st.sampled_from(("ana", "ROSES", "été"))),
        max_size=2,
    ).map(tuple),
)  # fmt: skip


def admits(wanted: Filter, item: Item) -> bool:
    """Return whether a filter admits an item, as its documentation says."""
    pure = PurePosixPath(item.source.path)
    said = {(name, value.casefold()) for name, value in item.fields}
    folder = pure.parent.name.casefold() if item.modality is Modality.IMAGE else ""
    labels = {value for name, value in said if name == "label"} | ({folder} - {""})
    parents = {str(parent) for parent in pure.parents}
    names = {name.lower() for name, _ in wanted.fields}
    return all((
        not wanted.folders or any(one.rstrip("/") in parents for one in wanted.folders),
        not wanted.suffixes
        or pure.suffix.lower().lstrip(".") in {one.lower().lstrip(".") for one in wanted.suffixes},
        not wanted.labels or any(label.casefold() in labels for label in wanted.labels),
        not (wanted.since or wanted.until) or in_days(wanted, item),
        all(
            any((name, value.casefold()) in said for n, value in wanted.fields if n.lower() == name)
            for name in names
        ),
    ))  # fmt: skip


def in_days(wanted: Filter, item: Item) -> bool:
    """Return whether any day of an item is one of those that are wanted."""
    since, until = wanted.since or date.min, wanted.until or date.max
    spans = [span(value) for name, value in item.fields if name == "date"]
    if not spans:
        changed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=item.source.modified_ns // 1000
        )
        spans = [(changed.date(), changed.date())]
    return any(first <= until and last >= since for first, last in spans)


def span(value: str) -> tuple[date, date]:
    """Return the first and the last day of a year, a month or a day."""
    if len(value) == 4:
        return date(int(value), 1, 1), date(int(value), 12, 31)
    if len(value) == 7:
        first = date.fromisoformat(f"{value}-01")
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return date.fromisoformat(value[:10]), date.fromisoformat(value[:10])


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty catalog."""
    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)
    yield catalog
    catalog.close()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    files=entries, told=descriptions, wanted=filters, modality=st.sampled_from((None, *Modality))
)
def test_sql_admits_what_the_definition_admits(
    catalog: Catalog,
    files: dict[str, tuple[int, tuple[tuple[tuple[str, str], ...], ...]]],
    told: list[tuple[str, tuple[tuple[str, str], ...]]],
    wanted: Filter,
    modality: Modality | None,
) -> None:
    table = Source(root=Path("x"), path="captions.csv", size=1, modified_ns=0, content_hash="t")
    catalog.commit([], removed=list(catalog.sources()))
    catalog.commit([
        *(entry(path, time, said) for path, (time, said) in files.items()),
        Entry(
            source=table, items=(), labels={}, records={},
            descriptions=tuple(Description(target=t, fields=f) for t, f in told),
        ),
    ])  # fmt: skip
    items = [item for kind in Modality for item, _ in catalog.all_items(kind)]

    found = catalog.matching(wanted, modality)

    assert found == {
        item.id for item in items if modality in {None, item.modality} and admits(wanted, item)
    }
