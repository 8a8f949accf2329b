"""Jobs are done by a few threads, in bounded memory, and leave no thread behind.

Jobs wait for each other by events, so nothing here depends on how fast anything is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Event, Lock

import pytest

from florilegium.read_ahead import ReadAhead

PATIENCE = 30.0  # seconds until a test gives up that would else hang


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def nothing(_: object) -> int:
    """Weigh a result that holds nothing."""
    return 0


def after(event: Event, result: str) -> Callable[[], str]:
    """Return a job that waits for an event."""

    def job() -> str:
        assert event.wait(PATIENCE)
        return result

    return job


def test_results_come_in_the_order_in_which_they_are_finished() -> None:
    first_may_end = Event()
    with ReadAhead[str](weigh=nothing, threads=2) as ahead:
        ahead.submit(after(first_may_end, "first"), weight=0)
        ahead.submit(lambda: "second", weight=0)
        results = [ahead.take()]
        first_may_end.set()
        results.append(ahead.take())

    assert results == ["second", "first"]


def test_as_many_jobs_run_at_a_time_as_there_are_threads() -> None:
    meeting = Barrier(3)  # nobody leaves before three are there
    lock = Lock()
    running, most = 0, 0

    def job() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait(PATIENCE)
        with lock:
            running -= 1

    with ReadAhead[None](weigh=nothing, threads=3) as ahead:
        for _ in range(9):
            ahead.submit(job, weight=0)
        for _ in range(9):
            ahead.take()

    assert most == 3


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (4, 4), (64, 8), (None, 1)])
def test_there_are_as_many_threads_as_cores_and_at_most_eight(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    meeting = Barrier(threads)
    before = set(threading.enumerate())
    with ReadAhead[int](weigh=nothing) as ahead:
        for _ in range(3 * threads):
            ahead.submit(partial(meeting.wait, PATIENCE), weight=0)
        for _ in range(3 * threads):
            ahead.take()

        assert len(set(threading.enumerate()) - before) == threads


def test_outstanding_jobs_are_those_that_are_not_taken_yet() -> None:
    with ReadAhead[int](weigh=nothing, threads=1) as ahead:
        before = ahead.outstanding
        ahead.submit(lambda: 1, weight=0)
        ahead.submit(lambda: 2, weight=0)
        submitted = ahead.outstanding
        ahead.take()

        assert (before, submitted, ahead.outstanding) == (0, 2, 1)


# -- room --


def begun_and_not_taken(weight: int, *, kept: int, room: int, enough: int) -> int:
    """Return how many of ten jobs are begun if nobody takes a result; at least `enough`."""
    begun: list[int] = []
    there_are_enough = Event()

    def job() -> int:
        begun.append(weight)
        if len(begun) == enough:
            there_are_enough.set()
        return kept

    with ReadAhead[int](weigh=lambda result: result, threads=8, room=room) as ahead:
        for _ in range(10):
            ahead.submit(job, weight=weight)
        assert there_are_enough.wait(PATIENCE)
    return len(begun)


def test_jobs_and_results_that_are_not_taken_fit_into_the_room_together() -> None:
    assert begun_and_not_taken(30, kept=30, room=100, enough=3) == 3


def test_a_result_that_has_become_small_makes_room_before_it_is_taken() -> None:
    assert begun_and_not_taken(50, kept=1, room=100, enough=10) == 10


@pytest.mark.parametrize("weight", [51, 100, 10_000])
def test_large_jobs_are_done_one_at_a_time(weight: int) -> None:
    assert begun_and_not_taken(weight, kept=weight, room=100, enough=1) == 1


def test_a_large_result_that_has_become_small_lets_the_next_large_job_begin() -> None:
    assert begun_and_not_taken(10_000, kept=1, room=100, enough=10) == 10


@pytest.mark.parametrize("weight", [1, 30, 50, 51, 10_000])
def test_every_job_is_done_as_results_are_taken(weight: int) -> None:
    with ReadAhead[int](weigh=lambda result: weight, threads=8, room=100) as ahead:
        for number in range(40):
            ahead.submit(partial(int, number), weight=weight)
        results = [ahead.take() for _ in range(40)]

        assert sorted(results) == list(range(40))
        assert ahead.outstanding == 0


def test_small_jobs_go_on_beside_a_large_one() -> None:
    large_may_end = Event()
    with ReadAhead[str](weigh=nothing, threads=2, room=100) as ahead:
        ahead.submit(after(large_may_end, "large"), weight=1000)
        for number in range(20):
            ahead.submit(partial(str, number), weight=50)
        results = [ahead.take() for _ in range(20)]
        large_may_end.set()
        results.append(ahead.take())

    assert results == [*map(str, range(20)), "large"]


def test_a_large_job_does_not_wait_until_the_small_ones_are_done() -> None:
    all_submitted, large_has_begun = Event(), Event()

    def begin() -> str:
        large_has_begun.set()
        return "large"

    with ReadAhead[str](weigh=nothing, threads=2, room=100) as ahead:
        for _ in range(2):
            ahead.submit(after(all_submitted, "first"), weight=50)
        for _ in range(20):
            ahead.submit(after(large_has_begun, "small"), weight=50)
        ahead.submit(begin, weight=60)
        all_submitted.set()
        results = [ahead.take() for _ in range(23)]

    assert results.count("large") == 1


# -- the end --


def test_what_a_job_raises_is_raised_where_its_result_is_taken() -> None:
    def fail() -> str:
        raise LookupError("no such thing")

    with ReadAhead[str](weigh=nothing, threads=1) as ahead:
        ahead.submit(fail, weight=0)
        ahead.submit(lambda: "good", weight=0)

        with pytest.raises(LookupError, match="no such thing"):
            ahead.take()
        assert ahead.take() == "good"


def test_a_job_that_raises_gives_its_room_back() -> None:
    def fail() -> str:
        raise LookupError("no such thing")

    with ReadAhead[str](weigh=nothing, threads=1, room=100) as ahead:
        for weight in (50, 50, 60):
            ahead.submit(fail, weight=weight)
        ahead.submit(lambda: "small", weight=50)
        ahead.submit(lambda: "large", weight=100)
        results = set()
        while ahead.outstanding:
            try:
                results.add(ahead.take())
            except LookupError:
                continue

    assert results == {"small", "large"}


def test_an_exception_ends_the_threads_and_drops_what_was_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = Event(), Event()
    done: list[str] = []
    join = threading.Thread.join

    def run() -> None:
        begun.set()
        assert may_end.wait(PATIENCE)
        done.append("begun")

    def let_end_and_join(self: threading.Thread, timeout: float | None = None) -> None:
        may_end.set()
        join(self, timeout)

    def fail() -> None:
        with ReadAhead[None](weigh=nothing, threads=1, room=100) as ahead:
            ahead.submit(run, weight=50)
            for weight in (50, 60) * 10:
                ahead.submit(partial(done.append, "not begun"), weight=weight)
            assert begun.wait(PATIENCE)
            raise ZeroDivisionError

    monkeypatch.setattr(threading.Thread, "join", let_end_and_join)
    with pytest.raises(ZeroDivisionError):
        fail()

    assert done == ["begun"]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt, which a process in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_ends_the_wait_for_a_result() -> None:
    main = threading.main_thread().ident
    assert main is not None
    waiting, may_end = Event(), Event()

    def press() -> None:
        assert waiting.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGINT)
        assert may_end.wait(PATIENCE)

    def wait() -> None:
        with ReadAhead[None](weigh=nothing, threads=1) as ahead:
            ahead.submit(press, weight=0)
            try:
                waiting.set()
                ahead.take()
            finally:
                may_end.set()

    with pytest.raises(KeyboardInterrupt):
        wait()


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_while_a_thread_is_started_leaves_none_behind() -> None:
    main = threading.main_thread().ident
    assert main is not None

    def start() -> None:
        with ReadAhead[None](weigh=nothing, threads=1) as ahead:
            ahead.submit(partial(signal.pthread_kill, main, signal.SIGINT), weight=0)
            ahead.take()

    with pytest.raises(KeyboardInterrupt):
        start()


def test_no_thread_is_started_for_nothing() -> None:
    before = set(threading.enumerate())
    with ReadAhead[str](weigh=nothing, threads=4):
        assert set(threading.enumerate()) <= before


def test_jobs_under_way_are_ended_when_nobody_waits_for_them() -> None:
    begun, ended = Event(), Event()

    def hang() -> None:
        begun.set()
        assert ended.wait(PATIENCE)

    with ReadAhead[None](weigh=nothing, threads=1, abandon=ended.set) as ahead:
        ahead.submit(hang, weight=0)
        assert begun.wait(PATIENCE)


def test_nothing_is_ended_when_all_is_done() -> None:
    with ReadAhead[None](weigh=nothing, threads=1, abandon=lambda: pytest.fail("why")) as ahead:
        ahead.submit(lambda: None, weight=0)
        ahead.take()
