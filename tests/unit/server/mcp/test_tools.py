"""The tools over the SDK's own client in this process, on a library with fakes."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from mcp import Client
from PIL import Image

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.errors import ChatError
from florilegium.server.mcp import tools as module
from florilegium.server.mcp.mcp_server import make_server
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER, User
from florilegium.testing.chat_model import FakeChatModel
from tests.unit.server.samples import data_address, speak_by

ANA = User(name="ana", libraries=frozenset({"tiny"}))


def use(
    library: Library,
    work: Callable[[Client, Service], Awaitable[Any]],
    *,
    names: tuple[str, ...] = ("tiny",),
    user: User = LOCAL_USER,
) -> Any:
    """Return what the work with a client gives."""

    async def run() -> Any:
        service = Service(dict.fromkeys(names, library), config=ServerConfig())
        try:
            async with Client(make_server(service, user_of=lambda _: user)) as client:
                return await work(client, service)
        finally:
            service.close()

    return asyncio.run(run())


def call(library: Library, tool: str, /, *, user: User = LOCAL_USER, **arguments: Any) -> Any:
    """Return the result of one call."""
    names = arguments.pop("names", ("tiny",))

    async def work(client: Client, _: Service) -> Any:
        return await client.call_tool(tool, arguments)

    return use(library, work, names=names, user=user)


def texts(result: Any) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def pictures(result: Any) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(part.data)))
        for part in result.content
        if part.type == "image"
    ]


@pytest.mark.parametrize("tool", ["search", "ask"])
def test_no_picture_is_read_for_what_is_refused(
    tiny_library: Library, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(Service, "read_picture", lambda *_, **__: read.append(1))
    words: dict[str, Any] = {{"search": "text", "ask": "question"}[tool]: "x" * 4001}

    long = call(tiny_library, tool, picture=data_address(), **words)
    outside = call(tiny_library, tool, picture=data_address(), where={"folders": ["../x"]})

    assert "4001 characters" in texts(long)
    assert "not within the library" in texts(outside)
    assert read == []


@pytest.mark.parametrize(
    ("arguments", "best"),
    [
        ({"text": "red square", "modality": "image"}, "red square.png"),
        ({"text": "roses in June", "modality": "text"}, "notes/garden.md"),
        ({"picture": data_address("blue", "triangle"), "modality": "image"}, "notes/triangle.png"),
        ({"picture": data_address().split(",")[1], "modality": "text"}, "red square.txt"),
        (
            {"text": "red", "modality": "image", "where": {"folders": ["notes"]}},
            "notes/triangle.png",
        ),
    ],
)
def test_search_finds_in_all_directions(
    tiny_library: Library, arguments: dict[str, Any], best: str
) -> None:
    result = call(tiny_library, "search", top_k=2, **arguments)

    assert not result.is_error, texts(result)
    assert result.structured_content["hits"][0]["path"] == best
    assert best in texts(result)


def test_found_pictures_are_shown_after_their_words(tiny_library: Library) -> None:
    result = call(tiny_library, "search", text="red square", modality="image", top_k=1)

    assert [part.type for part in result.content] == ["text", "text", "image"]
    assert pictures(result)[0].size == (64, 64)


def test_found_pictures_need_not_be_shown(tiny_library: Library) -> None:
    result = call(tiny_library, "search", text="red square", show_pictures=False)

    assert pictures(result) == []


def test_ask_answers_with_citations(tiny_library: Library) -> None:
    result = call(tiny_library, "ask", question="How many sides has a red square?")

    said = result.structured_content
    assert said["answer"] == "A red square has four equal sides. [1]"
    assert said["citations"][0]["path"] == "red square.txt"
    assert said["citations"][0]["quote"] == "A red square has four equal sides."
    assert texts(result).startswith("A red square has four equal sides. [1]\n\n[1] red square.txt")


def test_ask_shows_cited_pictures(tiny_library: Library) -> None:
    speak_by(tiny_library, FakeChatModel(["A circle [1] [2]."], generative=False))

    result = call(tiny_library, "ask", picture=data_address("green", "circle"))

    cited = [one["modality"] for one in result.structured_content["citations"]]
    assert len(pictures(result)) == cited.count("image") == 1


def test_a_refusal_is_a_result_and_no_error(tiny_library: Library) -> None:
    result = call(tiny_library, "ask", question="Who won the football match in 1954?")

    assert not result.is_error
    assert result.structured_content["refused"] is True
    assert "no evidence" in texts(result)


def test_get_item_shows_a_picture(tiny_library: Library) -> None:
    [hit] = tiny_library.search("red square", modality="image", top_k=1)

    result = call(tiny_library, "get_item", id=hit.item.id)

    assert result.structured_content["path"] == "red square.png"
    assert result.structured_content["width"] == 64
    assert pictures(result)[0].size == (64, 64)


def test_get_item_gives_a_chunk_and_the_text_of_its_file(tiny_library: Library) -> None:
    [hit] = tiny_library.search("roses water June", modality="text", top_k=1)

    result = call(tiny_library, "get_item", id=hit.item.id, whole_file=True)

    said = result.structured_content
    start, end = said["span"]
    assert "The roses want water" in said["text"]
    assert said["file_text"][start:end].strip() == said["text"].strip()
    assert pictures(result) == []


def test_a_long_text_is_cut_and_says_so(
    tiny_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_FILE_TEXT", 10)
    [hit] = tiny_library.search("roses water June", modality="text", top_k=1)

    said = call(tiny_library, "get_item", id=hit.item.id, whole_file=True).structured_content

    assert len(said["file_text"]) == 10
    assert said["notes"][0].startswith("The text goes on: 10 of ")


def test_libraries_are_those_that_the_user_sees(tiny_library: Library) -> None:
    result = call(tiny_library, "list_libraries", names=("tiny", "other"), user=ANA)

    [only] = result.structured_content["libraries"]
    assert (only["name"], only["files"], only["pictures"], only["texts"]) == ("tiny", 7, 3, 4)


def test_a_library_without_an_index_is_listed_with_its_problem(tiny_library: Library) -> None:
    with Library.create(tiny_library.root.parent / "new") as new:
        result = call(new, "list_libraries")

    assert result.structured_content["libraries"][0]["files"] is None
    assert "ingest" in result.structured_content["libraries"][0]["problem"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {}, "The query is empty."),
        ("search", {"text": "x" * 5000}, "at most 4000"),
        ("search", {"text": "red", "library": "other"}, "There is no library 'other' here."),
        ("search", {"picture": "http://127.0.0.1:1/a.png"}, "the server fetches nothing"),
        ("ask", {"picture": "AAAA"}, "not a picture of a known kind"),
        ("ask", {"question": " "}, "A question needs words or a picture"),
        ("ask", {"question": "x", "where": {"folders": [".."]}}, "not within the library"),
        ("get_item", {"id": "0" * 32}, "There is no item"),
        ("get_item", {"id": "../../etc/passwd"}, "'id' has to match"),
        ("search", {"text": "a", "top_k": 51}, "'top_k' has to be at most 50"),
    ],
)
def test_what_is_wrong_is_an_error_of_the_tool_that_says_what_to_do(
    tiny_library: Library, tool: str, arguments: dict[str, Any], said: str
) -> None:
    result = call(tiny_library, tool, user=ANA, names=("tiny", "other"), **arguments)

    assert result.is_error
    assert said in texts(result)


def test_a_library_has_to_be_named_where_there_are_several(tiny_library: Library) -> None:
    result = call(tiny_library, "search", text="red", names=("tiny", "other"))

    assert result.is_error
    assert "Name one as `library`: tiny, other." in texts(result)


def test_a_chat_model_that_refuses_is_an_error_of_the_tool(tiny_library: Library) -> None:
    speak_by(tiny_library, FakeChatModel([], generative=False))

    result = call(tiny_library, "ask", question="How many sides has a red square?")

    assert result.is_error
    assert "no reply left" in texts(result)


def test_who_asks_for_progress_hears_the_answer_grow(tiny_library: Library) -> None:
    told: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert total is None
        told.append((progress, message))

    async def work(client: Client, _: Service) -> Any:
        question = {"question": "How many sides has a red square?"}
        return await client.call_tool("ask", question, progress_callback=note)

    result = use(tiny_library, work)

    assert told[0][0] == 1.0
    assert re.fullmatch(r"Found \d+ sources\.", told[0][1] or "")
    assert [progress for progress, _ in told] == sorted({progress for progress, _ in told})
    grown = "".join(message or "" for _, message in told[1:])
    assert grown == result.structured_content["answer"]


def test_who_cancels_stops_the_chat_model(tiny_library: Library) -> None:
    model = FakeChatModel(["word " * 100_000, ChatError("unused")], generative=False)
    speak_by(tiny_library, model)

    async def work(client: Client, service: Service) -> None:
        with anyio.move_on_after(60) as scope:

            async def stop(progress: float, total: float | None, message: str | None) -> None:
                if progress > 2:
                    scope.cancel()

            question = {"question": "How many sides has a red square?"}
            await client.call_tool("ask", question, progress_callback=stop)
        assert scope.cancelled_caught
        for _ in range(1000):
            if not model.open_streams and not service.answers.running:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the chat model goes on")

    use(tiny_library, work)
    assert model.received
