"""Sessions of users: the least recently used goes when there are too many."""

from __future__ import annotations

from florilegium.server.mcp.sessions import Sessions


def test_the_least_recently_used_is_over_the_limit() -> None:
    sessions = Sessions(most_per_user=2)

    assert sessions.use("ana", "a") == []
    assert sessions.use("ana", "b") == []
    assert sessions.use("ana", "a") == []
    assert sessions.use("ana", "c") == ["b"]
    assert sessions.use("ana", "d") == ["a"]


def test_each_user_has_a_limit_of_their_own() -> None:
    sessions = Sessions(most_per_user=1)

    assert sessions.use("ana", "a") == []
    assert sessions.use("bob", "b") == []
    assert sessions.use("bob", "c") == ["b"]


def test_a_session_that_has_ended_makes_room() -> None:
    sessions = Sessions(most_per_user=1)
    sessions.use("ana", "a")

    sessions.forget("ana", "a")
    sessions.forget("ana", "never there")
    sessions.forget("bob", "nobody")

    assert sessions.use("ana", "b") == []
    assert set(sessions._of) == {"ana"}
