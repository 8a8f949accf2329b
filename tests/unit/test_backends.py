"""Backends are opened late, once for all threads, and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from florilegium import backends as module
from florilegium.backends import Backends
from florilegium.config import load_settings
from florilegium.testing.encoder import FakeEncoder
from tests.conftest import FAKES

THREADS = 8


@pytest.fixture
def backends() -> Iterator[Backends]:
    backends = Backends(load_settings(overrides={**FAKES, "rerank.name": "fake"}).config)
    yield backends
    backends.close()


def test_threads_that_need_all_of_them_at_once_open_each_once(
    backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watch(name: str) -> None:
        real = getattr(module, name)

        def noting(*arguments: Any, **options: Any) -> Any:
            opened.append(name)
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, noting)

    for name in ("open_encoder", "open_loaders", "open_chat_model", "open_reranker"):
        watch(name)
    start = Barrier(THREADS, timeout=30)

    def use(_: int) -> tuple[int, ...]:
        start.wait()
        parts = (
            backends.chat_model(),
            backends.quoting_model(),
            backends.encoder(),
            backends.text_encoder(),
            backends.loaders(),
            backends.reranker(),
        )
        return tuple(map(id, parts))

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(use, range(THREADS)))

    assert len(set(found)) == 1
    assert sorted(opened) == ["open_chat_model"] * 2 + ["open_encoder"] * 2 + [
        "open_loaders",
        "open_reranker",
    ]


def test_what_was_never_needed_is_not_opened_to_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[FakeEncoder] = []
    monkeypatch.setattr(FakeEncoder, "close", lambda self: closed.append(self))
    backends = Backends(load_settings(overrides=FAKES).config)
    only = backends.text_encoder()

    backends.close()

    assert [id(one) for one in closed] == [id(only)]
