"""What belongs together, once all files are in: links, and the words they bring to picture cards.

Knows the whole index and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from florilegium.cards import caption, card_text
from florilegium.config import Config
from florilegium.encode import encode_captions
from florilegium.entries import Card
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.languages import can_read
from florilegium.links import find_links
from florilegium.types import Item, Link, Modality

_CARDS_AT_A_TIME = 256


def connect(*, index: Index, config: Config) -> int:
    """Find all links anew, renew the cards whose words have changed, and count what was encoded."""
    catalog = index.catalog
    texts: dict[str, list[Item]] = {}
    for item, _ in catalog.all_items(Modality.TEXT):
        texts.setdefault(item.source.path, []).append(item)
    images = list(catalog.all_items(Modality.IMAGE))
    links = find_links(
        list(dict.fromkeys(item.source.path for item, _ in images)),
        list(texts),
        {path: [r for item in items for r in item.references] for path, items in texts.items()},
    )
    catalog.set_links(links)
    outdated = _outdated_cards(images, links, index=index)
    encoded = 0
    for start in range(0, len(outdated), _CARDS_AT_A_TIME):
        encoded += _renew_cards(
            outdated[start : start + _CARDS_AT_A_TIME], index=index, config=config
        )
    catalog.set_fact("links", "found")
    return encoded


def _outdated_cards(
    images: Sequence[tuple[Item, str]], links: Sequence[Link], *, index: Index
) -> list[Card]:
    words = _words_at_links(links)
    known = {item_of(id_) for id_ in index.catalog.record_ids().get(index.cards, ())}
    outdated: list[Card] = []
    for item, labels in images:
        said = caption(item.source.path, words.get(item.source.path, ()), item.fields)
        text = card_text(item.source.path, said, labels)
        wanted = bool(said) and can_read(index.text_encoder.info.languages, said)
        if text != item.text or wanted != (item.id in known):
            outdated.append(Card(item=replace(item, text=text), caption=said, labels=labels))
    return outdated


def _renew_cards(batch: Sequence[Card], *, index: Index, config: Config) -> int:
    cards, records, count = encode_captions(batch, index=index, config=config)
    paths = [card.item.source.path for card in cards]
    old = [record for record in index.catalog.records(paths) if record[1] == index.cards]
    new = [(card.item.source.path, index.cards, id_) for card in cards for id_ in card.record_ids]
    index.catalog.announce([*old, *new])
    kept = {id_ for _, _, id_ in new}
    index.store.delete(index.cards, [id_ for _, _, id_ in old if id_ not in kept])
    index.store.upsert(index.cards, records)
    index.catalog.commit_cards(cards, collection=index.cards)
    return count


def _words_at_links(links: Sequence[Link]) -> dict[str, tuple[str, ...]]:
    # What the texts that refer to a picture call it.
    words: dict[str, tuple[str, ...]] = {}
    for link in links:
        if link.words:
            words[link.path] = (*words.get(link.path, ()), link.words)
    return words
