"""Sections of the settings, and what those with a key share. Knows no file and no environment."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

ADDRESS = r"^[^@\s]*$"
"""What the address of a server matches: before an @ would stand a password."""


class Section(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
