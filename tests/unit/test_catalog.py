"""The catalog on real files: what is known, how it changes, and how it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from florilegium.catalog import Catalog
from florilegium.entries import Card, Entry
from florilegium.errors import ItemNotFoundError, StoreError
from florilegium.report import FailedFile
from florilegium.types import Item, Link, Modality, Reference, Span
from tests.unit.catalog_samples import (
    CARDS,
    CHUNKS,
    PICTURES,
    ROOT,
    SENTENCES,
    found,
    image_entry,
    source,
    text_entry,
)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty catalog."""
    catalog = Catalog(tmp_path / "catalog.db", root=ROOT)
    yield catalog
    catalog.close()


# -- reading what was committed --


def test_a_new_catalog_knows_nothing(catalog: Catalog) -> None:
    assert catalog.sources() == {}
    assert catalog.record_ids() == {}
    assert catalog.pending_ids() == {}
    assert catalog.roll_back() == {}
    assert catalog.failures() == ()
    assert [catalog.count(modality) for modality in Modality] == [0, 0]
    assert catalog.fact("anything") is None
    assert found(catalog, "rose") == []


def test_an_item_comes_back_as_it_was(catalog: Catalog) -> None:
    item = Item(
        id="i",
        source=source("玫瑰/a'b.md", size=2**40),
        modality=Modality.TEXT,
        ordinal=3,
        title='A "title"',
        text="第一行\nsecond line\0end",
        span=Span(start=0, end=12),
        references=(Reference(target="1.jpg", words="红"), Reference(target="2.jpg")),
    )
    catalog.commit([Entry(source=item.source, items=(item,), labels={}, records={})])

    assert catalog.item("i") == item


def test_a_picture_comes_back_with_its_size(catalog: Catalog) -> None:
    entry = image_entry("rose.jpg", "rose")
    catalog.commit([entry])

    assert catalog.item("rose.jpg 0") == entry.items[0]


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    entry = text_entry("a.txt", "Roses.", records={CHUNKS: ("r",)})
    catalog = Catalog(tmp_path / "c.db", root=ROOT)
    catalog.commit([entry])
    catalog.set_fact("links", "found")
    catalog.announce([("a.txt", CHUNKS, "s")])
    catalog.close()

    again = Catalog(tmp_path / "c.db", root=ROOT)

    assert again.item("a.txt 0") == entry.items[0]
    assert again.fact("links") == "found"
    assert again.record_ids() == {CHUNKS: ["r"]}
    assert again.pending_ids() == {CHUNKS: {"s"}}
    assert found(again, "rose") == ["a.txt 0"]
    again.close()


def test_a_library_that_was_moved_knows_its_new_place(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c.db", root=Path("old"))
    catalog.commit([text_entry("a.txt", "Roses.")])
    catalog.close()

    moved = Catalog(tmp_path / "c.db", root=Path("new"))

    assert moved.item("a.txt 0").source.file == Path("new/a.txt")
    moved.close()


def test_items_are_found_by_id_and_unknown_ids_left_out(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "x", "y")])

    assert set(catalog.items(["a.txt 1", "gone", "a.txt 0"])) == {"a.txt 0", "a.txt 1"}
    assert catalog.items([]) == {}


def test_an_unknown_item_is_an_error_that_says_what_to_do(catalog: Catalog) -> None:
    with pytest.raises(ItemNotFoundError, match="no item 'gone'") as caught:
        catalog.item("gone")

    assert "search again" in (caught.value.hint or "")


def test_more_ids_than_one_statement_takes_are_found(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", *(str(i) for i in range(1201)))])

    assert len(catalog.items([f"a.txt {i}" for i in range(1201)])) == 1201


def test_items_of_files_are_in_order_of_path_and_number(catalog: Catalog) -> None:
    chunks = [str(i) for i in range(11)]
    catalog.commit(
        [text_entry("b.txt", "x"), text_entry("a.txt", *chunks), text_entry("c.txt", "")]
    )

    items = catalog.items_of(["b.txt", "a.txt", "gone.txt"])

    assert [item.id for item in items] == [f"a.txt {i}" for i in range(11)] + ["b.txt 0"]


def test_all_items_of_a_modality_come_with_the_words_of_their_labels(catalog: Catalog) -> None:
    catalog.commit([
        image_entry("b.jpg", "b", labels="daisy flower"),
        image_entry("a.jpg", "a"),
        text_entry("c.txt", "c"),
    ])  # fmt: skip

    pictures = [(item.id, labels) for item, labels in catalog.all_items(Modality.IMAGE)]
    assert pictures == [("a.jpg 0", ""), ("b.jpg 0", "daisy flower")]
    assert [item.id for item, _ in catalog.all_items(Modality.TEXT)] == ["c.txt 0"]
    assert (catalog.count(Modality.IMAGE), catalog.count(Modality.TEXT)) == (2, 1)


@pytest.mark.parametrize("page", [1, 2, 3, 7])
def test_all_items_come_once_however_many_are_read_at_a_time(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("florilegium.catalog._PAGE", page)
    names = ["b", "a", "a/b", "é", "z", "z 2"]
    catalog.commit([image_entry(f"{name}.jpg", name) for name in names])

    found = [item.source.path for item, _ in catalog.all_items(Modality.IMAGE)]
    assert found == sorted(f"{name}.jpg" for name in names)


def test_twins_are_the_items_of_files_with_the_same_bytes(catalog: Catalog) -> None:
    catalog.commit([
        image_entry("a.jpg", "a", content_hash="same"),
        image_entry("copy.jpg", "b", content_hash="same"),
        image_entry("other.jpg", "c", content_hash="other"),
    ])  # fmt: skip

    assert catalog.twins("same") == {"a.jpg 0", "copy.jpg 0"}
    assert catalog.twins("absent") == set()


def test_records_are_listed_by_file_and_by_collection(catalog: Catalog) -> None:
    records = {SENTENCES: ("s2", "s1"), CHUNKS: ("c1",)}
    catalog.commit([text_entry("a.txt", "x", records=records), image_entry("b.jpg", "b")])

    assert sorted(catalog.records(["a.txt"]), key=lambda row: row[2]) == [
        ("a.txt", CHUNKS, "c1"),
        ("a.txt", SENTENCES, "s1"),
        ("a.txt", SENTENCES, "s2"),
    ]
    assert catalog.record_ids() == {
        SENTENCES: ["s1", "s2"],
        CHUNKS: ["c1"],
        PICTURES: ["b.jpg whole"],
        CARDS: ["b.jpg card"],
    }


def test_one_record_id_may_stand_in_two_collections(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "x", records={CHUNKS: ("same",), SENTENCES: ("same",)})])

    assert catalog.record_ids() == {CHUNKS: ["same"], SENTENCES: ["same"]}


# -- changing --


def test_a_file_is_replaced_as_a_whole(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "Roses.", "Tulips.", records={CHUNKS: ("r0", "r1")})])

    catalog.commit([text_entry("a.txt", "Lilies.", records={CHUNKS: ("r0",)})])

    assert [item.text for item in catalog.items_of(["a.txt"])] == ["Lilies."]
    assert catalog.record_ids() == {CHUNKS: ["r0"]}
    assert (found(catalog, "rose"), found(catalog, "tulip")) == ([], [])
    assert found(catalog, "lily") == ["a.txt 0"]


def test_a_file_that_is_removed_leaves_nothing_and_the_others_stay(catalog: Catalog) -> None:
    catalog.commit([
        text_entry("a.txt", "Roses.", records={CHUNKS: ("a",)}),
        text_entry("b.txt", "Roses.", records={CHUNKS: ("b",)}),
    ])  # fmt: skip

    catalog.commit([], removed=["a.txt", "never.txt"])

    assert set(catalog.sources()) == {"b.txt"}
    assert catalog.record_ids() == {CHUNKS: ["b"]}
    assert found(catalog, "rose") == ["b.txt 0"]


def test_a_change_that_fails_changes_nothing(catalog: Catalog) -> None:
    before = text_entry("a.txt", "Roses.", records={CHUNKS: ("a",)})
    catalog.commit([before])
    catalog.announce([("a.txt", CHUNKS, "new")])
    clash = replace(text_entry("b.txt", "x"), items=text_entry("a.txt", "Lilies.").items)

    with pytest.raises(StoreError, match="UNIQUE") as caught:
        catalog.commit([text_entry("a.txt", "Lilies."), clash])

    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert catalog.items_of(["a.txt"]) == list(before.items)
    assert catalog.pending_ids() == {CHUNKS: {"new"}}
    assert (found(catalog, "rose"), found(catalog, "lily")) == (["a.txt 0"], [])


def test_touching_changes_size_and_time_of_known_files_only(catalog: Catalog) -> None:
    catalog.commit([text_entry("a.txt", "Roses.")])
    touched = replace(source("a.txt"), size=9, modified_ns=99)

    catalog.touch([touched, source("new.txt")])

    assert catalog.sources() == {"a.txt": touched}
    assert catalog.item("a.txt 0").source == touched


def test_a_fact_is_replaced(catalog: Catalog) -> None:
    catalog.set_fact("links", "due")
    catalog.set_fact("links", "found")

    assert (catalog.fact("links"), catalog.fact("loading")) == ("found", None)


def test_failures_are_those_of_the_last_run_by_path(catalog: Catalog) -> None:
    first = FailedFile(path="z.jpg", code="source_unreadable", message="No.", hint="Do.")
    second = FailedFile(path="a.jpg", code="source_too_large", message="No.")
    catalog.set_failures([FailedFile(path="old.jpg", code="c", message="m")])

    catalog.set_failures([first, second])

    assert catalog.failures() == (second, first)
    catalog.set_failures([])
    assert catalog.failures() == ()


def test_links_are_replaced_and_read_by_where_they_begin(catalog: Catalog) -> None:
    catalog.set_links([Link(path="old", other="a.jpg", kind="stem")])
    links = [
        Link(path="a.jpg", other="a.txt", kind="stem"),
        Link(path="a.jpg", other="a.txt", kind="reference", words="红玫瑰"),
        Link(path="a.txt", other="a.jpg", kind="stem"),
    ]

    catalog.set_links(links)

    assert catalog.links(["old", "a.txt"]) == [links[2]]
    assert set(catalog.links(["a.jpg"])) == set(links[:2])
    assert catalog.links([]) == []


def test_new_cards_replace_text_words_and_records(catalog: Catalog) -> None:
    entry = image_entry("1.jpg", "rose")
    catalog.commit([entry, image_entry("2.jpg", "rose")])
    catalog.announce([("1.jpg", CARDS, "1.jpg card")])

    tulip = replace(entry.items[0], text="a tulip\nrose family")
    catalog.commit_cards(
        [Card(item=tulip, caption="a tulip", labels="rose family", record_ids=("new", "extra"))],
        collection=CARDS,
    )

    assert catalog.item("1.jpg 0").text == "a tulip\nrose family"
    assert found(catalog, "tulip", Modality.IMAGE) == ["1.jpg 0"]
    assert found(catalog, "rose", Modality.IMAGE) == ["2.jpg 0"]
    assert catalog.search_words("family", Modality.IMAGE, top_k=9, labels=True)[0][0] == "1.jpg 0"
    assert catalog.record_ids()[CARDS] == ["2.jpg card", "extra", "new"]
    assert catalog.pending_ids() == {}


# -- failing --


def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"roses are red " * 100)

    with pytest.raises(StoreError, match=r"The catalog '.*c\.db' failed") as caught:
        Catalog(tmp_path / "c.db", root=ROOT)

    assert "florilegium doctor --repair" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


def test_a_file_that_breaks_later_is_named_when_it_is_read(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c.db", root=ROOT)
    catalog.commit([text_entry("a.txt", *("rose " * 200 for _ in range(200)))])
    catalog.close()
    with (tmp_path / "c.db").open("r+b") as file:
        file.seek(4096)  # the header stays whole, so that opening succeeds
        file.write(b"\xff" * ((tmp_path / "c.db").stat().st_size - 4096))

    with pytest.raises(StoreError, match="malformed"):
        Catalog(tmp_path / "c.db", root=ROOT).items_of(["a.txt"])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        Catalog(tmp_path / "absent" / "c.db", root=ROOT)


def test_after_closing_reads_and_changes_fail_as_ours(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "c.db", root=ROOT)
    catalog.close()

    with pytest.raises(StoreError, match="closed"):
        catalog.sources()
    with pytest.raises(StoreError, match="closed"):
        catalog.set_fact("links", "due")
