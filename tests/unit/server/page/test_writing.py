"""Whether an answer that is being written is still read by somebody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from florilegium.server.page.writing import Writing


@pytest.mark.parametrize(
    ("connected", "is_read"), [([], False), ([False], False), ([False, True], True)]
)
def test_it_is_read_where_a_page_with_a_connection_shows_it(
    connected: list[bool], is_read: bool
) -> None:
    loop = asyncio.new_event_loop()
    writing = Writing(
        chat="roses",
        question="What is red?",
        shown=None,
        ordinal=1,
        answering=lambda: None,
        stop=lambda: None,
        reply=loop.create_future(),
        readers=[SimpleNamespace(has_socket_connection=one) for one in connected],  # type: ignore[arg-type]  # like pages
    )

    assert writing.is_read is is_read
    loop.close()
