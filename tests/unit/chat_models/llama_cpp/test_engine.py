from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from florilegium.cancelling import Cancellation, CancelledEarly
from florilegium.chat_models.llama_cpp.engine import Engine, Setup, load_engine
from florilegium.errors import ChatRejectedError, ContextExceededError, WeightsNotFoundError
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import write_gguf
from tests.unit.worker_samples import wait_until


def request(text: str = "Tell a long story about a rose.", **more: object) -> dict[str, Any]:
    # Without these rules, SmolLM2's template adds longer ones.
    messages = [{"role": "system", "content": "Talk."}, {"role": "user", "content": text}]
    return {
        "messages": messages,
        "max_tokens": 8,
        "temperature": 0.0,
        "stream": True,
        "cache_prompt": False,
        "return_progress": True,
        **more,
    }


def words(chunks: Iterable[dict[str, Any]]) -> list[str]:
    """Return the texts of chunks, without those that say nothing."""
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    return [text for text in texts if text]


def busy_seconds() -> float:
    """Return how long this process has computed, which does not count what others do."""
    return time.process_time()


def test_a_reply_comes_piece_by_piece(engine: Engine) -> None:
    chunks = list(engine.stream(request()))

    assert len(words(chunks)) == 8
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_the_first_piece_is_there_long_before_the_last(real_engine: Engine) -> None:
    started = busy_seconds()
    stream = real_engine.stream(request(max_tokens=100, ignore_eos=True))
    first = words(islice(stream, 4))
    early = busy_seconds() - started

    rest = words(stream)

    assert first
    assert len(rest) > 50
    assert early < (busy_seconds() - started) / 2


def test_a_reply_that_is_closed_stops_and_leaves_the_engine_free(real_engine: Engine) -> None:
    started = busy_seconds()
    stream = real_engine.stream(request(max_tokens=2000, ignore_eos=True))
    first = words(islice(stream, 8))
    per_piece = (busy_seconds() - started) / len(first)

    stream.close()

    assert list(stream) == []
    assert len(words(real_engine.stream(request(max_tokens=2)))) == 2
    # If the first reply went on, the second would wait for the rest of its two thousand tokens.
    assert busy_seconds() - started < 500 * per_piece


def test_a_reply_can_be_stopped_while_its_prompt_is_read(real_engine: Engine) -> None:
    stream = real_engine.stream(request("rose " * 1800))
    next(stream)
    asked = busy_seconds()
    progress = next(stream)["prompt_progress"]

    started = busy_seconds()
    stream.close()

    # The whole prompt has seven batches; one of them is read to its end.
    assert 0 < progress["processed"] < progress["total"] / 2
    list(real_engine.stream(request(max_tokens=1)))
    assert busy_seconds() - started < 5 * (started - asked)  # all would be six


def test_replies_take_turns_though_none_of_them_is_read_to_its_end(engine: Engine) -> None:
    """One reader may hold many replies; a reply that is not read must not keep up the others."""
    streams = [engine.stream(request(max_tokens=4)) for _ in range(3)]
    for stream in streams:
        next(stream)

    assert [len(words(stream)) for stream in reversed(streams)] == [4, 4, 4]


def test_twenty_replies_leave_no_threads_behind(engine: Engine) -> None:
    list(engine.stream(request(max_tokens=1)))
    before = threading.active_count(), _native_threads()

    for number in range(20):
        list(engine.stream(request(str(number), max_tokens=1)))

    wait_until(lambda: (threading.active_count(), _native_threads()) == before)


def _native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_no_piece_holds_half_a_character(engine: Engine) -> None:
    """A flower and most Chinese characters take several tokens; the grammar asks for nothing else.

    Each limit of tokens ends the reply at another place within a character.
    """
    whole = ""
    for limit in (1, 2, 4, 7, 40):
        chunks = list(
            engine.stream(request(max_tokens=limit, grammar='root ::= "🌸玫瑰🌺花é" [一-鿿]{4}'))
        )
        pieces = words(chunks)
        whole = "".join(pieces)

        assert all("\ufffd" not in piece for piece in pieces)
        assert "🌸玫瑰🌺花é".startswith(whole) or whole.startswith("🌸玫瑰🌺花é")

    assert len(whole) == 10


def test_a_reply_ends_where_the_context_is_full(engine: Engine) -> None:
    chunks = list(engine.stream(request(max_tokens=10_000, ignore_eos=True)))

    timings = chunks[-1]["timings"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert timings["prompt_n"] + timings["predicted_n"] == pytest.approx(512, abs=1)


def test_a_prompt_that_is_too_long_is_an_error_with_both_numbers(engine: Engine) -> None:
    with pytest.raises(
        ContextExceededError, match=r"take 2\d\d\d tokens, and the context of the model has 512"
    ):
        list(engine.stream(request("x" * 2000)))

    assert len(words(engine.stream(request()))) == 8


def test_a_picture_without_a_vision_part_is_refused(engine: Engine) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [picture]}]

    with pytest.raises(ChatRejectedError, match="image input is not supported"):
        list(engine.stream(request() | {"messages": messages}))


@pytest.mark.parametrize(
    "bad", [{"messages": "rose"}, {"messages": [{"role": "user", "content": "\ud800"}]}]
)
def test_a_request_that_cannot_be_read_is_refused(engine: Engine, bad: dict[str, object]) -> None:
    with pytest.raises(ChatRejectedError, match=r"llama\.cpp refuses the request"):
        list(engine.stream(request() | bad))


def test_nobody_else_can_use_the_engine(engine: Engine) -> None:
    address = engine.address

    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=address, timeout=60) as client:
        for path in ("/v1/chat/completions", "/completion", "/tokenize", "/apply-template"):
            assert client.post(path, json=request()).status_code == 401
            wrong = {"Authorization": "Bearer guess"}
            assert client.post(path, json=request(), headers=wrong).status_code == 401
        for path in ("/v1/models", "/props", "/slots", "/metrics"):
            assert client.get(path).status_code == 401
        assert client.get("/").status_code == 404


def test_nothing_is_written_to_the_terminal(
    tiny_setup: Setup, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = load_engine(tiny_setup)
    list(engine.stream(request()))
    engine.close()

    assert capfd.readouterr() == ("", "")


def test_closing_ends_a_reply_that_is_being_written_and_those_that_wait() -> None:
    setup = Setup(model=find_smollm2(), mmproj=None, context_tokens=512, threads=1)
    engine = load_engine(setup)
    before = threading.active_count()
    writing, waiting = (engine.stream(request(max_tokens=400, ignore_eos=True)) for _ in range(2))
    next(writing)
    rest: list[list[str]] = []
    reader = threading.Thread(target=lambda: rest.append(words(waiting)))
    reader.start()

    engine.close()
    reader.join(120)

    assert rest == [[]]
    assert len(words(writing)) < 350
    assert engine.is_closed
    assert list(engine.stream(request())) == []
    wait_until(lambda: threading.active_count() == before)


def test_cancelling_ends_a_reply_that_is_being_written_and_one_that_waits(
    real_engine: Engine,
) -> None:
    writing = real_engine.stream(request(max_tokens=400, ignore_eos=True))
    next(writing)
    cancellation = Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()

    with cancellation.working(), pytest.raises(CancelledEarly):
        list(real_engine.stream(request()))  # waits for the other
    writing.close()
    cancellation = Cancellation()
    threading.Timer(0.1, cancellation.cancel).start()
    with cancellation.working(), pytest.raises(CancelledEarly):
        list(real_engine.stream(request(max_tokens=400, ignore_eos=True)))

    assert words(real_engine.stream(request()))


def test_an_engine_that_is_closed_at_once_does_not_hang(tiny_setup: Setup) -> None:
    """llama.cpp waits for ever if it is freed before its loop runs, which happens now and then."""
    for _ in range(10):
        load_engine(tiny_setup).close()


def test_two_engines_do_not_disturb_each_other(engine: Engine, tiny_setup: Setup) -> None:
    other = load_engine(tiny_setup)
    both = words(other.stream(request())), words(engine.stream(request()))
    other.close()

    assert both[0] == both[1]
    assert words(engine.stream(request())) == both[1]


def test_what_llama_cpp_cannot_load_is_named_with_its_reason(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "unknown.gguf", {"general.architecture": "rose"})
    setup = Setup(model=file, mmproj=None, context_tokens=256, threads=1)

    with pytest.raises(WeightsNotFoundError, match="unknown model architecture: 'rose'") as caught:
        load_engine(setup)

    assert repr(str(file)) in caught.value.message
