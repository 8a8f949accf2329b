"""What is opened once for several threads is closed once, after its last user."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import pytest

from florilegium.errors import StoreError
from florilegium.leases import Lease, Leases, Once

THREADS = 8
PATIENCE = 30.0  # seconds until a test that hangs fails


class Thing:
    """Something that knows whether it is open."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def in_threads(work: Callable[[], object]) -> None:
    """Do something in several threads that begin at the same moment."""
    start = Barrier(THREADS, timeout=PATIENCE)

    def begin() -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin) for _ in range(THREADS)]:
            done.result(timeout=PATIENCE)


# -- once --


def test_threads_that_come_while_it_opens_wait_and_get_the_same() -> None:
    opened: list[Thing] = []
    first_is_in, others_came = Event(), Event()

    def open_it() -> Thing:
        first_is_in.set()
        assert others_came.wait(PATIENCE)
        opened.append(Thing())
        return opened[-1]

    once = Once(open_it)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(once)
        assert first_is_in.wait(PATIENCE)
        two = pool.submit(once)
        others_came.set()
        assert one.result(PATIENCE) is two.result(PATIENCE) is once()
    assert len(opened) == 1


def test_what_could_not_be_opened_is_opened_by_the_next() -> None:
    answers = iter([StoreError("not yet"), None])

    def open_it() -> Thing:
        if error := next(answers):
            raise error
        return Thing()

    once = Once(open_it)
    with pytest.raises(StoreError, match="not yet"):
        once()
    assert once.opened() is None

    assert once() is once.opened()


def test_nothing_is_something_that_was_opened() -> None:
    calls: list[None] = []
    once = Once(lambda: calls.append(None))

    assert once() is None
    assert once() is None
    assert len(calls) == 1


# -- one lease --


def test_a_thing_that_nobody_uses_is_closed_when_it_is_retired() -> None:
    lease = Lease(Thing(), close=Thing.close)
    assert lease.take()
    lease.leave()
    assert lease.value.closed == 0

    lease.retire()

    assert lease.value.closed == 1
    assert not lease.take()


def test_a_thing_in_use_is_closed_by_the_last_who_leaves_it() -> None:
    lease = Lease(Thing(), close=Thing.close)
    assert lease.take()
    assert lease.take()
    lease.retire()
    lease.leave()
    assert lease.value.closed == 0

    lease.leave()

    assert lease.value.closed == 1


def test_retiring_twice_closes_once() -> None:
    lease = Lease(Thing(), close=Thing.close)
    lease.retire()
    lease.retire()

    assert lease.value.closed == 1


def test_what_goes_wrong_at_closing_is_told_to_who_retires_and_not_to_a_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: Thing) -> None:
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="is gone"):
        Lease(Thing(), close=fail).retire()
    used = Lease(Thing(), close=fail)
    assert used.take()
    used.retire()
    with caplog.at_level(logging.WARNING):
        used.leave()

    assert "the disk is gone" in caplog.text


# -- the one in use --


def test_one_is_opened_for_all_threads_and_closed_after_them() -> None:
    opened: list[Thing] = []

    def open_it() -> Thing:
        opened.append(Thing())
        return opened[-1]

    leases = Leases(open_it, close=Thing.close)
    all_in = Barrier(THREADS, timeout=PATIENCE)

    def use() -> None:
        with leases.lease() as thing:
            all_in.wait()
            assert thing.closed == 0

    in_threads(use)

    assert len(opened) == 1
    leases.retire()
    assert opened[0].closed == 1


def test_an_outdated_one_is_replaced_while_its_users_go_on() -> None:
    outdated: list[Thing] = []
    leases = Leases(Thing, close=Thing.close, is_outdated=lambda thing: thing in outdated)

    with leases.lease() as old:
        outdated.append(old)
        with leases.lease() as new:
            assert new is not old
            assert old.closed == 0
        assert leases.opened() is new
    assert (old.closed, new.closed) == (1, 0)


def test_it_is_opened_anew_after_it_was_retired() -> None:
    leases = Leases(Thing, close=Thing.close)
    first = leases.current()
    leases.retire()

    assert leases.opened() is None
    assert leases.current() is not first
    assert first.closed == 1


def test_threads_that_use_it_while_it_is_retired_again_and_again_never_meet_a_closed_one() -> None:
    opened: list[Thing] = []

    def open_it() -> Thing:
        opened.append(Thing())
        return opened[-1]

    leases = Leases(open_it, close=Thing.close)
    done = Event()

    def retire() -> None:
        while not done.is_set():
            leases.retire()

    retiring = Thread(target=retire)
    retiring.start()

    def use() -> None:
        for _ in range(200):
            with leases.lease() as thing:
                assert thing.closed == 0

    try:
        in_threads(use)
    finally:
        done.set()
        retiring.join(PATIENCE)
    leases.retire()

    assert {thing.closed for thing in opened} == {1}


def test_an_error_of_a_user_gives_it_back() -> None:
    leases = Leases(Thing, close=Thing.close)
    with pytest.raises(ValueError, match="mine"), leases.lease() as thing:
        raise ValueError("mine")

    leases.retire()

    assert thing.closed == 1
