"""Finds chat servers that run on this machine, at the ports where they usually listen.

Only looks: sends no key, and asks for nothing but the list of models.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import httpx

from florilegium.chat_models.openai.listing import ListedModel, read_models

USUAL_PORTS: Final[Mapping[int, str]] = MappingProxyType({
    11434: "Ollama",
    8080: "llama-server",
    8000: "vLLM",
    1234: "LM Studio",
    30000: "SGLang",
    1337: "Jan",
    4891: "GPT4All",
    5001: "KoboldCpp",
})  # fmt: skip
"""The port that each server takes unless it is told another."""

_OWNERS: Final[Mapping[str, str]] = MappingProxyType({
    "library": "Ollama",
    "llamacpp": "llama-server",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "organization_owner": "LM Studio",
    "koboldcpp": "KoboldCpp",
})  # fmt: skip
_LONGEST_LIST = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A server on this machine: what it seems to be, where it is, and the models it lists.

    One that `needs_key` lists nothing without.
    """

    name: str
    base_url: str
    models: tuple[str, ...]
    needs_key: bool = False


def find_servers(
    timeout: float = 0.5, *, ports: Mapping[int, str] = USUAL_PORTS
) -> list[FoundServer]:
    """Return the servers that answer on this machine, in the order of `ports`. Raises nothing.

    Args:
        timeout: Longest wait for each step of each answer, in seconds; all are asked at once.
        ports: Where to look, and what usually listens there.
    """
    if not ports:
        return []
    with (
        httpx.Client(trust_env=False, timeout=timeout) as client,
        ThreadPoolExecutor(max_workers=len(ports)) as threads,
    ):
        looks = [threads.submit(_look, client, port, name, timeout) for port, name in ports.items()]
        return [found for look in looks if (found := look.result()) is not None]


def _look(client: httpx.Client, port: int, name: str, timeout: float) -> FoundServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        status, listed = _ask(client, f"{base_url}/models", deadline=time.monotonic() + timeout)
    except (httpx.HTTPError, ValueError, RecursionError):
        return None  # something else listens there, or nothing
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} and isinstance(listed, dict):
        return FoundServer(name=name, base_url=base_url, models=(), needs_key=True)
    models = read_models(listed) if status == HTTPStatus.OK else None
    if models is None:
        return None
    ids = tuple(model.id for model in models)
    return FoundServer(name=_guess_name(models, name), base_url=base_url, models=ids)


def _ask(client: httpx.Client, url: str, *, deadline: float) -> tuple[int, object]:
    """Return the status and the JSON of an answer that is short and whole before the deadline."""
    body = b""
    with client.stream("GET", url) as response:
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _LONGEST_LIST or time.monotonic() > deadline:
                raise ValueError("too long for a list of models")
    return response.status_code, json.loads(body)


def _guess_name(models: Sequence[ListedModel], usual: str) -> str:
    owners = (model.owner.lower() for model in models)
    return next((_OWNERS[owner] for owner in owners if owner in _OWNERS), usual)
