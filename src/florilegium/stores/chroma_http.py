"""The HTTP API of a Chroma server, version 2, as far as the store needs it.

Chroma's own client waits for ever and leaves connections open. Lets httpx.HTTPError through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, quote

import httpx
import numpy as np

from florilegium.types import Embeddings, Record

_DATABASE: Final = "/api/v2/tenants/default_tenant/databases/default_database"
_SECONDS: Final = 60.0  # longest wait for the next bytes of an answer
_PAGE: Final = 1_000
_MISSING: Final = 404


class ChromaRefusedError(Exception):
    """The server said no. Reaches nobody but the store."""


class ChromaHttp:
    """One server. Several threads may use it."""

    def __init__(self, address: SplitResult, *, seconds: float = _SECONDS) -> None:
        self._http = httpx.Client(
            base_url=address.geturl() + _DATABASE,
            timeout=seconds,
            trust_env=not _is_loopback(address.hostname or ""),
        )

    def names(self) -> list[str]:
        """Return the names of all collections."""
        names: list[str] = []
        while True:
            page = self.call("GET", f"/collections?limit={_PAGE}&offset={len(names)}")
            names += [str(one["name"]) for one in page]
            if len(page) < _PAGE:
                return names

    def find(self, name: str) -> ChromaRemote | None:
        """Return a collection, None if there is no such."""
        response = self._http.get(f"/collections/{quote(name)}")
        if response.status_code == _MISSING:
            return None
        return ChromaRemote(self, _checked(response))

    def make(
        self,
        name: str,
        *,
        metadata: Mapping[str, str],
        configuration: Mapping[str, Any] | None = None,
    ) -> ChromaRemote:
        """Return a collection, made if it is absent."""
        body = {"name": name, "metadata": metadata, "get_or_create": True}
        if configuration is not None:
            body["configuration"] = configuration
        return ChromaRemote(self, self.call("POST", "/collections", body))

    def remove(self, name: str) -> None:
        """Delete a collection."""
        self.call("DELETE", f"/collections/{quote(name)}")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return what the server answers. Raises ChromaRefusedError."""
        return _checked(self._http.request(method, path, json=body))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class ChromaRemote:
    """One collection of a server."""

    def __init__(self, server: ChromaHttp, told: Mapping[str, Any]) -> None:
        self._server = server
        self._path = f"/collections/{told['id']}"
        self.metadata: Mapping[str, Any] = told.get("metadata") or {}

    def upsert(self, records: Sequence[Record]) -> None:
        """Add records, replacing those with the same ids."""
        body = {
            "ids": [record.id for record in records],
            "embeddings": [record.embedding.astype(np.float32).tolist() for record in records],
            "metadatas": [{"item_id": record.item_id} for record in records],
        }
        self._server.call("POST", f"{self._path}/upsert", body)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove records; unknown ids do nothing."""
        self._server.call("POST", f"{self._path}/delete", {"ids": list(ids)})

    def ids(self) -> list[str]:
        """Return the ids of all records."""
        found = self._server.call("POST", f"{self._path}/get", {"include": []})
        return [str(id_) for id_ in found["ids"]]

    def count(self) -> int:
        """Return how many records there are."""
        return int(self._server.call("GET", f"{self._path}/count"))

    def nearest(self, query: Embeddings, count: int) -> tuple[list[str], list[float]]:
        """Return ids and cosine distances of what the graph finds, nearest first."""
        body = {
            "query_embeddings": [query.astype(np.float32).tolist()],
            "n_results": count,
            "include": ["distances"],
        }
        found = self._server.call("POST", f"{self._path}/query", body)
        return found["ids"][0], found["distances"][0]


def _checked(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    raise ChromaRefusedError(f"it answered {response.status_code}: {response.text[:200]}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
