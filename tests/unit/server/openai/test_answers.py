"""What the routes answer is what their description says."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from florilegium.server.openai.answers import (
    CompletionBody,
    EmbeddingsBody,
    ModelBody,
    ModelListBody,
)

QUESTION = {"role": "user", "content": "How many sides has a red square?"}


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("models", None, ModelListBody),
        ("models/tiny:text", None, ModelBody),
        ("chat/completions", {"model": "tiny", "messages": [QUESTION]}, CompletionBody),
        ("embeddings", {"model": "tiny:text", "input": ["red"]}, EmbeddingsBody),
        (
            "embeddings",
            {"model": "tiny:text", "input": ["red"], "encoding_format": "base64"},
            EmbeddingsBody,
        ),
    ],
)
def test_an_answer_has_what_is_described_and_nothing_else(
    client: TestClient, path: str, body: dict[str, object] | None, model: type[BaseModel]
) -> None:
    answer = client.get(f"/v1/{path}") if body is None else client.post(f"/v1/{path}", json=body)

    told = answer.json()
    assert model.model_validate(told).model_dump(mode="json", exclude_unset=True) == told
