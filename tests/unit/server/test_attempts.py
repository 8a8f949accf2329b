"""Attempts are counted: log-ins by address, name and browser, wrong keys by address."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from florilegium.server import attempts as module
from florilegium.server.attempts import Attempts, network


class Clock:
    """The time that all parts of the counter read."""

    def __init__(self) -> None:
        self.now = 1_000_000_020.0  # at the third part of a minute, as the package cuts minutes

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for place in ("limits.storage.memory.time", "limits.strategies.time"):
        monkeypatch.setattr(place, SimpleNamespace(time=clock.time))
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_an_address_has_ten_log_ins_in_a_minute(clock: Clock) -> None:
    attempts = Attempts()

    assert [attempts.log_in("192.0.2.1", f"user{n}") for n in range(10)] == [0] * 10
    assert attempts.log_in("192.0.2.1", "another") == 60
    assert attempts.log_in("192.0.2.2", "another") == 0
    clock.now += 59.0
    assert attempts.log_in("192.0.2.1", "another") == 1
    clock.now += 1.5
    assert attempts.log_in("192.0.2.1", "another") == 0


def test_a_name_has_five_log_ins_in_a_minute_and_twenty_in_an_hour_from_one_address(
    clock: Clock,
) -> None:
    attempts = Attempts()
    for _ in range(4):
        assert [attempts.log_in("192.0.2.1", "anna") for _ in range(6)] == [0] * 5 + [60]
        clock.now += 60.5

    assert attempts.log_in("192.0.2.1", "anna") == 3600 - 4 * 60 - 2
    clock.now += 3600 - 4 * 60
    assert attempts.log_in("192.0.2.1", "anna") == 0


def test_one_address_locks_no_other_out(clock: Clock) -> None:
    attempts = Attempts()

    for _ in range(180):  # for three hours, as fast as it can
        for _ in range(12):
            attempts.log_in("192.0.2.1", "anna")
        assert attempts.log_in("192.0.2.2", "anna") == 0
        attempts.logged_in("192.0.2.2", "anna")
        clock.now += 60.0


def test_many_addresses_have_a_hundred_log_ins_in_an_hour_under_a_name(clock: Clock) -> None:
    attempts = Attempts()

    tried = [attempts.log_in(f"192.0.2.{n}", "anna") for n in range(101)]

    assert tried == [0] * 100 + [3600]
    assert attempts.log_in("192.0.2.1", "ben") == 0
    clock.now += 3600.5
    assert attempts.log_in("192.0.2.101", "anna") == 0


def test_they_lock_no_browser_out_that_has_logged_in_before(clock: Clock) -> None:
    attempts = Attempts()
    for n in range(101):
        attempts.log_in(f"192.0.2.{n}", "anna")
    for n in range(10):
        attempts.log_in("198.51.100.1", f"user{n}")

    assert attempts.log_in("192.0.2.1", "anna", device="hers") == 0
    # Not even from the very address that somebody has used up.
    assert attempts.log_in("198.51.100.1", "anna", device="hers") == 0
    assert attempts.log_in("198.51.100.1", "anna") == 60


def test_a_known_browser_has_no_more_attempts_than_an_address(clock: Clock) -> None:
    attempts = Attempts()
    tried = [attempts.log_in(f"192.0.2.{n}", "anna", device="hers") for n in range(6)]

    assert tried == [0] * 5 + [60]
    assert attempts.log_in("192.0.2.1", "anna", device="another") == 0
    for _ in range(3):
        clock.now += 60.5
        tried += [attempts.log_in("192.0.2.1", "anna", device="hers") for _ in range(5)]
    clock.now += 60.5
    assert attempts.log_in("192.0.2.1", "anna", device="hers") > 3000
    assert tried.count(0) == 20


@pytest.mark.parametrize("device", [None, "hers"])
def test_who_got_in_begins_anew(clock: Clock, device: str | None) -> None:
    attempts = Attempts()
    for _ in range(4):
        tried = [attempts.log_in("192.0.2.1", "anna", device=device) for _ in range(5)]
        assert tried == [0] * 5
        clock.now += 60.5

    attempts.logged_in("192.0.2.1", "anna", device=device)

    assert attempts.log_in("192.0.2.1", "anna", device=device) == 0


def test_without_names_only_addresses_count(clock: Clock) -> None:
    attempts = Attempts()

    assert [attempts.log_in(f"192.0.2.{n}", None) for n in range(20)] == [0] * 20


def test_after_twenty_wrong_keys_an_address_waits(clock: Clock) -> None:
    attempts = Attempts()
    for _ in range(20):
        assert attempts.before_key("192.0.2.1") == 0
        attempts.wrong_key("192.0.2.1")

    assert attempts.before_key("192.0.2.1") == 60
    assert attempts.before_key("192.0.2.2") == 0
    clock.now += 60.5
    assert attempts.before_key("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(address: str, found: str) -> None:
    assert network(address) == found
