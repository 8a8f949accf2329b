"""The nearest pictures vote for what they show: the texts that they are linked to, and names.

Reads links and titles from the catalog; searches nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from florilegium.answers import Candidate
from florilegium.calibration import fit_scale
from florilegium.cards import name_of_text, picture_name
from florilegium.catalog import Catalog
from florilegium.fusion import Ranking
from florilegium.types import Link, Modality

NEIGHBOURS = 10
_FLOOR = 0.02  # smallest deviation of cosines that is believed


def count_votes(nearest: Ranking | None, twins: Collection[str]) -> dict[str, float]:
    """Return the votes of image items: how many deviations each is nearer than the average.

    Args:
        nearest: Pictures by their likeness to the query's; None when there are none.
        twins: Items that are the very picture of the query. They are no evidence of themselves,
            but what they are linked to is what their owner said of them: they alone vote.
    """
    if twins:
        return dict.fromkeys(twins, 1.0)
    if nearest is None:
        return {}
    # Among the pictures that were found: those that are nearer than the near ones are alike.
    scale = fit_scale(nearest.scores.values(), floor=_FLOOR)
    best = sorted(nearest.scores, key=lambda i: (-nearest.scores[i], i))[:NEIGHBOURS]
    votes = {i: scale.standardise(nearest.scores[i]) for i in best}
    # With one picture, or several that are all alike, nothing stands out: the first one votes.
    return {i: vote for i, vote in votes.items() if vote > 0} or dict.fromkeys(best[:1], 1.0)


def share_votes(votes: Mapping[str, float], *, catalog: Catalog) -> dict[str, float]:
    """Return the share of all votes, in [0, 1], of each file that is linked to a voting picture."""
    items = catalog.items(list(votes))
    total = sum(votes[id_] for id_ in items)
    by_path: dict[str, float] = defaultdict(float)
    for id_, item in items.items():
        by_path[item.source.path] += votes[id_] / total
    shares: dict[str, float] = defaultdict(float)
    for (path, other), strength in _strengths(list(by_path), catalog=catalog).items():
        shares[other] += by_path[path] * strength
    return dict(shares)


def name_candidates(
    votes: Mapping[str, float], *, catalog: Catalog, also: Sequence[str] = ()
) -> tuple[Candidate, ...]:
    """Return names for what voting pictures show, by their share of the votes, best first.

    A text that they are linked to gives its title, and its file to read. Pictures without such a
    text give the words of their own names, or of their folders.

    Shares may add up to more than 1, which `part_shares` mends.

    Args:
        votes: What `count_votes` gave.
        catalog: Where items and links are.
        also: Files of texts that are near the picture itself; they come last, without a share.
    """
    shares = share_votes(votes, catalog=catalog)
    candidates = [
        Candidate(name=name, share=min(1.0, shares.get(path, 0.0)), path=path)
        for path, name in _text_titles([*shares, *also], catalog=catalog).items()
    ]
    candidates += _unlinked(votes, catalog=catalog)
    merged: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda one: (one.path is None, -one.share, one.name)):
        known = merged.get(candidate.name.casefold())
        share = candidate.share + (known.share if known else 0.0)
        merged[candidate.name.casefold()] = replace(known or candidate, share=min(1.0, share))
    return tuple(sorted(merged.values(), key=lambda one: (-one.share, one.name)))


def part_shares(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates in their order with shares that add up to at most 1.

    A picture that is linked to several texts gives its whole vote to each of them, so together
    they may have more than there is: then all are made smaller alike.
    """
    total = math.fsum(one.share for one in candidates)
    return tuple(replace(one, share=one.share / max(1.0, total)) for one in candidates)


def _text_titles(paths: Sequence[str], *, catalog: Catalog) -> dict[str, str]:
    titles: dict[str, str] = {}
    for item in catalog.items_of(list(dict.fromkeys(paths))):
        if item.modality is Modality.TEXT:
            path = item.source.path
            titles.setdefault(path, name_of_text(item.title, path))
    return titles


def _unlinked(votes: Mapping[str, float], *, catalog: Catalog) -> list[Candidate]:
    items = catalog.items(list(votes))
    linked = _linked_to_texts([item.source.path for item in items.values()], catalog=catalog)
    total = sum(votes[id_] for id_ in items)
    shares: dict[str, float] = defaultdict(float)
    for id_, item in items.items():
        name = picture_name(item.source.path)
        if item.source.path not in linked and name:
            shares[name] += votes[id_] / total
    return [Candidate(name=name, share=min(1.0, share)) for name, share in shares.items()]


def _linked_to_texts(paths: Sequence[str], *, catalog: Catalog) -> set[str]:
    links = catalog.links(paths)
    texts = _text_titles([link.other for link in links], catalog=catalog)
    return {link.path for link in links if link.other in texts}


def _strengths(paths: Sequence[str], *, catalog: Catalog) -> dict[tuple[str, str], float]:
    # A text that refers to many pictures says less of each than one that bears its name.
    links = catalog.links(paths)
    others = sorted({link.other for link in links})
    referred = Counter(link.path for link in catalog.links(others) if link.kind == "reference")
    strengths: dict[tuple[str, str], float] = defaultdict(float)
    for link in links:
        pair = (link.path, link.other)
        strengths[pair] = max(strengths[pair], _strength(link, referred[link.other]))
    return strengths


def _strength(link: Link, referred: int) -> float:
    return referred**-0.5 if link.kind == "reference" else 1.0
