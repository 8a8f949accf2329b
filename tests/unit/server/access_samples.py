"""What the tests of the guards are made of: accounts with known passwords, and a small app."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from argon2 import PasswordHasher
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic import SecretStr

from florilegium.config_sections import ServerConfig
from florilegium.server.access import add_access
from florilegium.server.account_book import Users
from florilegium.server.accounts import Account
from florilegium.server.authentication import current_user
from florilegium.server.error_answers import add_error_answers
from florilegium.server.keys import digest
from florilegium.server.users import User
from florilegium.server.users_file import write_accounts
from tests.unit.server.samples import HERE

PASSWORD: Final = "correct horse"
ANNA_KEY: Final = "fl_anna"
SERVER_KEY: Final = "the-key-of-the-server"
SOCKET: Final = "ws://localhost/_nicegui_ws/"
"""A whole address, since the test client takes another host for WebSockets."""

TheUser = Annotated[User, Depends(current_user)]
_QUICK: Final = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Hashes that take no time, since these passwords are no secret."""


def account(name: str, *, password: str = PASSWORD, key: str | None = None) -> Account:
    """Return an account that sees the library `tiny` only."""
    user = User(name=name, libraries=frozenset({"tiny"}))
    keys = {} if key is None else {"laptop": digest(key)}
    return Account(user=user, password=_QUICK.hash(password), keys=keys)


def write_users(file: Path, *accounts: Account) -> Path:
    """Write accounts to a file and return it."""
    write_accounts(file, {one.user.name: one for one in accounts})
    return file


def users_file(folder: Path) -> Path:
    """Return a file with the accounts of Anna, who has a key, and Ben."""
    return write_users(folder / "users.toml", account("anna", key=ANNA_KEY), account("ben"))


def with_key(config: ServerConfig) -> ServerConfig:
    """Return settings with the server's own key."""
    return config.with_api_key(SecretStr(SERVER_KEY))


def guarded(config: ServerConfig, users: Users | None = None) -> FastAPI:
    """Return an app whose routes say who asks."""
    app = FastAPI(openapi_url=None)
    add_error_answers(app)

    @app.get("/api/me")
    @app.post("/api/me")
    @app.post("/mcp")
    @app.post("/mcp-else")
    @app.get("/page")
    async def me(user: TheUser) -> str:
        return user.name

    @app.get("/api/health")
    async def health() -> str:
        return "up"

    @app.websocket("/_nicegui_ws/")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(f"{socket.state.user.name}: {text}")

    add_access(app, config=config, users=users)
    return app


def client_of(app: FastAPI, *, base_url: str = HERE, address: str = "192.0.2.7") -> TestClient:
    """Return a client that follows no redirects, as another machine."""
    return TestClient(app, base_url=base_url, follow_redirects=False, client=(address, 50000))


def log_in(client: TestClient, path: str = "/login", **fields: str) -> int:
    """Log in by the form of the page, and return the status."""
    return int(client.post("/login", data={"token": token(client, path), **fields}).status_code)


def token(client: TestClient, path: str = "/login") -> str:
    """Return the token of a form, as the page has it."""
    found = re.search(r'name="token" value="([^"]+)"', client.get(path).text)
    assert found, "the page has no form"
    return found[1]
