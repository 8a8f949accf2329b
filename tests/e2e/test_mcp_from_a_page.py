"""A client of MCP in a page of another origin, in a real browser: the rules of CORS are its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser
from pydantic import SecretStr

from florilegium import Library
from florilegium.config_sections import ServerConfig
from florilegium.server.app import create_app
from tests.e2e.serving import serving

KEY = "s3cret key of the server"

# A session of the older protocol needs the most: a header that is read, and headers that are sent.
CLIENT = """
async ([address, key]) => {
    const headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": `Bearer ${key}`,
        "Content-Type": "application/json",
    };
    const post = (body, more) => fetch(`${address}/mcp`, {
        method: "POST", headers: {...headers, ...more}, body: JSON.stringify(body),
    });
    try {
        const begun = await post({
            jsonrpc: "2.0", id: 1, method: "initialize", params: {
                protocolVersion: "2025-06-18", capabilities: {},
                clientInfo: {name: "page", version: "1"},
            },
        });
        const session = {
            "Mcp-Session-Id": begun.headers.get("Mcp-Session-Id"),
            "Mcp-Protocol-Version": "2025-06-18",
        };
        await post({jsonrpc: "2.0", method: "notifications/initialized"}, session);
        const told = await post({
            jsonrpc: "2.0", id: 2, method: "tools/call",
            params: {name: "list_libraries", arguments: {}},
        }, session);
        const text = await told.text();
        const ended = await fetch(`${address}/mcp`, {
            method: "DELETE", headers: {...headers, ...session},
        });
        return [text, ended.status];
    } catch (error) {
        return [String(error), 0];
    }
}
"""


@pytest.fixture(scope="module")
def friend() -> Iterator[str]:
    """Return the origin of a page that has nothing to do with the library."""
    app = FastAPI()
    app.add_api_route("/", lambda: "<title>elsewhere</title>", response_class=HTMLResponse)
    with serving(app) as friend:
        yield friend


@pytest.fixture
def address(tiny_library: Library, tmp_path: Path, friend: str) -> Iterator[str]:
    config = ServerConfig(page=False, folder=str(tmp_path), cors_origins=(friend,))
    app = create_app(tiny_library, config=config.with_api_key(SecretStr(KEY)))
    with serving(app) as address:
        yield address


def speak_from(browser: Browser, origin: str, address: str) -> tuple[str, int]:
    """Use the tools from a page of an origin; return what was told, and how the end was taken."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(origin)
        text, status = page.evaluate(CLIENT, [address, KEY])
    return str(text), int(status)


def test_a_page_of_an_origin_that_is_allowed_uses_the_tools(
    browser: Browser, friend: str, address: str
) -> None:
    text, status = speak_from(browser, friend, address)

    assert '"name":"tiny"' in text.replace(" ", "")
    assert status == 200


def test_a_page_of_another_origin_does_not_though_it_knows_a_key(
    browser: Browser, friend: str, address: str
) -> None:
    elsewhere = friend.replace("127.0.0.1", "localhost")

    assert speak_from(browser, elsewhere, address) == ("TypeError: Failed to fetch", 0)
