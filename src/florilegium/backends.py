"""Encoders, loaders, chat models and reranker of one library, each opened when first needed.

They are shared by all threads and closed together. Knows no index.
"""

from __future__ import annotations

import os

from florilegium.batching import BatchCount, BatchingEncoder
from florilegium.config import Config, EncoderConfig, user_cache_folder
from florilegium.file_jobs import FileJobs
from florilegium.isolation import open_jobs
from florilegium.leases import Once
from florilegium.protocols import ChatModel, Encoder, Loader, Reranker
from florilegium.registry import open_chat_model, open_encoder, open_loaders, open_reranker
from florilegium.types import Manifest, Space

QUOTING_CHAT_MODEL = "extractive"
"""What answers when the configured chat model is out of reach."""

_RECORDS = 2  # raised when the same files give other records than before


def _image_passes(config: EncoderConfig) -> int:
    """Return how many batches of query pictures run at the same time: one on a graphics card.

    A processor is kept busy by some more than it has cores, since none of them always computes.
    """
    return 1 if config.device == "cuda" else 2 * (os.cpu_count() or 1)


class Backends:
    """What a library works with, whatever is in it. Two threads never open the same one twice."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.text_encoder: Once[Encoder] = Once(self._open_text_encoder)
        self.encoder: Once[Encoder] = Once(self._open_encoder)
        self.query_encoder = Once(
            lambda: BatchingEncoder(
                self.encoder(),
                batch_size=config.encoder.batch_size,
                image_passes=_image_passes(config.encoder),
            )
        )
        self.query_text_encoder = Once(
            lambda: BatchingEncoder(self.text_encoder(), batch_size=config.text_encoder.batch_size)
        )
        self.loaders: Once[list[Loader]] = Once(self._open_loaders)
        self.chat_model: Once[ChatModel] = Once(lambda: self._open_chat_model(config.chat.name))
        self.quoting_model: Once[ChatModel] = Once(
            lambda: self._open_chat_model(QUOTING_CHAT_MODEL)
        )
        self.reranker: Once[Reranker | None] = Once(self._open_reranker)

    def file_jobs(self) -> FileJobs:
        """Return who has the loaders read files: this process, or others that end with `close`."""
        return open_jobs(self.loaders(), config=self._config, cache_folder=user_cache_folder())

    def manifest(self) -> Manifest:
        """Return what an index of this library must have been built by."""
        infos = {encoder.info.id: encoder.info for encoder in (self.encoder(), self.text_encoder())}
        spaces = [
            Space(name=id_, fingerprint=info.fingerprint, dim=info.dim)
            for id_, info in sorted(infos.items())
        ]
        return Manifest(schema=_RECORDS, spaces=tuple(spaces))

    def batch_counts(self) -> tuple[BatchCount, ...]:
        """Return how many batches of queries the encoders have run that were used for any."""
        opened = (self.query_encoder.opened(), self.query_text_encoder.opened())
        return tuple(count for one in opened if one is not None for count in one.counts())

    def close(self) -> None:
        """Free all weights and connections."""
        opened = (
            self.encoder.opened(),
            self.text_encoder.opened(),
            self.chat_model.opened(),
            self.quoting_model.opened(),
            self.reranker.opened(),
        )
        for part in opened:
            if part is not None:
                part.close()

    def _open_text_encoder(self) -> Encoder:
        config = self._config.text_encoder
        return open_encoder(config.name, config=config, cache_folder=user_cache_folder())

    def _open_encoder(self) -> Encoder:
        config = self._config.encoder
        return open_encoder(
            config.name,
            config=config,
            texts=self.text_encoder(),
            cache_folder=user_cache_folder(),
        )

    def _open_loaders(self) -> list[Loader]:
        count_tokens = self.text_encoder().count_tokens
        return open_loaders(config=self._config.ingest, count_tokens=count_tokens)

    def _open_chat_model(self, name: str) -> ChatModel:
        return open_chat_model(
            name,
            config=self._config.chat,
            texts=self.query_text_encoder(),
            cache_folder=user_cache_folder(),
        )

    def _open_reranker(self) -> Reranker | None:
        config = self._config.rerank
        return open_reranker(config.name, config=config) if config.name else None
