"""Pieces on their way from a thread to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from florilegium.cancelling import current_cancellation
from florilegium.server.channel import Channel

LONG = 30.0


def test_pieces_come_in_order_and_end() -> None:
    async def read() -> list[int]:
        channel: Channel[int] = Channel(size=2)
        feeding = asyncio.to_thread(channel.feed, lambda: iter(range(50)))
        task = asyncio.ensure_future(feeding)
        got = [piece async for piece in channel.pieces(seconds=LONG)]
        await task
        return got

    assert asyncio.run(read()) == list(range(50))


def test_an_error_of_the_producer_reaches_the_reader_after_its_pieces() -> None:
    def produce() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    async def read() -> list[int]:
        channel: Channel[int] = Channel()
        got: list[int] = []
        task = asyncio.ensure_future(asyncio.to_thread(channel.feed, produce))
        pieces = channel.pieces(seconds=LONG)
        got.append(await anext(pieces))
        with pytest.raises(ValueError, match="broken"):
            await anext(pieces)
        await task
        return got

    assert asyncio.run(read()) == [1]


def test_a_reader_who_goes_stops_the_producer_in_its_own_thread() -> None:
    closed_in: list[int] = []
    ran_in: list[int] = []

    def produce() -> Iterator[int]:
        ran_in.append(threading.get_ident())
        try:
            yield from iter(int, 1)  # zeros for ever
        finally:
            closed_in.append(threading.get_ident())

    async def read() -> None:
        channel: Channel[int] = Channel(size=1)
        task = asyncio.ensure_future(asyncio.to_thread(channel.feed, produce))
        async for _ in channel.pieces(seconds=LONG):
            break
        channel.close()
        await asyncio.wait_for(task, LONG)

    asyncio.run(read())

    assert closed_in == ran_in
    assert ran_in != [threading.get_ident()]


def test_a_slow_reader_makes_the_producer_wait() -> None:
    made: list[int] = []
    full = threading.Event()

    def produce() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 4:  # one was read, three are in the queue, this one waits for room
                full.set()
            yield number

    async def read() -> int:
        channel: Channel[int] = Channel(size=3)
        task = asyncio.ensure_future(asyncio.to_thread(channel.feed, produce))
        pieces = channel.pieces(seconds=LONG)
        await anext(pieces)
        await asyncio.to_thread(full.wait, LONG)
        channel.close()
        await task
        return len(made)

    assert asyncio.run(read()) <= 6


def test_what_does_not_come_in_time_is_a_timeout() -> None:
    async def read() -> None:
        channel: Channel[int] = Channel()
        with pytest.raises(TimeoutError):
            await anext(channel.pieces(seconds=0.01))

    asyncio.run(read())


def test_a_reader_who_is_too_slow_gets_no_more_though_pieces_wait() -> None:
    async def read() -> list[int]:
        channel: Channel[int] = Channel()
        await asyncio.to_thread(channel.feed, lambda: iter(range(5)))
        got: list[int] = []
        now = channel._loop.time()
        channel._loop.time = lambda: now + 10.0 * len(got)  # type: ignore[method-assign]  # the clock of the test
        pieces = channel.pieces(seconds=15.0)
        for _ in range(2):
            got.append(await anext(pieces))  # noqa: PERF401 - the clock goes on with each
        with pytest.raises(TimeoutError):
            await anext(pieces)
        return got

    assert asyncio.run(read()) == [0, 1]


def test_a_closed_channel_does_not_begin_to_produce() -> None:
    async def read() -> None:
        channel: Channel[int] = Channel()
        channel.close()
        channel.feed(lambda: pytest.fail("it began"))

    asyncio.run(read())


def test_a_reader_who_goes_wakes_a_producer_that_waits() -> None:
    waits = threading.Event()

    def produce() -> Iterator[int]:
        yield 1
        woken = threading.Event()
        with current_cancellation().waking(woken.set):
            waits.set()
            assert woken.wait(LONG)

    async def read() -> None:
        channel: Channel[int] = Channel()
        task = asyncio.ensure_future(asyncio.to_thread(channel.feed, produce))
        await asyncio.to_thread(waits.wait, LONG)
        channel.close()
        await asyncio.wait_for(task, LONG / 10)

    asyncio.run(read())


def test_a_channel_that_is_stopped_from_another_thread_ends_both_sides() -> None:
    waits = threading.Event()

    def produce() -> Iterator[int]:
        woken = threading.Event()
        with current_cancellation().waking(woken.set):
            waits.set()
            assert woken.wait(LONG)
        yield 1

    async def read() -> None:
        channel: Channel[int] = Channel()
        task = asyncio.ensure_future(asyncio.to_thread(channel.feed, produce))
        reading = asyncio.ensure_future(anext(channel.pieces(seconds=LONG)))
        await asyncio.to_thread(waits.wait, LONG)
        await asyncio.to_thread(channel.stop, ValueError("stopped"))
        with pytest.raises(ValueError, match="stopped"):
            await asyncio.wait_for(reading, LONG / 10)
        await asyncio.wait_for(task, LONG / 10)

    asyncio.run(read())


def test_a_reader_who_is_cancelled_as_a_piece_comes_stops_all_the_same() -> None:
    async def read_all(channel: Channel[int]) -> None:
        async for _ in channel.pieces(seconds=LONG):
            pass

    async def cancel_after(ticks: int) -> bool:
        channel: Channel[int] = Channel()
        reader = asyncio.ensure_future(read_all(channel))
        await asyncio.sleep(0.01)
        channel._queue.put_nowait(1)
        for _ in range(ticks):
            await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader], timeout=LONG / 10)
        stopped = reader.cancelled()
        reader.cancel()
        return stopped

    assert [asyncio.run(cancel_after(ticks)) for ticks in range(5)] == [True] * 5
