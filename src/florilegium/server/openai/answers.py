"""What the routes below /v1 answer, as pydantic models for their description in OpenAPI.

The answers themselves are made as JSON by `completions`, `catalogue` and `embedding`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class ModelBody(BaseModel):
    """A library, or one of its encoders, as a model; `created` is when the server was started."""

    id: str = Field(examples=["flowers", "flowers:text", "flowers:image"])
    object: Literal["model"]
    created: int
    owned_by: str


class ModelListBody(BaseModel):
    """The models that the user sees."""

    object: Literal["list"]
    data: list[ModelBody]


class MessageBody(BaseModel):
    """The answer. `florilegium` has its citations, and what else is known of it."""

    role: Literal["assistant"]
    content: str
    refusal: None
    florilegium: dict[str, Any]


class ChoiceBody(BaseModel):
    """The one choice that there is."""

    index: Literal[0]
    message: MessageBody
    logprobs: None
    finish_reason: Literal["stop", "length"]


class UsageBody(BaseModel):
    """Tokens, and who counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    counted_by: Literal["chat_model", "text_encoder"]


class CompletionBody(BaseModel):
    """An answer as a whole; without `usage` where there was no time to count."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChoiceBody] = Field(min_length=1, max_length=1)
    usage: UsageBody | None = None


class EmbeddingBody(BaseModel):
    """The vector of one input: numbers, or float32 little-endian in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsageBody(BaseModel):
    """Tokens of the texts; pictures have none."""

    prompt_tokens: int
    total_tokens: int


class EncoderBody(BaseModel):
    """What embedded the inputs."""

    encoder: str


class EmbeddingsBody(BaseModel):
    """The vectors of all inputs in their order, texts before pictures."""

    object: Literal["list"]
    model: str
    data: list[EmbeddingBody]
    usage: EmbeddingUsageBody
    florilegium: EncoderBody
