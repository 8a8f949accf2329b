"""What a model gives a tool is checked, and wrong arguments are told in words of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import Client

from florilegium.config_sections import ServerConfig
from florilegium.server.mcp import arguments
from florilegium.server.mcp.mcp_server import make_server
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER


def call(tool: str, given: dict[str, Any]) -> str:
    """Return what a call is told that is refused before any library is asked."""

    async def run() -> str:
        service = Service({}, config=ServerConfig())
        try:
            server = make_server(service, user_of=lambda _: LOCAL_USER)
            async with Client(server) as client:
                result = await client.call_tool(tool, given)
        finally:
            service.close()
        assert result.is_error
        [told] = result.content
        assert told.type == "text"
        return told.text

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("tool", "name", "meant"),
    [
        ("ask", "image", "picture"),
        ("search", "images", "picture"),
        ("search", "query", "text"),
        ("ask", "query", "question"),
        ("ask", "text", "question"),
        ("search", "question", "text"),
        ("search", "limit", "top_k"),
        ("search", "Picture", "picture"),
        ("search", "filters", "where"),
        ("get_item", "item_id", "id"),
        ("ask", "librry", "library"),
    ],
)
def test_an_argument_that_is_unknown_is_refused_with_the_one_that_is_meant(
    tool: str, name: str, meant: str
) -> None:
    told = call(tool, {name: "x"})

    assert told == f"{tool}: There is no argument {name!r}; did you mean {meant!r}?"


def test_where_nothing_is_near_all_arguments_are_named() -> None:
    assert call("get_item", {"zzz": 1}) == (
        "get_item: There is no argument 'zzz'. It takes 'id', 'library', 'whole_file'."
    )
    assert call("list_libraries", {"x" * 500: 1}) == (
        f"list_libraries: There is no argument '{'x' * 100}'. It takes none."
    )


@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        ("get_item", {}, "'id' has to be given."),
        ("get_item", {"id": "../a"}, ("'id' has to match ^[0-9a-f]{32}$. Id of the item, from a "
         "hit or a citation.")),
        ("search", {"top_k": 51}, "'top_k' has to be at most 50."),
        ("search", {"top_k": 0}, "'top_k' has to be at least 1."),
        ("search", {"top_k": "many"}, "'top_k' has to be a whole number."),
        ("search", {"text": 3}, "'text' has to be a text."),
        ("search", {"modality": "sound"}, "'modality' has to be 'image' or 'text'."),
        ("search", {"show_pictures": "maybe"}, "'show_pictures' has to be true or false."),
        ("ask", {"where": "roses"}, "'where' has to be an object."),
        ("ask", {"where": {"labels": "rose"}}, "'where.labels' has to be a list."),
        ("ask", {"where": {"labels": [""]}}, "'where.labels.0' may not be empty."),
        ("ask", {"where": {"labels": ["x" * 501]}}, ("'where.labels.0' may have at most 500 "
         "characters.")),
        ("ask", {"where": {"labels": ["x"] * 101}}, "'where.labels' may have at most 100 entries."),
        ("ask", {"where": {"since": "May"}}, "'where.since' has to be a day, such as 2024-05-31."),
        ("ask", {"where": {"folder": ["a"], "since": "May"}}, ("There is no argument "
         "'where.folder'; did you mean 'folders'? 'where.since' has to be a day, such as "
         "2024-05-31.")),
        ("search", {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, "And 2 more."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_without_words_of_pydantic(
    tool: str, given: dict[str, Any], told: str
) -> None:
    said = call(tool, given)

    assert said.startswith(f"{tool}: ")
    assert said.endswith(told)
    assert not any(word in said for word in ("validation", "Arguments", "type=", "pydantic"))


def test_of_many_wrong_arguments_few_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(name: str, known: object) -> None:
        looked.append(name)

    monkeypatch.setattr(arguments, "meant_by", look)
    wrong = dict.fromkeys((f"{i:0>5000}" for i in range(200)), 1)

    assert call("search", wrong).endswith("And 197 more.")
    assert [len(name) for name in looked] == [100] * 3

    looked.clear()
    assert call("search", {"where": dict.fromkeys(list(wrong)[:64], 1)}).endswith("And 61 more.")
    assert [len(name) for name in looked] == [100] * 3


def test_too_many_names_within_an_argument_are_refused_as_one() -> None:
    assert call("search", {"where": dict.fromkeys(map(str, range(5000)))}) == (
        "search: 'where' may have at most 64 entries."
    )
