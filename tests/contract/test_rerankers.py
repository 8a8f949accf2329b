"""The rerankers that are built in, against the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from florilegium.config_sections import RerankConfig
from florilegium.protocols import Reranker
from florilegium.rerankers.cross_encoder.reranker import CrossEncoder
from florilegium.rerankers.served.reranker import open_reranker
from florilegium.testing.reranker import FakeReranker
from florilegium.testing.reranker_contract import RerankerContract
from tests.misbehaving_server import PATIENCE, Exchange, MisbehavingServer, refuses
from tests.tiny_reranker import write_tiny_reranker


class TestFakeReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return FakeReranker()


class TestCrossEncoder(RerankerContract):
    @pytest.fixture
    def reranker(self, tmp_path: Path) -> Reranker:
        return CrossEncoder(write_tiny_reranker(tmp_path), name="tiny", batch_size=3, threads=1)


class TestCrossEncoderOfAnotherFamily(RerankerContract):
    @pytest.fixture
    def reranker(self, tmp_path: Path) -> Reranker:
        folder = write_tiny_reranker(
            tmp_path, family="roberta", types=False, output="two", graph="model.onnx", int32=True
        )
        return CrossEncoder(folder, name="tiny", threads=1)


class TestQuantizedCrossEncoder(RerankerContract):
    """A graph whose scales depend on the batch, so that it takes one pair at a time."""

    @pytest.fixture
    def reranker(self, tmp_path: Path) -> Reranker:
        folder = write_tiny_reranker(tmp_path, dynamic=True, graph="onnx/model_quantized.onnx")
        return CrossEncoder(folder, name="tiny", threads=1)


def _shares(query: str, texts: list[str]) -> list[float]:
    wanted = set(re.findall(r"\w+", query.casefold()))
    found = [wanted & set(re.findall(r"\w+", text.casefold())) for text in texts]
    return [len(each) / max(1, len(wanted)) for each in found]


def ranks(exchange: Exchange) -> None:
    """Reply as vLLM, llama-server, Jina and Cohere do: best first."""
    body = exchange.request.body
    shares = _shares(body["query"], body["documents"])
    results = [{"index": i, "relevance_score": share} for i, share in enumerate(shares)]
    results.sort(key=lambda result: -result["relevance_score"])
    refuses(200, {"model": "rose", "results": results})(exchange)


def ranks_texts(exchange: Exchange) -> None:
    """Reply as Text Embeddings Inference does, which wants the texts under another name."""
    body = exchange.request.body
    if "texts" not in body:
        words = "Failed to deserialize the JSON body: missing field `texts` at line 1 column 9"
        refuses(422, {"error": words, "error_type": "validation"})(exchange)
        return
    shares = _shares(body["query"], body["texts"])
    results = [{"index": i, "score": share} for i, share in enumerate(shares)]
    refuses(200, sorted(results, key=lambda result: -result["score"]))(exchange)


@contextmanager
def _served(*script: object) -> Iterator[Reranker]:
    with MisbehavingServer(*script) as server:  # type: ignore[arg-type]  # behaviours
        config = RerankConfig(base_url=server.base_url, timeout=PATIENCE, batch_size=2)
        reranker = open_reranker("rose", config=config)
        yield reranker
        reranker.close()


class TestServedReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Iterator[Reranker]:
        with _served(ranks) as reranker:
            yield reranker


class TestServedRerankerOfTheOtherForm(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Iterator[Reranker]:
        with _served(ranks_texts) as reranker:
            yield reranker
