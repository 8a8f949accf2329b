"""What a person is shown to choose from, and the queries that a library brings along."""

from __future__ import annotations

from dataclasses import replace

from florilegium import Library
from florilegium.labelling import caption_queries, pool
from florilegium.retrieve import Explanation
from florilegium.types import Modality


def _found(library: Library) -> Explanation:
    return library.explain("red square", top_k=100)


def test_the_pool_has_each_file_once(tiny_library: Library) -> None:
    paths = [hit.item.source.path for hit in pool(_found(tiny_library))]

    assert len(paths) == len(set(paths)) == 7


def test_what_is_high_in_any_list_is_in_the_pool(tiny_library: Library) -> None:
    found = _found(tiny_library)

    paths = [hit.item.source.path for hit in pool(found, depth=1)]

    high = {
        hit.item.source.path
        for hit in found.hits
        if any(part.rank in (1, 2, 3) for part in hit.contributions)
    }
    assert paths[0] == found.hits[0].item.source.path
    assert set(paths) == high
    assert len(paths) > 1


def test_what_no_list_ranks_high_is_not_in_the_pool(tiny_library: Library) -> None:
    found = _found(tiny_library)
    low = tuple(
        replace(hit, contributions=tuple(replace(c, rank=9) for c in hit.contributions))
        for hit in found.hits
    )

    assert len(pool(replace(found, hits=low), depth=2)) == 2


def test_titles_and_names_ask_for_their_files(tiny_library: Library) -> None:
    queries = {(q.text, q.modality): list(q.relevant) for q in caption_queries(tiny_library.index)}

    assert queries["Garden notes", Modality.TEXT] == ["notes/garden.md"]
    assert queries["red square", Modality.IMAGE] == ["red square.png"]
    assert queries["red square", Modality.TEXT] == ["red square.txt"]


def test_what_a_text_calls_a_picture_comes_before_its_name(tiny_library: Library) -> None:
    page = "# Signs\n\n![a blue warning sign](notes/triangle.png)\n"
    (tiny_library.root / "signs.md").write_text(page, encoding="utf-8")
    tiny_library.ingest()

    asked = {q.text: list(q.relevant) for q in caption_queries(tiny_library.index)
             if q.modality is Modality.IMAGE}  # fmt: skip

    assert asked["a blue warning sign"] == ["notes/triangle.png"]
    assert "triangle" not in asked


def test_files_of_one_title_are_all_relevant(tiny_library: Library) -> None:
    for name in ("a.md", "b.md"):
        (tiny_library.root / name).write_text(f"# Tulip\n\nText {name}.\n", encoding="utf-8")
    tiny_library.ingest()

    asked = {q.text: list(q.relevant) for q in caption_queries(tiny_library.index)}

    assert asked["Tulip"] == ["a.md", "b.md"]
