"""Bounded threads: so many at a time, a line before them, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial

import pytest

from florilegium.errors import TooBusyError, TooSlowError
from florilegium.server.workers import Workers, close_all

LONG = 30.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers("searches", running=1, waiting=1)
    yield workers
    workers.close()


def hold(workers: Workers, gate: threading.Event) -> Future[bool]:
    """Return work that has begun and waits at the gate."""
    begun = threading.Event()

    def wait() -> bool:
        begun.set()
        return gate.wait()

    held = workers.submit(wait)
    assert begun.wait(LONG)
    return held


def test_work_runs_in_a_thread_of_the_pool(workers: Workers) -> None:
    name = asyncio.run(workers.run(lambda: threading.current_thread().name, seconds=LONG))

    assert name.startswith("florilegium-searches")


def test_work_sees_the_context_of_who_asked_for_it(workers: Workers) -> None:
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("asked")

    assert asyncio.run(workers.run(variable.get, seconds=LONG)) == "asked"


def test_who_finds_the_line_full_is_turned_away_at_once(workers: Workers) -> None:
    gate = threading.Event()
    held = [workers.submit(gate.wait), workers.submit(gate.wait)]

    with pytest.raises(TooBusyError, match="1 searches at work and 1 in line"):
        workers.submit(gate.wait)

    assert (workers.running, workers.waiting) == (1, 1)
    gate.set()
    assert [future.result(LONG) for future in held] == [True, True]
    assert workers.submit(lambda: "again").result(LONG) == "again"


def test_works_of_one_request_share_its_time(workers: Workers) -> None:
    began = time.monotonic()

    async def twice() -> None:
        await workers.run(lambda: None, seconds=LONG, since=began)
        await workers.run(lambda: None, seconds=LONG, since=began - LONG)

    with pytest.raises(TooSlowError, match="longer than 30 s"):
        asyncio.run(twice())
    assert workers.running == 0


def test_who_gives_up_in_line_leaves_it(workers: Workers) -> None:
    gate = threading.Event()
    held = hold(workers, gate)

    with pytest.raises(TooSlowError, match=r"longer than 0\.01 s"):
        asyncio.run(workers.run(lambda: None, seconds=0.01))

    assert workers.waiting == 0
    gate.set()
    held.result(LONG)


def test_what_is_given_up_in_line_is_not_kept(workers: Workers) -> None:
    class Work:
        def __call__(self) -> None:
            pytest.fail("it ran")

    gate = threading.Event()
    held = hold(workers, gate)
    kept: weakref.WeakSet[Work] = weakref.WeakSet()
    for _ in range(20):
        work = Work()
        kept.add(work)
        workers.submit(work).cancel()
        del work

    gc.collect()
    assert (len(kept), workers.waiting) == (0, 0)
    gate.set()
    assert held.result(LONG)
    assert workers.submit(lambda: "next").result(LONG) == "next"


def test_work_begins_in_the_order_in_which_it_came() -> None:
    workers = Workers("searches", running=1, waiting=9)
    gate = threading.Event()
    began: list[int] = []
    held = hold(workers, gate)
    in_line = [workers.submit(partial(began.append, number)) for number in range(5)]
    in_line[2].cancel()
    gate.set()

    assert held.result(LONG)
    for future in [*in_line[:2], *in_line[3:]]:
        future.result(LONG)
    workers.close()

    assert began == [0, 1, 3, 4]


def test_work_that_is_given_up_keeps_its_place_until_it_ends(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait()

    def submit(function: Callable[[], None]) -> Future[None]:
        future = Workers.submit(workers, function)
        assert begun.wait(LONG)
        return future

    monkeypatch.setattr(workers, "submit", submit)
    with pytest.raises(TooSlowError):
        asyncio.run(workers.run(work, seconds=0.01))

    assert workers.running == 1
    gate.set()
    workers.close(seconds=LONG)
    assert workers.running == 0


def test_a_timeout_of_the_work_itself_is_no_timeout_of_ours(workers: Workers) -> None:
    def fail() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(workers.run(fail, seconds=LONG))


def test_work_that_ends_while_it_is_given_up_came_too_late(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ending(Future[str]):
        def cancel(self) -> bool:
            self.set_result("late")
            return False

    monkeypatch.setattr(workers, "submit", lambda _: Ending())

    with pytest.raises(TooSlowError):
        asyncio.run(workers.run(lambda: "late", seconds=0.01))


def test_closed_workers_turn_everybody_away(workers: Workers) -> None:
    workers.close()

    with pytest.raises(TooBusyError, match="about to stop"):
        workers.submit(lambda: None)
    assert workers.running == 0


def test_closing_does_not_wait_for_ever_for_what_is_stuck(workers: Workers) -> None:
    gate = threading.Event()
    stuck, in_line = hold(workers, gate), workers.submit(gate.wait)
    began = time.monotonic()

    workers.close(seconds=0.1)

    assert time.monotonic() - began < LONG
    assert in_line.cancelled()
    assert workers.running == 1
    gate.set()
    assert stuck.result(LONG)


def test_several_are_closed_within_one_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    several = [Workers("searches", running=1, waiting=1) for _ in range(4)]
    stuck = [hold(workers, gate) for workers in several]
    waited = [0.0]
    monkeypatch.setattr("florilegium.server.workers.monotonic", lambda: sum(waited))
    monkeypatch.setattr(threading.Thread, "join", lambda _, seconds: waited.append(seconds))

    close_all(several, seconds=0.5)

    assert sum(waited) == 0.5
    gate.set()
    assert all(future.result(LONG) for future in stuck)


def test_a_process_ends_although_a_thread_is_stuck() -> None:
    code = """
import threading
from florilegium.server.workers import Workers
workers = Workers("searches", running=1, waiting=1)
workers.submit(threading.Event().wait)
workers.close(seconds=0.1)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LONG)


def test_no_more_threads_run_than_are_allowed() -> None:
    workers = Workers("searches", running=2, waiting=6)
    names = [workers.submit(lambda: threading.current_thread().name) for _ in range(8)]

    assert len({future.result(LONG) for future in names}) <= 2
    workers.close()
    assert workers.running == workers.waiting == 0
