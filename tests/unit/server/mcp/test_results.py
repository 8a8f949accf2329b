"""What tools give, as data and in words."""

from __future__ import annotations

from dataclasses import replace

from florilegium import Library
from florilegium.answers import Candidate, Failure, Identification
from florilegium.serialize import item_to_json
from florilegium.server.mcp import results
from florilegium.server.mcp.results import LibrariesResult, LibraryResult, WholeItemResult
from florilegium.server.served import Served
from tests.unit.server.openai.test_footer import answer_of


def test_a_search_is_told_best_first_with_ids(tiny_library: Library) -> None:
    found = tiny_library.explain("red square", top_k=3)

    result = results.search_result(found, library="tiny")

    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert [hit.id for hit in result.hits] == [hit.item.id for hit in found.hits]
    first = result.hits[0]
    assert results.tell_hit(first).startswith(f"1. {first.path} (")
    assert first.id in results.tell_hit(first)
    assert results.tell_search(result).startswith("Found 3 in 'tiny', best first. Confidence")


def test_an_empty_search_says_so(tiny_library: Library) -> None:
    found = replace(tiny_library.explain("red"), hits=())

    result = results.search_result(found, library="tiny")

    assert results.tell_search(result) == "Nothing in 'tiny' was found."


def test_an_answer_is_told_with_its_sources() -> None:
    answer = replace(answer_of("a.txt"), notes=("A note.",))

    told = results.tell_answer(results.ask_result(answer, library="tiny"))

    assert told.split("\n") == [
        "It is so [1].",
        "",
        f"[1] a.txt (text, id {1:032})",
        "Confidence: 1.00.",
        "A note.",
    ]


def test_a_refusal_says_that_there_is_no_evidence() -> None:
    answer = replace(answer_of(), text="No.", refused=True, reasons=("Too far.",))

    told = results.tell_answer(results.ask_result(answer, library="tiny"))

    assert "The library has no evidence for an answer. Too far." in told


def test_what_the_picture_shows_and_what_failed_are_told() -> None:
    rose = Candidate(name="rose", share=0.9)
    answer = replace(
        answer_of("a.txt"),
        identification=Identification(candidates=(rose,), chosen=rose, by="vote"),
        failure=Failure(model="m", code="chat_failed", message="It broke.", stands_in=True),
    )

    result = results.ask_result(answer, library="tiny")

    assert "The picture shows: rose (vote)" in results.tell_answer(result)
    assert "The chat model failed: m: It broke." in results.tell_answer(result)
    assert result.identification is not None
    assert result.identification["chosen"] == "rose"


def test_a_library_that_cannot_be_counted_says_why(tiny_library: Library) -> None:
    served = Served(name="tiny", title="Tiny things", library=tiny_library)
    counted = results.library_result(served, tiny_library.statistics())
    broken = results.library_result(served, None, problem="Nothing was ingested.")

    told = results.tell_libraries(LibrariesResult(libraries=[counted, broken]))

    assert told.split("\n") == [
        "tiny (Tiny things): 7 files, 3 pictures, 4 chunks of text",
        "tiny (Tiny things): Nothing was ingested.",
    ]
    assert "no library" in results.tell_libraries(LibrariesResult(libraries=[]))


def test_an_item_is_told_with_its_fields_and_the_text_of_its_file(tiny_library: Library) -> None:
    [hit] = tiny_library.search("red square", modality="image", top_k=1)
    item = replace(hit.item, fields=(("creator", "Ana"),))
    data = item_to_json(item) | {"library": "tiny", "file_text": "All of it."}

    told = results.tell_item(WholeItemResult.model_validate(data))

    assert told == (
        f"red square.png (image, 64 × 64 pixels, id {item.id})\nred square\ncreator: Ana\n\n"
        "The text of red square.png:\nAll of it."
    )


def test_pictures_are_named_once(tiny_library: Library) -> None:
    hits = tiny_library.search("red square", top_k=7)

    ids = results.pictures_of([*hits, *hits])

    assert len(ids) == len(set(ids)) == 3


def test_halves_of_characters_reach_no_client() -> None:
    result = LibraryResult(name="a", title="茶\udcff")

    assert result.model_dump_json()
    assert result.title == "茶?"
