"""Sections of the settings, and what those with a key share. Knows no file and no environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from florilegium.redaction import hide_secrets

ADDRESS = r"^[^@\s]*$"
"""What the address of a server matches: before an @ would stand a password."""


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield what a representation shows: addresses without what may be secret in them."""
        for name, value in super().__repr_args__():
            yield name, hide_secrets(value) if isinstance(value, str) else value


class KeyedSection(Section):
    """Settings of a server, whose key is held and never shown."""

    api_key_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="Name of the environment variable that holds the server's key.",
    )

    _api_key: SecretStr | None = PrivateAttr(None)

    @property
    def api_key(self) -> SecretStr | None:
        """The value of the variable that `api_key_env` names, as `load_settings` found it."""
        return self._api_key

    def with_api_key(self, key: SecretStr) -> Self:
        """Return a copy that holds this key."""
        copy = self.model_copy()
        copy._api_key = key
        return copy

    def __getstate__(self) -> dict[Any, Any]:
        """Return what is pickled, which is everything but the key."""
        return {**super().__getstate__(), "__pydantic_private__": {"_api_key": None}}


class IngestConfig(Section):
    """How files become items."""

    max_image_megapixels: float = Field(
        64.0, gt=0, le=4096, description="Pictures with more pixels are refused, in megapixels."
    )
    max_file_megabytes: float = Field(
        64.0, gt=0, le=65536, description="Files with more bytes are refused, in megabytes (10^6)."
    )
    max_text_megabytes: float = Field(
        16.0, gt=0, le=65536, description="Text files with more bytes are refused, in megabytes."
    )
    chunk_tokens: int = Field(
        200, ge=32, le=8192, description="Largest chunk of text, in tokens of the text encoder."
    )
    batch_files: int = Field(
        32, ge=1, le=4096, description="Files that are loaded, encoded and written together."
    )
    exclude: tuple[str, ...] = Field(
        ("**/.git/**", "**/node_modules/**", "**/__pycache__/**"),
        description="Patterns of paths that are left out, relative to the library folder.",
    )
    isolate: bool = Field(
        True,
        description="Whether files are read in processes of their own, so that one that crashes "
        "or hangs a decoder costs that file alone.",
    )
    file_seconds: float = Field(
        60.0,
        gt=0,
        le=86400,
        description="Longest time that one step of reading a file may take in such a process.",
    )
    worker_megabytes: int = Field(
        0,
        ge=0,
        le=1048576,
        description="Memory that such a process may take, in megabytes; 0 takes what the largest "
        "allowed file and picture need.",
    )
    captions: Literal["off", "missing", "all"] = Field(
        "off",
        description="Pictures that the chat model captions: none, those that nobody has described "
        "in words, or all.",
    )
    caption_prompt: str = Field(
        "Say in one or two sentences what this picture shows. If words can be read in it, "
        "quote them.",
        max_length=2000,
        pattern=r"\S",
        description="What the chat model is asked for a caption; another prompt makes new ones.",
    )
    caption_max_tokens: int = Field(
        200,
        ge=8,
        le=4096,
        description="Longest reply with a caption, in tokens, thoughts included.",
    )
    caption_parallel: int = Field(
        2, ge=1, le=64, description="Captions asked for at a time; of a model in process always 1."
    )
    caption_tries: int = Field(
        3, ge=1, le=100, description="Runs in which a caption that failed is asked for."
    )


class RerankConfig(KeyedSection):
    """How the best hits are read once more, together with the query."""

    name: str = Field("", description="Backend of the reranker, `kind:model`; empty for none.")
    base_url: str = Field(
        "",
        pattern=ADDRESS,
        description="Address of a server that reranks, e.g. `http://localhost:8080/v1`; "
        "`/rerank` is put behind it.",
    )
    timeout: float = Field(
        30.0, gt=0, le=3600, description="Longest wait for the scores of a batch, in seconds."
    )
    retries: int = Field(
        2, ge=0, le=10, description="Tries after the first when a server is down or busy."
    )
    top_k: int = Field(50, ge=1, le=1000, description="Items of the fused order that are reranked.")
    threads: int = Field(
        0, ge=0, le=256, description="Threads of one forward pass; 0 means one per core."
    )
    batch_size: int = Field(32, ge=1, le=1024, description="Texts scored at a time.")


class ServerConfig(KeyedSection):
    """How the libraries are served to browsers and programs."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen at; any but this machine's own needs a key or accounts.",
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    users_file: str = Field(
        "", description="File of user accounts, which `florilegium users` writes; empty for none."
    )
    folder: str = Field(
        "",
        description="Folder for chats and the key of sessions; empty takes one of the user's data.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Names that the server is reached by, besides those of this machine."
    )
    root_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$",
        description="Path of another site that a proxy puts the server below, such as "
        "`/library`, which the proxy takes off; empty for a host name of its own.",
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Origins whose pages may use the API and MCP from a browser."
    )
    trusted_proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"),
        description="Addresses or networks of reverse proxies, whose X-Forwarded headers are "
        "believed.",
    )
    page: bool = Field(True, description="Whether there is the web page.")
    uploads: bool = Field(False, description="Whether files may be uploaded into a library.")
    max_body_megabytes: float = Field(
        32.0, gt=0, le=65536, description="Requests with more bytes are refused, in megabytes."
    )
    max_question_characters: int = Field(
        4000, ge=1, le=1_000_000, description="Longest question or text of a search."
    )
    max_turns: int = Field(
        20, ge=0, le=1000, description="Turns of a history that a question may come with."
    )
    searches: int = Field(
        0, ge=0, le=256, description="Searches that run at a time; 0 means one per core."
    )
    answers: int = Field(16, ge=1, le=1024, description="Answers that are given at a time.")
    waiting: int = Field(
        128, ge=0, le=100_000, description="Requests that may wait in line; more are turned away."
    )
    search_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Longest time of a search, its pictures and waiting in line included.",
    )
    answer_seconds: float = Field(
        600.0,
        gt=0,
        le=86400,
        description="Longest time of an answer, its picture and waiting in line included.",
    )
    send_seconds: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Longest wait for a client that takes nothing off a stream.",
    )
    stop_seconds: float = Field(
        20.0, ge=0, le=3600, description="Time that running answers get to end when it stops."
    )
    session_hours: float = Field(
        168.0, gt=0, le=87600, description="How long a log-in to the web page lasts, in hours."
    )
    max_chats: int = Field(
        200, ge=1, le=100_000, description="Chats kept for each user; the oldest go first."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How the log is written: for people, or one JSON object per line."
    )
    metrics: bool = Field(False, description="Whether /metrics is there, for Prometheus.")
    traces: str = Field(
        "",
        pattern=ADDRESS,
        description="Address that OpenTelemetry traces are sent to (OTLP over HTTP); "
        "empty for none.",
    )
