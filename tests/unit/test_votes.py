"""Votes of the nearest pictures, over a real catalog with its links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florilegium.answers import Candidate
from florilegium.calibration import Scale
from florilegium.catalog import Catalog
from florilegium.entries import Entry
from florilegium.fusion import Ranking
from florilegium.types import Item, Link, Modality, Source
from florilegium.votes import NEIGHBOURS, count_votes, name_candidates, part_shares, share_votes


def nearest(scores: Mapping[str, float]) -> Ranking:
    return Ranking(
        name="image to image",
        modality=Modality.IMAGE,
        scores=scores,
        weight=1.0,
        scale=Scale(mean=0.0, deviation=1.0),
    )


# -- counting --


def test_without_a_list_nobody_votes() -> None:
    assert count_votes(None, ()) == {}


def test_a_picture_votes_by_how_far_it_is_above_the_average() -> None:
    # The mean is 5 and the deviation 2.
    scores = dict(zip("abcdefgh", [2, 4, 4, 4, 5, 5, 7, 9], strict=True))

    assert count_votes(nearest(scores), ()) == {"h": 2.0, "g": 1.0}


def test_only_the_nearest_pictures_vote() -> None:
    scores = {f"{i:02}": 1.0 for i in range(NEIGHBOURS + 5)} | {f"far {i}": 0.0 for i in range(15)}

    votes = count_votes(nearest(scores), ())

    assert votes == {f"{i:02}": 1.0 for i in range(NEIGHBOURS)}


@pytest.mark.parametrize("scores", [{"b": 0.5}, {"c": 0.5, "b": 0.5, "d": 0.5}])
def test_when_nothing_stands_out_the_first_votes_alone(scores: dict[str, float]) -> None:
    assert count_votes(nearest(scores), ()) == {"b": 1.0}


def test_twins_alone_vote_and_alike() -> None:
    assert count_votes(nearest({"a": 1.0, "b": 0.0}), {"t", "u"}) == {"t": 1.0, "u": 1.0}
    assert count_votes(None, {"t"}) == {"t": 1.0}


# -- sharing --


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Return a catalog of pictures p.jpg, q.jpg, r.jpg, s.jpg with items p, q, r, s; no links."""
    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)
    catalog.commit([_picture(tmp_path, name) for name in "pqrs"])
    yield catalog
    catalog.close()


def _picture(root: Path, name: str) -> Entry:
    source = Source(root=root, path=f"{name}.jpg", size=1, modified_ns=1, content_hash=name)
    item = Item(id=name, source=source, modality=Modality.IMAGE, ordinal=0, title=name, text=name)
    return Entry(source=source, items=(item,), labels={}, records={})


def _link(
    catalog: Catalog, *links: tuple[str, str, Literal["reference", "stem", "folder"]]
) -> None:
    catalog.set_links(
        [Link(path=a, other=b, kind=kind) for a, b, kind in links]
        + [Link(path=b, other=a, kind=kind) for a, b, kind in links]
    )


def test_each_text_gets_the_share_of_its_pictures(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "p.txt", "stem"), ("q.jpg", "q.txt", "stem"))

    shares = share_votes({"p": 3.0, "q": 1.0}, catalog=catalog)

    assert shares == {"p.txt": 0.75, "q.txt": 0.25}


def test_pictures_of_one_text_add_up_to_all_votes(catalog: Catalog) -> None:
    _link(catalog, *((f"{name}.jpg", "rose.txt", "folder") for name in "pqrs"))

    assert share_votes({"p": 1.0, "q": 2.0, "r": 5.0}, catalog=catalog) == {"rose.txt": 1.0}


def test_votes_of_a_picture_without_links_are_lost(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "p.txt", "stem"))

    assert share_votes({"p": 1.0, "q": 1.0}, catalog=catalog) == {"p.txt": 0.5}


def test_a_picture_gives_its_share_to_each_of_its_texts(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "p.txt", "stem"), ("p.jpg", "all.txt", "folder"))

    assert share_votes({"p": 1.0}, catalog=catalog) == {"p.txt": 1.0, "all.txt": 1.0}


def test_a_text_that_refers_to_four_pictures_says_half_as_much_of_each(catalog: Catalog) -> None:
    _link(
        catalog,
        *((f"{name}.jpg", "all.md", "reference") for name in "pqrs"),
        ("p.jpg", "p.md", "reference"),
    )

    # 4 ** -0.5 of the only vote, and 1 ** -0.5.
    assert share_votes({"p": 1.0}, catalog=catalog) == {"all.md": 0.5, "p.md": 1.0}


def test_the_strongest_of_several_links_counts_once(catalog: Catalog) -> None:
    _link(
        catalog,
        *((f"{name}.jpg", "all.md", "reference") for name in "pqrs"),
        ("p.jpg", "all.md", "folder"),
        ("p.jpg", "all.md", "stem"),
    )

    assert share_votes({"p": 1.0}, catalog=catalog) == {"all.md": 1.0}


def test_a_picture_that_is_gone_has_no_say(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "p.txt", "stem"), ("gone.jpg", "gone.txt", "stem"))

    assert share_votes({"p": 1.0, "gone": 9.0}, catalog=catalog) == {"p.txt": 1.0}


def test_no_votes_give_no_shares(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "p.txt", "stem"))

    assert share_votes({}, catalog=catalog) == {}
    assert share_votes({"gone": 1.0}, catalog=catalog) == {}


def test_shares_of_texts_with_one_picture_each_sum_up_to_one(catalog: Catalog) -> None:
    _link(catalog, *((f"{name}.jpg", f"{name}.txt", "stem") for name in "pqrs"))

    shares = share_votes({"p": 0.3, "q": 1.7, "r": 2.1, "s": 0.01}, catalog=catalog)

    assert sum(shares.values()) == pytest.approx(1.0)
    assert max(shares, key=shares.__getitem__) == "r.txt"


# -- names --


def _text(root: Path, path: str, title: str) -> Entry:
    source = Source(root=root, path=path, size=1, modified_ns=1, content_hash=path)
    item = Item(id=path, source=source, modality=Modality.TEXT, ordinal=0, title=title, text=title)
    return Entry(source=source, items=(item,), labels={}, records={})


@pytest.fixture
def garden(catalog: Catalog, tmp_path: Path) -> Catalog:
    """Return the catalog with two articles, of which the first is linked to p.jpg."""
    catalog.commit([_text(tmp_path, "p.txt", "Dog rose"), _text(tmp_path, "t.txt", "Tulip")])
    _link(catalog, ("p.jpg", "p.txt", "stem"))
    return catalog


def test_texts_that_are_called_by_their_numbered_files_are_one_kind(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.db", root=tmp_path)
    paths = [f"rose_{number:03}.txt" for number in range(1, 4)]
    catalog.commit([_text(tmp_path, path, path.replace("_", " ")[:-4]) for path in paths])

    names = name_candidates({}, catalog=catalog, also=paths)
    catalog.close()

    assert [candidate.name for candidate in names] == ["rose"]


def test_a_linked_text_gives_its_title_and_its_file(garden: Catalog) -> None:
    (candidate,) = name_candidates({"p": 2.0}, catalog=garden)

    assert candidate == Candidate(name="Dog rose", share=1.0, path="p.txt")


def test_a_picture_without_a_text_gives_its_own_name(garden: Catalog) -> None:
    named = name_candidates({"p": 1.0, "q": 3.0}, catalog=garden)

    assert named == (
        Candidate(name="q", share=0.75),
        Candidate(name="Dog rose", share=0.25, path="p.txt"),
    )


def test_texts_that_nobody_voted_for_come_last(garden: Catalog) -> None:
    named = name_candidates({"p": 1.0}, catalog=garden, also=["t.txt", "p.txt"])

    assert [(one.name, one.share, one.path) for one in named] == [
        ("Dog rose", 1.0, "p.txt"),
        ("Tulip", 0.0, "t.txt"),
    ]


def test_a_name_is_a_candidate_once_however_it_is_written(catalog: Catalog, tmp_path: Path) -> None:
    catalog.commit([_text(tmp_path, "q.md", "P")])

    named = name_candidates({"p": 1.0}, catalog=catalog, also=["q.md"])

    assert named == (Candidate(name="P", share=1.0, path="q.md"),)


def test_votes_for_one_name_add_up_and_its_text_is_kept(garden: Catalog, tmp_path: Path) -> None:
    source = Source(root=tmp_path, path="dog rose/1.jpg", size=1, modified_ns=1, content_hash="x")
    item = Item(id="x", source=source, modality=Modality.IMAGE, ordinal=0, title="1", text="")
    garden.commit([Entry(source=source, items=(item,), labels={}, records={})])

    named = name_candidates({"p": 1.0, "x": 2.0, "q": 2.0}, catalog=garden)

    assert [(one.name, round(one.share, 3), one.path) for one in named] == [
        ("Dog rose", 0.6, "p.txt"),
        ("q", 0.4, None),
    ]


def test_a_linked_file_that_is_no_text_gives_no_name(catalog: Catalog) -> None:
    _link(catalog, ("p.jpg", "q.jpg", "folder"))

    assert [one.name for one in name_candidates({"p": 1.0}, catalog=catalog)] == ["p"]


def test_nobody_has_a_name_without_votes(garden: Catalog) -> None:
    assert name_candidates({}, catalog=garden) == ()


# -- shares of names --


def test_names_of_a_picture_with_two_texts_share_its_votes(garden: Catalog) -> None:
    _link(garden, ("p.jpg", "p.txt", "stem"), ("p.jpg", "t.txt", "folder"))
    named = name_candidates({"p": 1.0}, catalog=garden)
    assert [one.share for one in named] == [1.0, 1.0]

    assert [(one.name, one.share) for one in part_shares(named)] == [
        ("Dog rose", 0.5),
        ("Tulip", 0.5),
    ]


def test_shares_that_leave_votes_to_nameless_pictures_stay() -> None:
    named = (Candidate(name="rose", share=0.5, path="rose.md"), Candidate(name="tulip", share=0.25))

    assert part_shares(named) == named
    assert part_shares(()) == ()


@given(st.lists(st.floats(min_value=0.0, max_value=1.0), max_size=12))
def test_shares_are_parts_of_one_in_the_order_and_proportion_they_had(given: list[float]) -> None:
    named = [Candidate(name=str(n), share=share) for n, share in enumerate(given)]

    parted = part_shares(named)

    assert [one.name for one in parted] == [one.name for one in named]
    assert all(0.0 <= one.share <= 1.0 for one in parted)
    assert sum(one.share for one in parted) <= 1.0 + 1e-9
    total = max(1.0, sum(given))
    assert [one.share for one in parted] == pytest.approx([share / total for share in given])
