"""The lists of a query: which are made, what scales them, and which pictures they cover."""

from __future__ import annotations

from collections.abc import Sequence

from florilegium import Library
from florilegium.calibration import fit_words
from florilegium.lists import Lists, Rarity, with_coverage
from florilegium.types import Modality, Picture, Query, Term
from tests.conftest import draw


def lists_of(library: Library, text: str = "", *, terms: Sequence[Term] = (),
             pictures: Sequence[str] = ()) -> Lists:  # fmt: skip
    images = tuple(Picture(image=draw(colour, "square")) for colour in pictures)
    query = Query(text=text, terms=tuple(terms), pictures=images)
    return Lists(query, index=library.index, candidates=100)


def test_words_make_the_lists_of_words_and_a_picture_those_of_pictures(
    tiny_library: Library,
) -> None:
    words = {one.name for one in lists_of(tiny_library, "red").rankings}
    picture = {one.name for one in lists_of(tiny_library, pictures=["red"]).rankings}

    assert words >= {"chunks", "sentences", "cards", "words", "card words", "text to image"}
    assert picture >= {"image to image", "image to text"}
    assert not words & picture


def test_a_vector_list_is_scaled_by_the_background_of_its_collection(
    tiny_library: Library,
) -> None:
    found = lists_of(tiny_library, "red").find("chunks")

    assert found is not None
    assert found.scale.items > 1
    summary = next(s for s in lists_of(tiny_library, "red").summaries() if s.name == "chunks")
    assert (summary.mean, summary.deviation) == (found.scale.mean, found.scale.deviation)
    assert summary.background == found.scale.items


def test_a_list_of_words_is_scaled_by_how_rare_they_are(tiny_library: Library) -> None:
    found = lists_of(tiny_library, "roses").find("words")

    rarity = Rarity(tiny_library.index).among(frozenset(["rose"]), Modality.TEXT)
    assert found is not None
    assert found.scale == fit_words(found.scores.values(), items=4, rarity=rarity)
    assert found.scale.standardise(max(found.scores.values())) > 3


def test_rare_words_are_rarer_than_common_ones(tiny_library: Library) -> None:
    rarity = Rarity(tiny_library.index)

    assert rarity("nowhere") > rarity("rose") > 0


def test_words_that_no_text_holds_still_make_a_list(tiny_library: Library) -> None:
    found = lists_of(tiny_library, "zeppelin").find("words")

    assert found is not None
    assert found.scores == {}


def test_each_signed_term_makes_lists_of_its_own(tiny_library: Library) -> None:
    terms = [Term(text="red"), Term(text="square", wanted=False)]

    lists = lists_of(tiny_library, "shape", terms=terms)

    weights = {one.name: one.weight for one in lists.rankings}
    assert weights["chunks"] == weights["chunks +red"] == 1.0
    assert weights["chunks -square"] == -0.5
    assert weights["words -square"] == -0.5


def test_several_pictures_are_one_query_at_their_mean(tiny_library: Library) -> None:
    alone = [lists_of(tiny_library, pictures=[colour]) for colour in ("red", "blue")]
    both = lists_of(tiny_library, pictures=["red", "blue"])

    rankings = [one.find("image to image") for one in (*alone, both)]
    red, blue, mean = (one.scores if one else {} for one in rankings)
    ratio = {id_: mean[id_] / (red[id_] + blue[id_]) for id_ in mean if red[id_] + blue[id_] > 0.1}
    assert len({round(value, 3) for value in ratio.values()}) == 1


def test_lists_of_descriptions_cover_pictures_that_have_one(tiny_library: Library) -> None:
    draw("red", "circle").save(tiny_library.root / "IMG_0001.png")
    tiny_library.ingest()
    lists = lists_of(tiny_library, "red")

    covered = with_coverage(lists.rankings, index=tiny_library.index)

    catalog = tiny_library.index.catalog
    nameless = next(
        item.id
        for item, _ in catalog.all_items(Modality.IMAGE)
        if item.source.path == "IMG_0001.png"
    )
    covers = {one.name: one.covers for one in covered}
    assert covers["text to image"] is None
    assert covers["cards"] is not None
    assert nameless not in covers["cards"]
    assert len(covers["cards"]) == 3


def test_every_step_is_timed(tiny_library: Library) -> None:
    lists = lists_of(tiny_library, "red", pictures=["red"])

    assert set(lists.seconds) == {"encoding", "vectors", "words", "calibration", "votes"}
    assert all(seconds >= 0 for seconds in lists.seconds.values())
