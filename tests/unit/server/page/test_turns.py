"""A kept chat becomes the history of the next question, and answers become what is kept."""

from __future__ import annotations

import io

from PIL import Image

from florilegium import Library
from florilegium.answers import Retrieved
from florilegium.errors import StoreError
from florilegium.serialize import Json
from florilegium.server.chats import Exchange
from florilegium.server.page.turns import (
    data_url,
    error_to_json,
    finished_reply,
    hits_with_contributions,
    is_whole,
    jpeg,
    small,
    turns_of,
    unfinished_reply,
)
from tests.conftest import draw


def citations_of(reply: Json) -> list[Json]:
    citations = reply["citations"]
    assert isinstance(citations, list)
    return citations


def exchange(question: str, *, picture: bytes | None = None, **reply: object) -> Exchange:
    told = {"answer": f"to {question}", "identification": None, **reply}
    return Exchange(question=question, reply=told, picture=picture)


def test_turns_are_those_of_whole_answers_oldest_first() -> None:
    kept = [
        exchange("a"),
        exchange("b", stopped=True),
        exchange("c", error={"code": "x"}),
        exchange("d"),
    ]

    turns = turns_of(kept, most=10)

    assert [(turn.question, turn.answer) for turn in turns] == [("a", "to a"), ("d", "to d")]


def test_at_most_so_many_turns_are_given_and_none_if_none_are_wanted() -> None:
    kept = [exchange(name) for name in "abcd"]

    assert [turn.question for turn in turns_of(kept, most=2)] == ["c", "d"]
    assert turns_of(kept, most=0) == ()


def test_only_the_newest_picture_is_held_and_it_stays_in_play() -> None:
    picture = jpeg(draw("red", "square"), 64)
    kept = [exchange("a", picture=picture), exchange("b", picture=picture), exchange("c")]

    turns = turns_of(kept, most=3)

    assert [turn.image is not None for turn in turns] == [False, True, False]
    assert [turn.question for turn in turns_of([*kept, exchange("d")], most=2)] == ["b", "d"]


def test_what_a_picture_shows_comes_back(tiny_library: Library) -> None:
    answer = tiny_library.ask("What is this?", image=draw("green", "circle", size=48))
    assert answer.identification is not None

    [turn] = turns_of([Exchange(question="a", reply=finished_reply(answer))], most=1)

    assert turn.identification == answer.identification


def test_a_finished_reply_has_what_each_list_gave(tiny_library: Library) -> None:
    answer = tiny_library.ask("How many sides has the red square?")

    reply = finished_reply(answer)

    assert is_whole(reply)
    assert reply["answer"] == answer.text
    first = hits_with_contributions(answer.hits)[0]
    assert first["id"] == answer.hits[0].item.id
    assert first["contributions"]


def test_an_unfinished_reply_says_why_it_is(tiny_library: Library) -> None:
    hits = tuple(tiny_library.search("red"))
    found = Retrieved(hits=hits, searched="red", with_image=False)
    error = StoreError("It failed.", hint="Mend it.")

    stopped = unfinished_reply("so [2] f [99]", found=found)
    failed = unfinished_reply("", error=error_to_json(error))

    assert (stopped["stopped"], stopped["error"], stopped["answer"]) == (
        True,
        None,
        "so [2] f [99]",
    )
    [cited] = citations_of(stopped)
    assert (cited["number"], cited["id"]) == (2, hits[1].item.id)
    assert citations_of(failed) == []
    assert failed["error"] == {
        "code": "store_failed",
        "message": "It failed.",
        "hint": "Mend it.",
    }
    assert not is_whole(stopped)
    assert not is_whole(failed)


def test_pictures_are_kept_as_small_jpegs() -> None:
    picture = jpeg(Image.new("RGB", (3000, 1500), "red"), 1024)

    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 512))
    with Image.open(io.BytesIO(small(picture))) as image:
        assert image.size == (320, 160)
    assert data_url(b"x") == "data:image/jpeg;base64,eA=="
