"""What several tests of the server ask it for."""

from __future__ import annotations

import base64
import io
from typing import Any, Protocol

from fastapi.testclient import TestClient

from florilegium import Library
from florilegium.leases import Once
from florilegium.testing.chat_model import FakeChatModel
from tests.conftest import draw

HERE = "http://localhost"
"""Where clients in the process of a test find the server: at a name of this machine."""


class Response(Protocol):
    """An answer of whichever HTTP library the test client is made of."""

    status_code: int

    @property
    def text(self) -> str: ...
    def json(self) -> Any: ...


def speak_by(library: Library, model: FakeChatModel) -> None:
    """Let a library answer by this chat model."""
    library._parts.backends().chat_model = Once(lambda: model)


def data_address(colour: str = "red", shape: str = "square") -> str:
    """Return a drawn picture, smaller than that of the library, as it stands in JSON."""
    file = io.BytesIO()
    draw(colour, shape, size=48).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def find(client: TestClient, text: str, modality: str) -> dict[str, Any]:
    """Return the best hit of a modality."""
    body = {"text": text, "modality": modality, "top_k": 1}
    found = client.post("/api/libraries/tiny/search", json=body).json()["hits"][0]
    assert isinstance(found, dict)
    return found


def assert_error(answer: Response, status: int, code: str, *, path: str = "") -> dict[str, Any]:
    """Assert that the answer at a path is an error in the one shape, and return it."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    besides = {"type", "param"} if path.startswith("/v1") else set()
    assert set(error) == {"code", "message", "hint"} | besides
    assert error["code"] == code
    assert error["message"]
    assert isinstance(error, dict)
    return error
