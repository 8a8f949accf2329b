"""Every direction of search finds the right thing before the wrong one, and says how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from florilegium import Library
from florilegium.errors import InvalidQueryError
from florilegium.ids import hash_file
from florilegium.retrieve import MOST_HITS, Explanation, RankingSummary, SearchOptions, retrieve
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import EncoderInfo, Hit, Modality, Picture, Query
from tests.conftest import FAKES, draw
from tests.unit.index_state import paths


class EnglishEncoder(FakeEncoder):
    """Says that it reads English only."""

    @property
    def info(self) -> EncoderInfo:
        return replace(super().info, languages=frozenset({"en"}))


def find(
    library: Library,
    text: str = "",
    *,
    image: Image.Image | None = None,
    own: str | None = None,
    modality: Modality | None = None,
    top_k: int = 100,
) -> Explanation:
    """Search; `own` is the file of the library that the query picture is."""
    content_hash = hash_file(library.root / own) if own else None
    query = Query(
        text=text,
        pictures=(Picture(image=image, content_hash=content_hash),) if image else (),
        modality=modality,
        top_k=top_k,
    )
    return retrieve(query, index=library.index, options=SearchOptions(candidates=100))


def first(found: Explanation, modality: Modality) -> str:
    """Return the path of the best hit of a modality."""
    return next(p for p in paths(found.hits) if (p.endswith(".png")) == (modality == "image"))


def ranking(found: Explanation, name: str) -> RankingSummary:
    """Return what is said of one list."""
    return next(one for one in found.rankings if one.name == name)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Library]:
    """Return a library of nameless pictures, each with a text of its name, and a lonely one."""
    for n, (colour, words) in enumerate(
        [("red", "Ferrari tractor"), ("green", "Fern frond"), ("blue", "Ocean liner")]
    ):
        draw(colour, "square").save(tmp_path / f"IMG_000{n}.png")
        (tmp_path / f"IMG_000{n}.txt").write_text(f"{words}.", encoding="utf-8")
    draw("orange", "circle").save(tmp_path / "IMG_0009.png")
    (tmp_path / "other.txt").write_text("Nothing of the kind.", encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        yield library


# -- from words --


@pytest.mark.parametrize(
    ("words", "picture"),
    [("red", "red square.png"), ("green", "circle.png"), ("蓝", "notes/triangle.png")],
)
def test_words_find_the_right_picture(tiny_library: Library, words: str, picture: str) -> None:
    assert first(find(tiny_library, words), Modality.IMAGE) == picture


def test_words_find_a_picture_by_what_it_shows_when_no_name_says_so(shop: Library) -> None:
    found = find(shop, "blue", modality=Modality.IMAGE)

    assert paths(found.hits)[0] == "IMG_0002.png"
    assert ranking(found, "card words").size == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("ripe tomato", "red square.txt"),
        ("how often do roses want water", "notes/garden.md"),
        ("有三个角", "notes/蓝色.txt"),
    ],
)
def test_words_find_the_right_text(tiny_library: Library, words: str, text: str) -> None:
    assert first(find(tiny_library, words), Modality.TEXT) == text


def test_both_modalities_are_found_by_one_query(tiny_library: Library) -> None:
    assert set(paths(find(tiny_library, "red square").hits)[:2]) == {
        "red square.png",
        "red square.txt",
    }


# -- from a picture --


def test_a_picture_finds_the_picture_of_its_colours(shop: Library) -> None:
    found = find(shop, image=draw("green", "circle"), modality=Modality.IMAGE)

    assert paths(found.hits)[0] == "IMG_0001.png"


def test_a_picture_finds_the_text_that_is_linked_to_the_nearest_picture(shop: Library) -> None:
    # No word of the text is a colour, so that only the link can find it.
    found = find(shop, image=draw("green", "circle"), modality=Modality.TEXT)

    best = found.hits[0]
    assert best.item.source.path == "IMG_0001.txt"
    assert "linked texts" in {c.ranking for c in best.contributions if c.rank == 1}
    wrong = {hit.item.source.path: hit.fused for hit in found.hits[1:]}
    assert all(best.fused > score for score in wrong.values())


def test_a_picture_finds_the_text_that_tells_of_its_colours_without_a_link(
    tmp_path: Path,
) -> None:
    draw("yellow", "square").save(tmp_path / "a.png")
    for name, colour in (("one", "blue blue"), ("two", "red red"), ("three", "green green")):
        (tmp_path / f"{name}.txt").write_text(colour, encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        found = find(library, image=Image.new("RGB", (9, 9), "red"), modality=Modality.TEXT)

    assert paths(found.hits)[0] == "two.txt"
    assert ranking(found, "linked texts").left_out == "no text is linked to a near picture"


def test_the_query_picture_is_no_hit_but_its_text_is_the_best(shop: Library) -> None:
    picture = draw("red", "square")
    found = find(shop, image=picture, own="IMG_0000.png")

    assert "IMG_0000.png" not in paths(found.hits)
    assert first(found, Modality.TEXT) == "IMG_0000.txt"
    assert ranking(found, "image to image").size == 3


def test_the_query_picture_is_no_hit_even_when_words_name_it(tiny_library: Library) -> None:
    found = find(tiny_library, "red square", image=draw("red", "square"), own="red square.png")

    assert "red square.png" not in paths(found.hits)
    assert paths(found.hits)[0] == "red square.txt"


def test_a_copy_of_the_query_picture_is_no_hit_either(shop: Library) -> None:
    data = (shop.root / "IMG_0000.png").read_bytes()
    (shop.root / "IMG_0007.png").write_bytes(data)
    shop.ingest()

    found = find(shop, image=draw("red", "square"), own="IMG_0000.png")

    assert not {"IMG_0000.png", "IMG_0007.png"} & set(paths(found.hits))


def test_the_same_picture_without_its_hash_is_a_hit(shop: Library) -> None:
    found = find(shop, image=draw("red", "square"))

    assert first(found, Modality.IMAGE) == "IMG_0000.png"
    assert found.hits[0].score <= 1.0


def test_a_library_of_the_query_picture_alone_still_tells_its_text(tmp_path: Path) -> None:
    draw("red", "square").save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("Ferrari tractor.", encoding="utf-8")
    with Library.create(tmp_path, overrides=FAKES) as library:
        library.ingest()
        found = find(library, image=draw("red", "square"), own="a.png")

    assert paths(found.hits) == ["a.txt"]
    assert ranking(found, "image to image").left_out == "the list is empty"


# -- from both --


def test_words_decide_among_pictures_of_one_colour(shop: Library) -> None:
    (shop.root / "barn.png").write_bytes((shop.root / "IMG_0000.png").read_bytes() + b"\0")
    shop.ingest()
    picture = draw("red", "square")

    alone = find(shop, image=picture, modality=Modality.IMAGE)
    composed = find(shop, "barn", image=picture, modality=Modality.IMAGE)

    # They look the same, so one goes under the other; the words say which.
    assert [one.source.path for one in alone.hits[0].duplicates] == ["barn.png"]
    assert composed.hits[0].item.source.path == "barn.png"
    assert [one.source.path for one in composed.hits[0].duplicates] == ["IMG_0000.png"]


def test_a_composed_query_uses_the_lists_of_both(tiny_library: Library) -> None:
    words = find(tiny_library, "tomato")
    picture = find(tiny_library, image=draw("red", "circle"))
    both = find(tiny_library, "tomato", image=draw("red", "circle"))

    names = [{one.name for one in found.rankings} for found in (words, picture, both)]
    assert names[2] == names[0] | names[1]
    assert not names[0] & names[1]


def test_words_that_only_ask_leave_the_search_to_the_picture(tiny_library: Library) -> None:
    picture = draw("red", "circle")

    asked = find(tiny_library, "What is this?", image=picture)

    assert asked.hits == find(tiny_library, image=picture).hits


# -- bounds --


@pytest.mark.parametrize("modality", list(Modality))
def test_only_the_modality_that_is_asked_for_is_found(
    tiny_library: Library, modality: Modality
) -> None:
    hits = find(tiny_library, "red square", modality=modality).hits

    assert {hit.item.modality for hit in hits} == {modality}
    assert len(hits) == {"image": 3, "text": 4}[modality]


def test_the_filter_changes_no_order(tiny_library: Library) -> None:
    every = find(tiny_library, "red square").hits
    texts = find(tiny_library, "red square", modality=Modality.TEXT).hits

    assert texts == tuple(hit for hit in every if hit.item.modality is Modality.TEXT)


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_a_smaller_top_k_gives_the_beginning_of_a_larger_one(
    tiny_library: Library, top_k: int
) -> None:
    hits = find(tiny_library, "red square", top_k=top_k).hits

    assert hits == find(tiny_library, "red square").hits[:top_k]
    assert len(hits) == top_k


@pytest.mark.parametrize("top_k", [-1, 0, MOST_HITS + 1])
def test_a_top_k_out_of_range_is_refused(tiny_library: Library, top_k: int) -> None:
    with pytest.raises(InvalidQueryError, match=rf"top_k is {top_k}.* between 1 and 1000"):
        find(tiny_library, "red", top_k=top_k)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_query_is_refused(tiny_library: Library, text: str) -> None:
    with pytest.raises(InvalidQueryError, match="empty"):
        find(tiny_library, text)


@pytest.mark.parametrize("text", ["?", "。", "🌷", "'\"*()", "NEAR AND OR NOT", "x" * 10_000])
def test_odd_queries_raise_nothing(tiny_library: Library, text: str) -> None:
    assert len(find(tiny_library, text).hits) <= 7


# -- languages --


def test_lists_of_an_encoder_that_does_not_read_the_query_are_left_out_and_words_find_it(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("florilegium.testing.encoder.FakeEncoder", EnglishEncoder)
    with Library.create(tiny_folder, overrides=FAKES) as library:
        library.ingest()
        found = find(library, "三角形有几个角？")
        english = find(library, "red")

    assert paths(found.hits)[0] == "notes/蓝色.txt"
    reasons = {one.name: one.left_out for one in found.rankings if one.left_out}
    for name in ("chunks", "sentences", "cards", "text to image"):
        assert reasons[name] == "fake:32 does not read zh"
        assert ranking(english, name).left_out is None
    assert ranking(found, "words").left_out is None
    assert found.evidence.reasons[-1].startswith("文本编码器 fake:32 不支持这种语言")
    assert "does not read" not in " ".join(english.evidence.reasons)
    assert "notes/蓝色.txt" not in paths(english.hits)  # no vector of it was made


# -- what is shown of the way --


def lists_of(hit: Hit) -> float:
    """Return the weighted mean of what lists gave, plus what links lent."""
    lists = [c for c in hit.contributions if c.ranking != "links"]
    lent = sum(c.weight * c.z for c in hit.contributions if c.ranking == "links")
    return sum(c.weight * c.z for c in lists) / max(1.0, sum(c.weight for c in lists)) + lent


@pytest.mark.parametrize(
    ("text", "colour"), [("red square", None), ("", "red"), ("green corners", "blue")]
)
def test_contributions_account_for_every_fused_score(
    tiny_library: Library, text: str, colour: str | None
) -> None:
    found = find(tiny_library, text, image=draw(colour, "circle") if colour else None)

    assert [hit.fused for hit in found.hits] == pytest.approx([lists_of(h) for h in found.hits])
    assert [hit.fused for hit in found.hits] == sorted((h.fused for h in found.hits), reverse=True)


def test_summaries_account_for_every_contribution(tiny_library: Library) -> None:
    found = find(tiny_library, "green corners", image=draw("blue", "circle"))

    for hit in found.hits:
        lists = [c for c in hit.contributions if c.ranking != "links"]
        taken = [s for s in found.rankings if not s.left_out and s.modality == hit.item.modality]
        assert sorted(c.ranking for c in lists) == sorted(s.name for s in taken)
        for contribution in lists:
            summary = ranking(found, contribution.ranking)
            z = (contribution.score - summary.mean) / summary.deviation
            assert contribution.z == pytest.approx(z)
            assert contribution.weight == summary.weight
            assert contribution.rank is None or 1 <= contribution.rank <= summary.size


def test_the_score_of_a_hit_is_its_best_cosine(tiny_library: Library) -> None:
    dense = {"chunks", "sentences", "cards", "text to image"}
    for hit in find(tiny_library, "red square").hits:
        cosines = [c.score for c in hit.contributions if c.ranking in dense and c.rank is not None]
        assert hit.score == max(cosines)
        assert -1.0 <= hit.score <= 1.0


def test_a_link_lends_to_the_best_chunk_of_a_file_only(tmp_path: Path) -> None:
    for name, colour in (("rose", "red"), ("sky", "blue")):
        draw(colour, "square").save(tmp_path / f"{name}.png")
    paragraphs = [f"Paragraph {n} on roses. " * 12 for n in range(6)]
    paragraphs[3] = "The red ones are scarlet. " * 9
    (tmp_path / "rose.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    overrides = {**FAKES, "ingest.chunk_tokens": 64}
    with Library.create(tmp_path, overrides=overrides) as library:
        library.ingest()
        hits = find(library, "red", modality=Modality.TEXT).hits

    assert len(hits) > 3
    lent = [hit for hit in hits if any(c.ranking == "links" for c in hit.contributions)]
    assert len(lent) == 1
    assert "red ones" in lent[0].item.text


def test_every_list_is_named_once_taken_or_left_out(tiny_library: Library) -> None:
    found = find(tiny_library, "corners", image=draw("red", "circle"))
    names = [one.name for one in found.rankings]

    assert len(names) == len(set(names))
    assert {"chunks", "sentences", "cards", "words", "card words", "text to image",
            "image to image", "image to text", "linked texts"} <= set(names)  # fmt: skip


# -- evidence --


def test_evidence_is_strong_for_what_the_library_tells(tiny_library: Library) -> None:
    evidence = find(tiny_library, "Do the roses want water in June?").evidence

    assert evidence.confidence > 0.9
    assert any("100% of the question's words" in reason for reason in evidence.reasons)


@pytest.mark.parametrize(
    "question", ["quantum chromodynamics lattice", "Is the bridge open to lorries?"]
)
def test_evidence_is_weak_for_a_foreign_question(tiny_library: Library, question: str) -> None:
    assert find(tiny_library, question).evidence.confidence < 0.3


def test_the_very_picture_is_the_strongest_evidence(shop: Library) -> None:
    evidence = find(shop, image=draw("red", "square"), own="IMG_0000.png").evidence

    assert evidence.confidence > 0.99
    assert evidence.reasons == ("The very picture is in the library.",)


def test_a_picture_of_something_else_is_weak_evidence(shop: Library) -> None:
    assert find(shop, image=Image.new("RGB", (9, 9), "purple")).evidence.confidence < 0.3


def test_evidence_does_not_depend_on_how_many_hits_are_shown(tiny_library: Library) -> None:
    question = "ripe tomato"
    pictures = find(tiny_library, question, modality=Modality.IMAGE, top_k=1)

    assert pictures.evidence == find(tiny_library, question).evidence
