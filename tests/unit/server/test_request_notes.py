"""What is noted of a request, and where it can be read."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import pytest

from florilegium.server.request_notes import current_request, note_request, noting


def test_outside_of_requests_there_is_nothing() -> None:
    note_request(user="anna")

    assert current_request() is None


@pytest.mark.parametrize("asked", ["a", "A-1_b.c", "x" * 64])
def test_a_sane_id_is_taken(asked: str) -> None:
    with noting(asked) as notes:
        assert notes.id == asked


@pytest.mark.parametrize("asked", ["", "x" * 65, "a b", "a\nb", "a\n", "é", "a;b", "<b>"])
def test_any_other_id_gets_one_of_ours(asked: str) -> None:
    with noting(asked) as notes:
        assert len(notes.id) == 16
        assert notes.id != asked


def test_ids_differ() -> None:
    with noting("!") as one, noting("!") as other:
        assert one.id != other.id


def test_what_is_found_out_later_is_added() -> None:
    with noting("a") as notes:
        note_request(user="anna")
        note_request(library="flowers")

    assert (notes.user, notes.library) == ("anna", "flowers")
    assert current_request() is None


def test_a_request_about_several_libraries_is_of_none_of_them() -> None:
    with noting("a") as notes:
        for library in ("flowers", "flowers", "stamps", "flowers"):
            note_request(library=library)

    assert notes.library == "*"


def test_threads_of_a_request_know_it_and_requests_do_not_mix() -> None:
    async def request(name: str) -> tuple[str, str]:
        with noting(name) as notes:
            await asyncio.sleep(0)
            seen = await asyncio.to_thread(lambda: _id())
            also = await anyio.to_thread.run_sync(_id)
            await asyncio.create_task(_note(f"user of {name}"))
            assert notes.user == f"user of {name}"
            return seen, also

    async def both() -> list[tuple[str, str]]:
        return list(await asyncio.gather(request("a"), request("b")))

    assert asyncio.run(both()) == [("a", "a"), ("b", "b")]


async def _note(user: str) -> None:
    note_request(user=user)


def _id() -> str:
    notes = current_request()
    return notes.id if notes else ""
