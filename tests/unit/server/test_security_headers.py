"""Every answer says what browsers may not do with it, and routes may say more."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from florilegium.server.security_headers import POLICY, SecurityHeaders


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()

    @app.get("/api/private")
    @app.get("/_nicegui/1/static/a.js")
    async def private() -> str:
        return "private"

    @app.get("/picture")
    async def picture() -> Response:
        headers = {"Cache-Control": "private, max-age=300", "Content-Security-Policy": "sandbox"}
        return Response(b"", headers=headers)

    app.add_middleware(SecurityHeaders)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/api/private", "/absent", "/picture"])
def test_nothing_is_sniffed_framed_or_embedded(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


def test_what_is_no_page_runs_nothing_and_is_not_kept(client: TestClient) -> None:
    headers = client.get("/api/private").headers

    assert headers["content-security-policy"] == POLICY
    assert headers["cache-control"] == "no-store"


def test_what_a_route_says_is_kept(client: TestClient) -> None:
    headers = client.get("/picture").headers

    assert headers["content-security-policy"] == "sandbox"
    assert headers["cache-control"] == "private, max-age=300"


def test_scripts_of_the_page_may_be_kept(client: TestClient) -> None:
    assert "cache-control" not in client.get("/_nicegui/1/static/a.js").headers
