"""A cross-encoder: query and text are read together by one network (Nogueira & Cho 2019).

Knows pairs and their best stretches; the folder, the tokens and the graph have modules of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from florilegium.config_sections import RerankConfig
from florilegium.errors import WeightsNotFoundError
from florilegium.protocols import Reranker
from florilegium.rerankers.cross_encoder.folder import ModelFolder, read_folder
from florilegium.rerankers.cross_encoder.graph import PairGraph
from florilegium.rerankers.cross_encoder.pairs import PairReader
from florilegium.types import RerankerInfo, Scores
from florilegium.weights import locate_weights

KIND = "cross_encoder"


def open_reranker(model: str, *, config: RerankConfig) -> CrossEncoder:
    """Return the cross-encoder `model`: a card, a pulled repository, a folder, or a graph in one.

    Raises:
        WeightsNotFoundError: There is no such model.
    """
    path = locate_weights(model, kind=KIND)
    return CrossEncoder(path, name=model, batch_size=config.batch_size, threads=config.threads)


class CrossEncoder:
    """A reranker in process. May be used by several threads.

    Args:
        path: The folder of the model, or the graph in it that is to be taken.
        name: What it is called.
        batch_size: Pairs in one forward pass, at most.
        threads: Threads of one forward pass; 0 means one per core.
    """

    def __init__(self, path: Path, *, name: str, batch_size: int = 32, threads: int = 0) -> None:
        self._path = path
        self._name = name
        self._batch_size = batch_size
        self._threads = threads
        self._lock = Lock()
        self._folder: ModelFolder | None = None
        self._reader: PairReader | None = None
        self._graph: PairGraph | None = None

    @property
    def info(self) -> RerankerInfo:
        folder = self._read_folder()
        return RerankerInfo(
            id=f"{KIND}:{self._name}", max_tokens=folder.max_tokens, languages=folder.languages
        )

    def score(self, query: str, texts: Sequence[str]) -> Scores:
        scores = np.full(len(texts), -np.inf, dtype=np.float32)
        if not texts:
            return scores
        reader = self._load_reader()
        pairs = reader.read(query, texts)
        graph = self._load_graph()
        for batch in reader.batches(pairs, self._batch_size if graph.is_batched else 1):
            owners = [pairs[position].owner for position in batch.positions]
            np.maximum.at(scores, owners, graph.score(batch))
        return scores

    def close(self) -> None:
        with self._lock:
            self._graph = None

    def _read_folder(self) -> ModelFolder:
        with self._lock:
            if self._folder is None:
                self._folder = read_folder(self._path)
            return self._folder

    def _load_reader(self) -> PairReader:
        folder = self._read_folder()
        with self._lock:
            if self._reader is None:
                self._reader = PairReader(
                    _read_text(folder.tokenizer),
                    max_tokens=folder.max_tokens,
                    pad_id=folder.pad_id,
                )
            return self._reader

    def _load_graph(self) -> PairGraph:
        folder = self._read_folder()
        with self._lock:
            if self._graph is None:
                self._graph = PairGraph(folder.graph, threads=self._threads)
            return self._graph


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsNotFoundError(
            f"{str(file)!r} cannot be read: {error}.", hint="Fetch the model again."
        ) from error


_: type[Reranker] = CrossEncoder
