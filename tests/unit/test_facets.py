"""Filters are offered what a library has: what each value stands for is found by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from florilegium.catalog import Catalog
from florilegium.entries import Entry
from florilegium.errors import StoreError
from florilegium.facets import Facet, Facets, read_facets
from florilegium.filters import parse_filter
from tests.unit.catalog_samples import ROOT, image_entry, text_entry

DAY_NS = 86_400_000_000_000


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "c.db", root=ROOT)
    yield catalog
    catalog.close()


def with_fields(entry: Entry, *fields: tuple[str, str]) -> Entry:
    return replace(entry, items=tuple(replace(one, fields=fields) for one in entry.items))


def test_each_kind_offers_what_there_is(catalog: Catalog) -> None:
    catalog.commit([
        with_fields(
            image_entry("garden/Roses/a.JPG", "a"),
            ("creator", "Ana"), ("date", "2024-06-01T12:00:00"), ("label", "Hybrid tea"),
            ("title", "A rose"),
        ),
        with_fields(image_entry("garden/roses/b.png", "b"), ("creator", "ANA"), ("label", "roses")),
        text_entry("garden/notes/c.txt", "x", "y"),
        text_entry("README", "z"),
    ])  # fmt: skip

    facets = catalog.facets(most=9)

    assert facets == Facets(
        folders=Facet(values=("garden", "garden/notes", "garden/Roses", "garden/roses")),
        suffixes=Facet(values=(".jpg", ".png", ".txt")),
        labels=Facet(values=("Hybrid tea", "Roses")),
        fields=Facet(values=("creator=ANA",)),
        since=date(1970, 1, 1),
        until=date(2024, 6, 1),
    )
    for folder in facets.folders.values:
        assert catalog.matching(parse_filter(folders=[folder]))
    for suffix in facets.suffixes.values:
        assert catalog.matching(parse_filter(suffixes=[suffix]))
    for label in facets.labels.values:
        assert catalog.matching(parse_filter(labels=[label]))
    assert len(catalog.matching(parse_filter(fields=facets.fields.values))) == 2


def test_only_the_most_frequent_are_offered_and_that_is_said(catalog: Catalog) -> None:
    catalog.commit(
        [
            with_fields(text_entry("a/x.md", "1", "2", "3"), ("label", "often")),
            with_fields(text_entry("b/x.txt", "1", "2"), ("label", "seldom")),
            with_fields(text_entry("c/x.html", "1"), ("label", "long " * 20)),
        ]
    )

    facets = catalog.facets(most=2)

    assert facets.folders == Facet(values=("a", "b"), is_whole=False)
    assert facets.suffixes == Facet(values=(".md", ".txt"), is_whole=False)
    assert facets.labels == Facet(values=("often", "seldom"))
    assert catalog.facets(most=1).labels == Facet(values=("often",), is_whole=False)


@pytest.mark.parametrize(
    ("written", "since", "until"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-02-03", date(2024, 2, 3), date(2024, 2, 3)),
        ("2024-02-03T10:00:00", date(2024, 2, 3), date(2024, 2, 3)),
    ],
)
def test_a_year_or_a_month_is_all_of_its_days(
    catalog: Catalog, written: str, since: date, until: date
) -> None:
    catalog.commit([with_fields(text_entry("a.txt", "x"), ("date", written))])

    facets = catalog.facets(most=9)

    assert (facets.since, facets.until) == (since, until)


@pytest.mark.parametrize(
    ("modified_ns", "day"), [(-DAY_NS, date(1969, 12, 31)), (2**63 - 1, date(2262, 4, 11))]
)
def test_files_may_have_any_time(catalog: Catalog, modified_ns: int, day: date) -> None:
    entry = text_entry("a.txt", "x")
    source = replace(entry.source, modified_ns=modified_ns)
    items = tuple(replace(item, source=source) for item in entry.items)
    catalog.commit([replace(entry, source=source, items=items)])

    facets = catalog.facets(most=9)

    assert (facets.since, facets.until) == (day, day)


def test_an_empty_catalog_offers_nothing(catalog: Catalog) -> None:
    nothing = Facet()

    assert catalog.facets(most=9) == Facets(
        folders=nothing, suffixes=nothing, labels=nothing, fields=nothing
    )


def test_a_file_that_is_no_catalog_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "c.db"
    Catalog(file, root=ROOT).close()
    catalog = Catalog(file, root=ROOT)
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE places")
    connection.close()

    with pytest.raises(sqlite3.Error):
        read_facets(file, most=9)
    with pytest.raises(StoreError, match="no such table"):
        catalog.facets(most=9)
    catalog.close()
