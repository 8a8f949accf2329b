"""What links bring to the cards of pictures, and that no more is encoded than has changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from florilegium.cache import CaptionRecord, EmbeddingCache
from florilegium.config import Config
from florilegium.config_sections import IngestConfig
from florilegium.connect import connect, is_due
from florilegium.encode import picture_key
from florilegium.entries import Entry
from florilegium.errors import EncoderError
from florilegium.filters import Filter
from florilegium.index import Index
from florilegium.machine_captions import caption_recipe
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import Description, Embeddings, Link, Modality, Purpose, Source
from tests.unit.test_encode import CONFIG, Desk, Encoder, NamingEncoder, paint, write

ENGLISH = frozenset({"en"})


@pytest.fixture
def desks() -> Iterator[list[Desk]]:
    """Return a list whose desks are closed at the end."""
    desks: list[Desk] = []
    yield desks
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(tmp_path: Path, desks: list[Desk]) -> Desk:
    """Return a desk with encoders that read everything."""
    desks.append(Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=Encoder(dim=32)))
    return desks[-1]


def take_in(desk: Desk, *names: str) -> None:
    """Put files into the index, as ingest does before it connects them."""
    encoded = desk.encode(*names)
    for collection, records in encoded.records.items():
        desk.index.store.upsert(collection, records)
    desk.index.catalog.commit(encoded.entries)
    desk.text_encoder.texts.clear()


def connected(index: Index) -> int:
    """Connect an index, and return the count after checking that catalog and store agree."""
    count = connect(index=index, config=CONFIG)
    known = set(index.catalog.record_ids().get(index.cards, ()))
    assert known == index.store.ids(index.cards)
    assert index.catalog.pending_ids() == {}
    return count


def cards(index: Index) -> dict[str, str]:
    """Return the cards of all pictures by path."""
    return {item.source.path: item.text for item, _ in index.catalog.all_items(Modality.IMAGE)}


def recorded(index: Index) -> dict[str, Embeddings]:
    """Return the embeddings of all cards that have one, by the path of their pictures."""
    ids = index.catalog.record_ids().get(index.cards, [])
    records = index.store.get(index.cards, ids)
    items = index.catalog.items([record.item_id for record in records])
    return {items[record.item_id].source.path: record.embedding for record in records}


def found(index: Index, words: str) -> list[str]:
    """Return the paths of the pictures on whose cards people wrote these words."""
    hits = index.catalog.search_words(words, Modality.IMAGE, top_k=10)
    return [index.catalog.item(id_).source.path for id_, _ in hits]


# -- links --


def test_an_empty_index_has_no_links_to_find(desk: Desk) -> None:
    assert connected(desk.index) == 0
    assert desk.index.catalog.fact("links") == "found"


def test_what_belongs_together_is_linked_in_both_directions(desk: Desk) -> None:
    text = write(desk, "rose.md", "![in June](tulip.png)")
    take_in(desk, paint(desk, "rose.png"), paint(desk, "tulip.png"), text)

    connected(desk.index)

    links = desk.index.catalog.links(["rose.md", "rose.png", "tulip.png"])
    assert sorted(links, key=repr) == [
        Link(path="rose.md", other="rose.png", kind="stem"),
        Link(path="rose.md", other="tulip.png", kind="reference", words="in June"),
        Link(path="rose.png", other="rose.md", kind="stem"),
        Link(path="tulip.png", other="rose.md", kind="reference", words="in June"),
    ]


def test_links_are_found_anew(desk: Desk) -> None:
    text = write(desk, "rose.txt", "Roses are red.")
    take_in(desk, paint(desk, "rose.png"), paint(desk, "tulip.png"), text)
    connected(desk.index)
    write(desk, "tulip.txt", "Tulips are red.")
    take_in(desk, "tulip.txt")
    desk.index.catalog.commit([], removed=["rose.txt"])

    connected(desk.index)

    links = desk.index.catalog.links(["rose.png", "rose.txt", "tulip.png", "tulip.txt"])
    assert {(link.path, link.other) for link in links} == {
        ("tulip.png", "tulip.txt"),
        ("tulip.txt", "tulip.png"),
    }


def test_links_stay_due_when_a_card_cannot_be_encoded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakeEncoder, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        raise EncoderError("The encoder failed.")

    take_in(desk, paint(desk, "rose.png"))
    desk.index.catalog.set_fact("links", "due")
    monkeypatch.setattr(FakeEncoder, "encode_texts", fail)

    with pytest.raises(EncoderError):
        connect(index=desk.index, config=CONFIG)
    assert desk.index.catalog.fact("links") == "due"

    monkeypatch.undo()
    assert connected(desk.index) == 1
    assert desk.index.catalog.fact("links") == "found"


# -- the words of cards --


def test_the_words_at_a_link_become_the_card_of_the_picture(desk: Desk) -> None:
    text = write(desk, "a.md", "![a velvet rose](IMG_1.png)")
    take_in(desk, paint(desk, "IMG_1.png"), text)

    assert connected(desk.index) == 1

    assert cards(desk.index) == {"IMG_1.png": "a velvet rose"}
    wanted = FakeEncoder(dim=32).encode_texts(["a velvet rose"], purpose="document")[0]
    assert np.array_equal(recorded(desk.index)["IMG_1.png"], wanted)
    assert found(desk.index, "velvet") == ["IMG_1.png"]


def test_a_card_has_the_words_of_the_path_and_those_at_every_link(desk: Desk) -> None:
    one = write(desk, "a.md", "![by the gate](rose.png)")
    other = write(desk, "b.md", "![in June](rose.png)")
    take_in(desk, paint(desk, "rose.png"), one, other)

    connected(desk.index)

    assert cards(desk.index) == {"rose.png": "rose\nby the gate\nin June"}
    assert desk.text_encoder.texts == ["rose\nby the gate\nin June"]


def test_labels_are_on_the_card_but_not_in_its_record(tmp_path: Path, desks: list[Desk]) -> None:
    desk = Desk(tmp_path, encoder=NamingEncoder(dim=16), text_encoder=Encoder(dim=32))
    desks.append(desk)
    take_in(desk, paint(desk, "flower.png"), paint(desk, "IMG_1.png"))

    assert connected(desk.index) == 1

    labels = "daisy, oxeye, 雏菊, vase"
    assert cards(desk.index) == {"IMG_1.png": labels, "flower.png": f"flower\n{labels}"}
    assert desk.text_encoder.texts == ["flower"]
    assert list(recorded(desk.index)) == ["flower.png"]


def test_a_picture_that_nobody_calls_anything_has_its_stem_and_no_record(desk: Desk) -> None:
    take_in(desk, paint(desk, "IMG_1.png"))

    assert connected(desk.index) == 0

    assert cards(desk.index) == {"IMG_1.png": "IMG_1"}
    assert recorded(desk.index) == {}


# -- what is encoded --


def test_a_card_whose_words_are_the_same_is_not_encoded_again(desk: Desk, tmp_path: Path) -> None:
    text = write(desk, "a.md", "![a velvet rose](IMG_1.png)")
    take_in(desk, paint(desk, "IMG_1.png"), paint(desk, "IMG_2.png"), text)
    assert connected(desk.index) == 1
    before = cards(desk.index), list(recorded(desk.index))
    desk.text_encoder.texts.clear()
    forgetful = EmbeddingCache(tmp_path / "new.db")

    count = connected(replace(desk.index, cache=forgetful))

    forgetful.close()
    assert count == 0
    assert desk.text_encoder.texts == []
    assert (cards(desk.index), list(recorded(desk.index))) == before


def test_only_the_card_whose_words_changed_is_encoded(desk: Desk) -> None:
    write(desk, "a.md", "![a red rose](IMG_1.png) ![a tulip](IMG_2.png)")
    take_in(desk, paint(desk, "IMG_1.png"), paint(desk, "IMG_2.png"), "a.md")
    connected(desk.index)
    write(desk, "a.md", "![a pink rose](IMG_1.png) ![a tulip](IMG_2.png)")
    take_in(desk, "a.md")

    assert connected(desk.index) == 1

    assert desk.text_encoder.texts == ["a pink rose"]
    assert cards(desk.index) == {"IMG_1.png": "a pink rose", "IMG_2.png": "a tulip"}
    wanted = FakeEncoder(dim=32).encode_texts(["a pink rose"], purpose="document")[0]
    assert np.array_equal(recorded(desk.index)["IMG_1.png"], wanted)
    assert (found(desk.index, "red"), found(desk.index, "pink")) == ([], ["IMG_1.png"])


def test_a_card_that_lost_its_words_loses_its_record(desk: Desk) -> None:
    write(desk, "a.md", "![a velvet rose](IMG_1.png)")
    take_in(desk, paint(desk, "IMG_1.png"), paint(desk, "tulip.png"), "a.md")
    connected(desk.index)
    assert sorted(recorded(desk.index)) == ["IMG_1.png", "tulip.png"]
    write(desk, "a.md", "Nothing is said of a picture.")
    take_in(desk, "a.md")

    assert connected(desk.index) == 0

    assert cards(desk.index) == {"IMG_1.png": "IMG_1", "tulip.png": "tulip"}
    assert list(recorded(desk.index)) == ["tulip.png"]
    assert found(desk.index, "velvet") == []


def test_words_that_the_text_encoder_cannot_read_get_no_record_until_one_can(
    tmp_path: Path, desks: list[Desk]
) -> None:
    text_encoder = Encoder(dim=32, languages=ENGLISH)
    desk = Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=text_encoder)
    desks.append(desk)
    take_in(desk, paint(desk, "红玫瑰.png"))

    assert connected(desk.index) == 0
    assert text_encoder.texts == []
    assert recorded(desk.index) == {}
    assert cards(desk.index) == {"红玫瑰.png": "红玫瑰"}
    assert found(desk.index, "红玫瑰") == ["红玫瑰.png"]

    assert connected(replace(desk.index, text_encoder=Encoder(dim=32))) == 1
    assert list(recorded(desk.index)) == ["红玫瑰.png"]


def test_more_cards_than_are_renewed_at_a_time_are_all_renewed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.index._PAGE", 2)
    names = [paint(desk, f"{name}.png") for name in ("aster", "daisy", "lily", "rose", "tulip")]
    take_in(desk, *names)

    assert connected(desk.index) == 5

    assert sorted(recorded(desk.index)) == names


# -- fields --


def describe(desk: Desk, target: str, **fields: str) -> None:
    """Let a table say something of a picture."""
    table = Source(root=desk.root, path="captions.csv", size=1, modified_ns=1, content_hash="t")
    said = Description(target=target, fields=tuple(sorted(fields.items())))
    desk.index.catalog.commit([
        Entry(source=table, items=(), labels={}, records={}, descriptions=(said,))
    ])  # fmt: skip


def test_what_is_said_of_a_picture_is_its_card_and_is_renewed_when_it_changes(desk: Desk) -> None:
    take_in(desk, paint(desk, "IMG_1.png"))
    describe(desk, "IMG_1.png", caption="a velvet rose", creator="Ana")
    assert connected(desk.index) == 1
    before = cards(desk.index)
    describe(desk, "IMG_1.png", caption="a white rose")

    assert connected(desk.index) == 1
    assert before == {"IMG_1.png": "a velvet rose"}
    assert cards(desk.index) == {"IMG_1.png": "a white rose"}
    assert found(desk.index, "velvet") == []


def test_a_long_caption_has_a_record_for_each_window_and_a_shorter_one_fewer(
    tmp_path: Path, desks: list[Desk]
) -> None:
    few = Encoder(dim=32, max_text_tokens=16)
    desks.append(Desk(tmp_path, encoder=Encoder(dim=16), text_encoder=few))
    desk = desks[-1]
    take_in(desk, paint(desk, "IMG_1.png"))
    long = " ".join(f"Rose number {number} is red." for number in range(9))
    describe(desk, "IMG_1.png", caption=long)

    connected(desk.index)

    ids = desk.index.catalog.record_ids()[desk.index.cards]
    assert len(ids) > 2
    assert all(few.count_tokens(text) <= 16 for text in few.texts)
    assert "".join(few.texts).replace(" ", "") == long.replace(" ", "")
    describe(desk, "IMG_1.png", caption="Short.")
    connected(desk.index)
    assert len(desk.index.catalog.record_ids()[desk.index.cards]) == 1


# -- machine captions --


def test_a_caption_in_the_cache_is_on_the_card_while_it_is_wanted(desk: Desk) -> None:
    name = paint(desk, "IMG_1.png")
    take_in(desk, name)
    (item, _), *_ = desk.index.catalog.all_items(Modality.IMAGE)
    wanted = Config(ingest=IngestConfig(captions="missing"))
    recipe = caption_recipe(wanted.ingest, wanted.chat)
    assert recipe is not None
    record = CaptionRecord(text="A velvet rose.", max_tokens=9)
    desk.index.cache.put_caption(recipe, picture_key(item), record)
    assert connected(desk.index) == 0
    assert not is_due(index=desk.index, config=CONFIG)
    assert is_due(index=desk.index, config=wanted)

    assert connect(index=desk.index, config=wanted) == 1

    assert cards(desk.index) == {name: "A velvet rose."}
    assert found(desk.index, "velvet") == [name]
    assert dict(desk.index.catalog.item(item.id).fields) == {"machine_caption": "A velvet rose."}
    said = Filter(fields=(("machine_caption", "a velvet rose."),))
    assert desk.index.catalog.matching(said) == {item.id}
    assert not is_due(index=desk.index, config=wanted)
    assert connected(desk.index) == 0
    assert (cards(desk.index), recorded(desk.index)) == ({name: "IMG_1"}, {})
    assert desk.index.catalog.item(item.id).fields == ()
