"""Names of routes are templates: as many as there are routes, whatever is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from florilegium.server.routes import UNKNOWN, method_of, route_of


class _Names:
    def __init__(self, app: ASGIApp, names: list[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, root = scope["app"], scope.get("root_path", "")
        await self._app(scope, receive, send)
        self._names.append(route_of(scope, routes=app.routes, root_path=root))


def _app(folder: Path, names: list[str]) -> FastAPI:
    def say(_: Any) -> PlainTextResponse:
        return PlainTextResponse("said")

    router = APIRouter(prefix="/api")

    @router.get("/libraries/{library}/items/{path:path}")
    def item(library: str, path: str) -> str:
        return library + path

    inner = FastAPI()
    inner.get("/x/{y}")(lambda y: y)
    app = FastAPI()
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=folder))
    app.mount("/inner", inner)
    app.router.routes.append(Mount("/of/{name}", Starlette(routes=[Route("/{more}", say)])))
    app.router.add_route("/plain", say)
    app.add_middleware(_Names, names=names)
    return app


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/libraries/flowers/items/a/b", "/api/libraries/{library}/items/{path:path}"),
        ("/static/a.txt", "/static/*"),
        ("/static/no/such", "/static/*"),
        ("/inner/x/1", "/inner/x/{y}"),
        ("/inner/none", "/inner/*"),
        ("/of/anna/1", UNKNOWN),
        ("/plain", "/plain"),
        ("/none", UNKNOWN),
        ("/api/libraries", UNKNOWN),
    ],
)
def test_a_route_has_the_name_of_its_template(
    tmp_path: Path, path: str, name: str, root_path: str
) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    names: list[str] = []
    client = TestClient(_app(tmp_path, names), root_path=root_path)

    client.get(root_path + path)

    assert names == [name]


@pytest.mark.parametrize(
    ("scope", "method"),
    [
        ({"type": "http", "method": "GET"}, "GET"),
        ({"type": "http", "method": "BREW"}, "OTHER"),
        ({"type": "websocket"}, "WEBSOCKET"),
    ],
)
def test_there_are_few_methods(scope: dict[str, str], method: str) -> None:
    assert method_of(scope) == method
