"""A model is said to see only if it reads what is in pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from PIL import ImageChops

from florilegium.chat_models.openai.connection import Connection
from florilegium.chat_models.openai.probe import NUMBERS, SIDE, Sight, draw_number, probe_sight
from florilegium.config import ChatConfig
from florilegium.errors import (
    ChatError,
    ChatRejectedError,
    ChatTimeoutError,
    ChatUnavailableError,
)
from tests.misbehaving_server import (
    EVENTS,
    PATIENCE,
    Behaviour,
    Exchange,
    MisbehavingServer,
    drops,
    event,
    hangs,
    piece,
    read_number,
    refuses,
    says,
    sees,
    sends,
)

Probe = Callable[..., tuple[Sight, MisbehavingServer]]


def _in_order(numbers: Sequence[int]) -> int:
    return numbers[0]


@pytest.fixture
def look() -> Probe:
    def run(*script: Behaviour, timeout: float = PATIENCE) -> tuple[Sight, MisbehavingServer]:
        with MisbehavingServer(*script) as server:
            config = ChatConfig(base_url=server.base_url, retries=0, timeout=timeout)
            connection = Connection(config)
            try:
                return probe_sight(connection, "m", choose=_in_order), server
            finally:
                connection.close()

    return run


def test_a_model_that_reads_both_numbers_sees(look: Probe) -> None:
    sight, server = look(sees)

    assert sight == Sight(sees=True, reason="it read two numbers in pictures")
    numbers = [read_number(request.pictures[0]) for request in server.asked]
    assert numbers == [10, 11]
    for request in server.asked:
        assert request.body["temperature"] == 0.0
        assert request.body["max_tokens"] <= 64
        assert "10" not in str(request.body["messages"][0]["content"][-1])


def test_numbers_are_not_the_same_each_time() -> None:
    with MisbehavingServer(sees) as server:
        connection = Connection(ChatConfig(base_url=server.base_url))
        for _ in range(4):
            assert probe_sight(connection, "m").sees
        connection.close()
        drawn = [read_number(request.pictures[0]) for request in server.asked]

    assert len(set(drawn)) > 2
    assert all(first != second for first, second in zip(drawn[::2], drawn[1::2], strict=True))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ([says("I see a red rose.")], "I see a red rose."),
        ([says("12")], "12"),
        ([says("10"), says("10")], "10"),  # the second number is 11
        ([says("41 42 10 11")], "41"),
        ([says("1", "0", "0 roses")], "100 roses"),
        ([says("")], ""),
    ],
)
def test_a_model_that_says_something_else_does_not(
    look: Probe, script: list[Behaviour], said: str
) -> None:
    sight, _ = look(*script)

    assert not sight.sees
    assert "shown the number 1" in sight.reason
    assert said in sight.reason


def test_a_number_that_is_cut_in_two_pieces_is_read(look: Probe) -> None:
    sight, _ = look(says("1", "0", "."), says("The number is **1", "1**"))

    assert sight.sees


def test_a_number_in_the_thoughts_counts(look: Probe) -> None:
    def thinks(number: str) -> Behaviour:
        thoughts = [piece(None, reasoning_content=text) for text in ("It says ", number, ", so")]
        return sends(*(event(chunk) for chunk in [*thoughts, piece(finish="length")]))

    sight, _ = look(thinks("10"), thinks("11"))

    assert sight.sees


def test_the_rest_of_a_long_reply_is_not_waited_for(look: Probe) -> None:
    left: list[bool] = []

    def rambles(exchange: Exchange) -> None:
        number = read_number(exchange.request.pictures[0])
        exchange.head(200, EVENTS)
        exchange.chunk(event(piece(f"{number} is what it says")))
        left.append(exchange.wait_until_gone())

    sight, _ = look(rambles)

    assert sight.sees
    assert left == [True, True]


@pytest.mark.parametrize("status", [400, 413, 415, 422, 500, 501])
def test_a_server_that_refuses_a_picture_is_blind(look: Probe, status: int) -> None:
    sight, _ = look(refuses(status, {"error": {"message": "text only, please"}}))

    assert not sight.sees
    assert "text only, please" in sight.reason


def test_a_refusal_within_the_stream_counts_too(look: Probe) -> None:
    sight, _ = look(sends(event({"error": {"message": "image input is not supported"}})))

    assert not sight.sees
    assert "image input is not supported" in sight.reason


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (refuses(401, {}), ChatRejectedError),
        (refuses(404, {}), ChatRejectedError),
        (refuses(429, {}), ChatUnavailableError),
        (refuses(503, {}), ChatUnavailableError),
        (hangs, ChatTimeoutError),
        (drops(event(piece("a"))), ChatError),
        (sends(b"data: {\n\n"), ChatError),
    ],
)
def test_other_troubles_are_errors_and_say_nothing_of_sight(
    look: Probe, trouble: Behaviour, kind: type[ChatError]
) -> None:
    with pytest.raises(kind):
        look(trouble, timeout=0.2 if trouble is hangs else PATIENCE)


def test_every_number_is_drawn_large_and_like_no_other() -> None:
    pictures = {draw_number(number).tobytes() for number in NUMBERS}

    assert len(pictures) == len(NUMBERS)
    for number in (11, 88):
        left, top, right, bottom = ImageChops.invert(draw_number(number)).getbbox() or (0, 0, 0, 0)
        assert (right - left) > SIDE // 2
        assert (bottom - top) > SIDE // 3
        assert left > 0
        assert right < SIDE
