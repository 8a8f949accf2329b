"""MCP with the SDK's own client: over stdin and stdout, and over HTTP on a real port."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from PIL import Image
from pydantic import SecretStr

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from florilegium.server.service import Service
from tests.conftest import FAKES, ROOT, draw, write_tiny_folder
from tests.docs.pages import read_blocks
from tests.e2e.serving import SlowChatModel, is_free, serving, wait_until
from tests.unit.server.samples import speak_by

COMMAND = [sys.executable, "-c", "from florilegium.cli.app import main; main()", "mcp"]
QUESTION = {"question": "How many sides has a red square?"}
Mode = Literal["auto", "legacy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an ingested library that other processes can open."""
    folder = tmp_path_factory.mktemp("libraries") / "tiny"
    write_tiny_folder(folder)
    with Library.create(folder, overrides={**FAKES, "store.name": "chroma"}) as library:
        library.ingest()
    return folder


def picture() -> str:
    file = io.BytesIO()
    draw("green", "circle", size=48).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@asynccontextmanager
async def over_stdio(folder: Path, errors: Any, mode: Mode) -> AsyncIterator[Client]:
    command = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], "--library", str(folder)], env=dict(os.environ)
    )
    async with Client(stdio_client(command, errlog=errors), mode=mode) as client:
        yield client


async def all_tools(client: Client) -> None:
    """Go through the tools as a model would."""
    assert [tool.name for tool in (await client.list_tools()).tools] == [
        "list_libraries", "search", "ask", "get_item",
    ]  # fmt: skip
    listed = await client.call_tool("list_libraries", {})
    assert listed.structured_content is not None
    assert listed.structured_content["libraries"][0]["name"] == "tiny"

    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    answer = await client.call_tool("ask", QUESTION, progress_callback=note)
    assert answer.structured_content is not None
    assert answer.structured_content["answer"] == "A red square has four equal sides. [1]"
    assert "".join(message or "" for message in told[1:]) == answer.structured_content["answer"]

    found = await client.call_tool("search", {"picture": picture(), "modality": "image"})
    assert found.structured_content is not None
    best = found.structured_content["hits"][0]
    assert best["path"] == "circle.png"

    item = await client.call_tool("get_item", {"id": best["id"]})
    [shown] = [part for part in item.content if part.type == "image"]
    assert Image.open(io.BytesIO(base64.b64decode(shown.data))).size == (64, 64)

    wrong = await client.call_tool("get_item", {"id": "0" * 32})
    assert wrong.is_error
    assert wrong.content[0].type == "text"
    assert "search again" in wrong.content[0].text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_program_starts_it_and_uses_all_tools(folder: Path, tmp_path: Path, mode: Mode) -> None:
    async def run() -> None:
        with (tmp_path / "errors").open("w", encoding="utf-8") as errors:
            async with over_stdio(folder, errors, mode) as client:
                await all_tools(client)

    asyncio.run(run())
    assert "Traceback" not in (tmp_path / "errors").read_text(encoding="utf-8")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_it_ends_when_stdin_is_closed_and_writes_nothing_else(folder: Path) -> None:
    out, errors = start("--library", str(folder)).communicate("", timeout=120)

    assert (out, errors) == ("", "")


def test_it_ends_when_it_is_told_to(folder: Path) -> None:
    with start("--library", str(folder)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)

    assert process.returncode != 0


def test_a_library_that_is_none_is_told_of_on_stderr_alone(tmp_path: Path) -> None:
    process = start("--library", str(tmp_path))

    out, errors = process.communicate("", timeout=120)

    assert process.returncode == 2
    assert out == ""
    assert "is no library" in errors


def over_http(
    library: Library,
    work: Callable[[Client, Service], Awaitable[Any]],
    *,
    mode: Mode = "auto",
    config: ServerConfig | None = None,
) -> None:
    """Do the work with a client of a served library."""
    # NiceGUI has one app for a process, and other tests have made pages in this one.
    app = create_app(library, config=config or ServerConfig(page=False))
    with serving(app) as address:

        async def run() -> None:
            async with Client(f"{address}/mcp", mode=mode) as client:
                await work(client, app.state.service)

        asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_all_tools_are_there_over_http(tiny_library: Library, mode: Mode) -> None:
    async def work(client: Client, _: Service) -> None:
        await all_tools(client)

    over_http(tiny_library, work, mode=mode)


def test_a_server_with_a_key_wants_it(tiny_library: Library, tmp_path: Path) -> None:
    config = ServerConfig(page=False, folder=str(tmp_path)).with_api_key(
        SecretStr("s3cret key of the server")
    )

    async def names(address: str, key: str) -> list[str]:
        headers = {"Authorization": f"Bearer {key}"}
        http = httpx2.AsyncClient(headers=headers)
        async with http, Client(streamable_http_client(f"{address}/mcp", http_client=http)) as one:
            return [tool.name for tool in (await one.list_tools()).tools]

    with serving(create_app(tiny_library, config=config)) as address:
        assert "ask" in asyncio.run(names(address, "s3cret key of the server"))
        with pytest.raises((MCPError, ExceptionGroup)):
            asyncio.run(names(address, "wrong"))


def test_the_example_of_the_page_works_with_two_libraries(tiny_library: Library) -> None:
    page = ROOT / "docs" / "how-to" / "use-over-mcp.md"
    [example] = [
        block.code
        for block in read_blocks(page.read_text(encoding="utf-8"), page.name)
        if block.language == "python"
    ]
    app = create_app({"tiny": tiny_library, "other": tiny_library}, config=ServerConfig(page=False))

    with serving(app) as address:
        program = example.replace("http://localhost:8000", address)
        assert program != example
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=120
        )

    assert ran.returncode == 0, ran.stderr
    assert "garden.md" in ran.stdout


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_cancels_stops_the_model(tiny_library: Library, mode: Mode) -> None:
    model = SlowChatModel()
    speak_by(tiny_library, model)

    async def work(client: Client, service: Service) -> None:
        with anyio.move_on_after(60) as scope:

            async def stop(progress: float, total: float | None, message: str | None) -> None:
                if progress > 2:
                    scope.cancel()

            await client.call_tool("ask", QUESTION, progress_callback=stop)
        assert scope.cancelled_caught
        await asyncio.to_thread(wait_until, lambda: is_free(service, model))

    over_http(tiny_library, work, mode=mode)
    assert model.received


ASKING = """
import asyncio, sys
from mcp import Client

async def ask():
    async with Client(sys.argv[1] + "/mcp", mode=sys.argv[2]) as client:
        await client.call_tool("ask", {"question": "How many sides has a red square?"})

asyncio.run(ask())
"""


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_that_is_killed_stops_the_model(tiny_library: Library, mode: Mode) -> None:
    model = SlowChatModel()
    speak_by(tiny_library, model)
    app = create_app(tiny_library, config=ServerConfig(page=False))

    with (
        serving(app) as address,
        subprocess.Popen([sys.executable, "-c", ASKING, address, mode]) as client,
    ):
        wait_until(lambda: bool(model.open_streams))
        client.kill()
        wait_until(lambda: is_free(app.state.service, model))


def test_a_picture_larger_than_a_body_may_be_is_refused(tiny_library: Library) -> None:
    async def work(client: Client, _: Service) -> None:
        with pytest.raises(MCPError, match="error response"):
            await client.call_tool("search", {"picture": "A" * 30_000})

    over_http(tiny_library, work, config=ServerConfig(page=False, max_body_megabytes=0.02))
