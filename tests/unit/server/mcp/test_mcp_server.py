"""The MCP server as clients see it: tools, their shapes, and what it says of itself."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from mcp import Client

from florilegium.config_sections import ServerConfig
from florilegium.server.mcp.mcp_server import INSTRUCTIONS, make_server
from florilegium.server.service import Service
from florilegium.server.users import LOCAL_USER


@pytest.fixture
def tools() -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        service = Service({}, config=ServerConfig())
        async with Client(make_server(service, user_of=lambda _: LOCAL_USER)) as client:
            assert client.instructions == INSTRUCTIONS
            assert client.server_info is not None
            assert client.server_info.name == "florilegium"
            listed = (await client.list_tools()).tools
        service.close()
        return {tool.name: tool for tool in listed}

    return asyncio.run(run())


def test_there_are_four_tools_and_all_of_them_only_read(tools: dict[str, Any]) -> None:
    assert set(tools) == {"list_libraries", "search", "ask", "get_item"}
    for tool in tools.values():
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.title


def test_each_tool_says_what_it_takes_and_gives(tools: dict[str, Any]) -> None:
    for tool in tools.values():
        assert len(tool.description) > 50
        assert not tool.description.startswith(" ")
        assert tool.output_schema["properties"]
        for name, argument in tool.input_schema["properties"].items():
            assert argument.get("description"), f"{tool.name}: {name}"


def test_no_tool_takes_what_its_schema_does_not_have(tools: dict[str, Any]) -> None:
    for tool in tools.values():
        assert tool.input_schema["additionalProperties"] is False


def test_nothing_has_to_be_given_but_the_id_of_an_item(tools: dict[str, Any]) -> None:
    required = {name: tool.input_schema.get("required", []) for name, tool in tools.items()}

    assert required == {"list_libraries": [], "search": [], "ask": [], "get_item": ["id"]}


def test_making_a_server_leaves_logging_as_it_is() -> None:
    before = (list(logging.root.handlers), logging.root.level)

    make_server(Service({}, config=ServerConfig()), user_of=lambda _: LOCAL_USER)

    assert (logging.root.handlers, logging.root.level) == before
