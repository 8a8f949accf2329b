"""What is under way ends before the server does, or is ended."""

from __future__ import annotations

import asyncio
import time

import pytest

from florilegium.errors import TooBusyError
from florilegium.server.stopping import LEAVE_SECONDS, Stopping

LONG = 30.0


def test_with_nothing_under_way_there_is_nothing_to_wait_for() -> None:
    stopping = Stopping()

    with pytest.raises(StopIteration):  # it has returned, and waited for nothing
        stopping.drain(LONG).send(None)

    with pytest.raises(TooBusyError, match="about to stop"):
        stopping.check()


def test_what_is_under_way_ends_by_itself_where_there_is_time() -> None:
    seen: list[str] = []

    async def work(stopping: Stopping) -> None:
        with stopping.waits_for(lambda error: seen.append(str(error))):
            await asyncio.sleep(0.02)
            seen.append("done")

    async def drain() -> None:
        stopping = Stopping()
        tasks = [asyncio.create_task(work(stopping)) for _ in range(2)]
        await asyncio.sleep(0)
        stopping.check()  # nothing is refused yet
        await stopping.drain(LONG)
        seen.append("drained")
        await asyncio.gather(*tasks)

    asyncio.run(drain())

    assert seen == ["done", "done", "drained"]


def test_what_takes_longer_is_ended_with_an_error_for_its_reader_and_has_time_to_tell_it() -> None:
    seen: list[str] = []

    async def work(stopping: Stopping) -> None:
        ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        with stopping.waits_for(ended.set_result):
            error = await ended
            await asyncio.sleep(0.02)
            seen.append(str(error))

    async def drain() -> None:
        stopping = Stopping()
        task = asyncio.create_task(work(stopping))
        await asyncio.sleep(0)
        await stopping.drain(0.01)
        seen.append("drained")
        await task

    asyncio.run(drain())

    assert seen == ["The server is about to stop.", "drained"]


def test_what_does_not_end_at_all_holds_the_server_up_for_a_moment_only() -> None:
    async def drain() -> float:
        stopping = Stopping()
        began = time.monotonic()
        with stopping.waits_for():
            await stopping.drain(0.0)
        return time.monotonic() - began

    assert LEAVE_SECONDS <= asyncio.run(drain()) < LEAVE_SECONDS + LONG
