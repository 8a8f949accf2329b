"""What belongs together, once all files are in: links, and the words they bring to picture cards.

Machine captions come from the cache. Knows the whole index and no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from florilegium.cards import caption, card_text
from florilegium.config import Config
from florilegium.encode import encode_captions, picture_key
from florilegium.entries import Card
from florilegium.ids import item_of
from florilegium.index import Index
from florilegium.languages import can_read
from florilegium.links import find_links
from florilegium.machine_captions import caption_recipe, wants_caption, with_machine_caption
from florilegium.types import Item, Link, Modality, Reference

_NO_CAPTIONS = "off"


def connect(*, index: Index, config: Config) -> int:
    """Find all links anew, renew the cards whose words have changed, and count what was encoded."""
    catalog = index.catalog
    # Without it, a run that dies here could be followed by one that wants what was before.
    catalog.set_fact("links", "due")
    references: dict[str, list[Reference]] = {}
    for item, _ in catalog.all_items(Modality.TEXT):
        references.setdefault(item.source.path, []).extend(item.references)
    pictures = dict.fromkeys(item.source.path for item, _ in catalog.all_items(Modality.IMAGE))
    links = find_links(list(pictures), list(references), references)
    catalog.set_links(links)
    words = words_at_links(links)
    known = {item_of(id_) for id_ in catalog.record_ids().get(index.cards, ())}
    encoded = 0
    for page in index.pages(Modality.IMAGE):
        outdated = _outdated_cards(page, words, known=known, index=index, config=config)
        if outdated:
            encoded += _renew_cards(outdated, index=index, config=config)
    catalog.set_fact("captions", _wanted_captions(config))
    catalog.set_fact("links", "found")
    return encoded


def is_due(*, index: Index, config: Config) -> bool:
    """Return whether `connect` is to run though no file has changed."""
    catalog = index.catalog
    captions = catalog.fact("captions") or _NO_CAPTIONS
    return catalog.fact("links") != "found" or captions != _wanted_captions(config)


def words_at_links(links: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """Return what the texts that refer to a picture call it, by its path."""
    words: dict[str, tuple[str, ...]] = {}
    for link in links:
        if link.words:
            words[link.path] = (*words.get(link.path, ()), link.words)
    return words


def caption_of(item: Item, words: Mapping[str, tuple[str, ...]], *, machine_caption: str) -> str:
    """Return what people call a picture; `words` is what `words_at_links` gave."""
    at_links = words.get(item.source.path, ())
    return caption(item.source.path, at_links, item.fields, machine_caption=machine_caption)


def _outdated_cards(
    images: Sequence[tuple[Item, str]],
    words: Mapping[str, tuple[str, ...]],
    *,
    known: Set[str],
    index: Index,
    config: Config,
) -> list[Card]:
    """Return the cards to be renewed; `known` are the items whose card has a record."""
    machine = _machine_captions([item for item, _ in images], words, index=index, config=config)
    outdated: list[Card] = []
    for item, labels in images:
        mine = machine.get(item.id, "")
        said = caption_of(item, words, machine_caption=mine)
        new = replace(
            item,
            text=card_text(item.source.path, said, labels),
            fields=with_machine_caption(item.fields, mine),
        )
        wanted = bool(said) and can_read(index.text_encoder.info.languages, said)
        if new != item or wanted != (item.id in known):
            outdated.append(Card(item=new, caption=said, labels=labels))
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


def _machine_captions(
    pictures: Sequence[Item],
    words: Mapping[str, tuple[str, ...]],
    *,
    index: Index,
    config: Config,
) -> dict[str, str]:
    """Return the machine captions that are known and wanted, by item id."""
    recipe = caption_recipe(config.ingest, config.chat)
    if recipe is None:
        return {}
    keys = {
        item.id: picture_key(item)
        for item in pictures
        if wants_caption(
            config.ingest.captions,
            fields=item.fields,
            words_at_links=words.get(item.source.path, ()),
        )
    }
    known = index.cache.captions(recipe, list(dict.fromkeys(keys.values())))
    return {id_: known[key].text for id_, key in keys.items() if key in known and known[key].text}


def _wanted_captions(config: Config) -> str:
    recipe = caption_recipe(config.ingest, config.chat)
    return _NO_CAPTIONS if recipe is None else f"{config.ingest.captions} {recipe}"
