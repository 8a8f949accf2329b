from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from florilegium.config_sections import RerankConfig
from florilegium.errors import RerankError, RerankRejectedError
from florilegium.protocols import Reranker
from florilegium.registry import open_reranker
from florilegium.types import RerankerInfo
from tests.misbehaving_server import (
    PATIENCE,
    Behaviour,
    Exchange,
    MisbehavingServer,
    refuses,
    sends,
)

Serve = Callable[..., tuple[Reranker, MisbehavingServer]]

WANTS_TEXTS = refuses(422, {"error": "missing field `texts` at line 1 column 40"})


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(
            *script: Behaviour, name: str = "served:rose", batch_size: int = 32
        ) -> tuple[Reranker, MisbehavingServer]:
            server = stack.enter_context(MisbehavingServer(*script))
            config = RerankConfig(base_url=server.base_url, timeout=PATIENCE, batch_size=batch_size)
            reranker = open_reranker(name, config=config)
            stack.callback(reranker.close)
            return reranker, server

        yield start


def numbers(exchange: Exchange) -> None:
    """Score each text with the number that it is."""
    body = exchange.request.body
    texts = body.get("documents") or body["texts"]
    results = [{"index": i, "relevance_score": float(text)} for i, text in enumerate(texts)]
    refuses(200, {"results": results[::-1]})(exchange)


def test_many_texts_are_sent_in_batches(serve: Serve) -> None:
    reranker, server = serve(numbers, batch_size=2)

    assert reranker.score("q", ["3", "1", "2", "5", "4"]).tolist() == [3, 1, 2, 5, 4]
    assert [len(request.body["documents"]) for request in server.asked] == [2, 2, 1]
    assert {request.body["model"] for request in server.asked} == {"rose"}


def test_no_texts_ask_for_nothing(serve: Serve) -> None:
    reranker, server = serve(numbers)

    assert reranker.score("q", []).shape == (0,)
    assert server.asked == []


def test_the_other_form_is_found_out_once(serve: Serve) -> None:
    reranker, server = serve(WANTS_TEXTS, numbers, batch_size=1)

    assert reranker.score("q", ["2", "1"]).tolist() == [2, 1]
    assert ["texts" in request.body for request in server.asked] == [False, True, True]


def test_a_server_that_refuses_both_forms_is_believed(serve: Serve) -> None:
    reranker, server = serve(WANTS_TEXTS)

    with pytest.raises(RerankRejectedError, match="missing field"):
        reranker.score("q", ["1"])

    assert len(server.asked) == 2


def test_another_refusal_is_not_asked_again(serve: Serve) -> None:
    reranker, server = serve(refuses(400, {"message": "model 'rose' does not rerank"}))

    with pytest.raises(RerankRejectedError, match="does not rerank"):
        reranker.score("q", ["1"])

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (refuses(200, "<html>Welcome</html>"), "HTML page"),
        (sends(b'{"results": [', kind="application/json"), "no JSON"),
        (refuses(200, {"results": []}), "no score for 1 of 1 texts"),
        (sends(b'[{"index": 0, "score": NaN}]', kind="application/json"), "nan"),
        (refuses(200, {"error": {"message": "out of memory"}}), "out of memory"),
    ],
)
def test_a_reply_without_scores_is_an_error(
    serve: Serve, behaviour: Behaviour, message: str
) -> None:
    reranker, _ = serve(behaviour)

    with pytest.raises(RerankError, match=message):
        reranker.score("q", ["1"])


def test_a_model_need_not_be_named(serve: Serve) -> None:
    reranker, server = serve(numbers, name="served")

    reranker.score("q", ["1"])

    assert reranker.info == RerankerInfo(id="served")
    assert "model" not in server.asked[0].body


def test_the_info_asks_for_nothing(serve: Serve) -> None:
    reranker, server = serve(numbers, name="served:BAAI/bge-reranker-v2-m3")

    assert reranker.info.id == "served:BAAI/bge-reranker-v2-m3"
    assert reranker.info.max_tokens is None
    assert server.received == []
