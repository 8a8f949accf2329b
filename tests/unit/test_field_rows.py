"""What is said of a file reaches its items, whichever of the two comes or goes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from florilegium.catalog import Catalog
from florilegium.entries import Entry
from florilegium.filters import Filter
from florilegium.types import Description
from tests.unit.catalog_samples import CHUNKS, PICTURES, image_entry, source, text_entry

RED = (("caption", "red"),)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty catalog."""
    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)
    yield catalog
    catalog.close()


def table(*descriptions: Description, path: str = "captions.csv") -> Entry:
    """Return a file that describes others."""
    return Entry(source=source(path), items=(), labels={}, records={}, descriptions=descriptions)


def fields(catalog: Catalog, id_: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of one item."""
    return catalog.item(id_).fields


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("target", ["rose.jpg", "rose"])
def test_a_description_reaches_its_file_in_any_order(
    catalog: Catalog, target: str, first: bool
) -> None:
    both = [table(Description(target=target, fields=RED)), image_entry("rose.jpg", "rose")]
    for entry in both if first else reversed(both):
        catalog.commit([entry])

    assert fields(catalog, "rose.jpg 0") == RED
    assert catalog.missing_targets() == []


def test_a_description_that_goes_or_changes_takes_its_fields_with_it(catalog: Catalog) -> None:
    catalog.commit([image_entry("rose.jpg", ""), table(Description(target="rose.jpg", fields=RED))])
    white = (("caption", "white"),)
    catalog.commit([table(Description(target="rose", fields=white))])
    changed = fields(catalog, "rose.jpg 0")
    catalog.commit([], removed=["captions.csv"])

    assert changed == white
    assert fields(catalog, "rose.jpg 0") == ()


def test_a_file_that_is_taken_back_keeps_what_others_say_of_it(catalog: Catalog) -> None:
    catalog.commit([image_entry("rose.jpg", ""), table(Description(target="rose.jpg", fields=RED))])
    catalog.announce([("rose.jpg", PICTURES, "rose.jpg whole")])
    catalog.roll_back()
    catalog.settle()
    catalog.commit([image_entry("rose.jpg", "")])

    assert fields(catalog, "rose.jpg 0") == RED


def test_all_chunks_of_a_text_are_described_and_own_fields_stay_apart(catalog: Catalog) -> None:
    entry = text_entry("a.txt", "one", "two", records={CHUNKS: ()})
    own = replace(entry.items[0], fields=(("creator", "Ana"),))
    catalog.commit([
        replace(entry, items=(own, entry.items[1])), table(Description(target="a", fields=RED))
    ])  # fmt: skip

    assert fields(catalog, "a.txt 0") == (*RED, ("creator", "Ana"))
    assert fields(catalog, "a.txt 1") == RED


def test_names_are_compared_in_one_unicode_form(catalog: Catalog) -> None:
    catalog.commit([image_entry("cafe\u0301.jpg", "")])
    catalog.commit([table(Description(target="caf\u00e9.jpg", fields=RED))])

    assert fields(catalog, "cafe\u0301.jpg 0") == RED


def test_names_that_no_file_has_are_counted_with_an_example(catalog: Catalog) -> None:
    told = [Description(target=name, fields=()) for name in ("b.jpg", "a.jpg", "rose.jpg", "b.jpg")]
    catalog.commit([image_entry("rose.jpg", ""), table(*told)])

    assert catalog.missing_targets() == [("captions.csv", 2, "a.jpg")]


def test_a_new_time_counts_for_filters(catalog: Catalog) -> None:
    catalog.commit([image_entry("rose.jpg", "")])
    old = Filter(until=date(1970, 1, 1))
    before = catalog.matching(old)
    catalog.touch([replace(source("rose.jpg"), modified_ns=86_400 * 10**9)])

    assert before == {"rose.jpg 0"}
    assert catalog.matching(old) == set()
