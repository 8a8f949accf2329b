"""The encoder `starter`: pictures and texts in one space, with no more than pip brings.

An image embedding is a label part, in the space of a text encoder, and a visual part; the visual
part of a text is zero. Not a CLIP: it names about a thousand kinds of things, and only those
cross from picture to text. Knows nothing of files other than its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.encoders.starter.labels import (
    LABELS_REVISION,
    LabelSpace,
    LabelTable,
    open_label_space,
    read_label_table,
)
from florilegium.encoders.starter.network import (
    FEATURE_DIM,
    IMAGE_SIZE,
    NETWORK_REVISION,
    WEIGHTS_SHA256,
    Network,
    shrink,
)
from florilegium.errors import ConfigError, EncoderError, UnknownBackendError
from florilegium.ids import hash_bytes
from florilegium.protocols import Encoder, Labeler
from florilegium.types import Embeddings, EncoderInfo, Label, Modality, Purpose

LABEL_SHARE = 0.05
"""The label part's share in the squared length of an image embedding.

The order of a text's pictures does not depend on it, since it scales all their scores alike. The
order of a picture's pictures does: cosines of label parts spread about three times as wide as
those of features and would outweigh them at equal shares, though features rank pictures better.
So the share is small: among pictures, labels decide only what features leave open.
"""

_REVISION = 1  # of the code here that changes vectors: how the parts are joined


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None,
    cache_folder: Path,
) -> StarterEncoder:
    """Return the encoder; `model` must be empty, and `texts` is needed."""
    if model:
        raise UnknownBackendError(
            f"The encoder 'starter' comes in one model only, not {model!r}.",
            hint="Write `starter` without a model.",
        )
    if texts is None or Modality.TEXT not in texts.info.modalities:
        raise ConfigError(
            "The encoder 'starter' needs a text encoder to read its labels.",
            hint="Use it as `encoder.name`, next to a `text_encoder.name` such as `minilm`.",
        )
    return StarterEncoder(
        texts,
        cache_folder=cache_folder,
        batch_size=config.batch_size,
        network=Network(threads=config.threads),
    )


class StarterEncoder:
    """An encoder and a labeler. May be used by several threads if its text encoder may."""

    def __init__(
        self,
        texts: Encoder,
        *,
        cache_folder: Path,
        batch_size: int = 16,
        network: Network | None = None,
    ) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            texts: Reads labels and texts. It stays its owner's to close.
            cache_folder: Where the embeddings of the labels are kept between processes.
            batch_size: Pictures in one forward pass, at most.
            network: Looks at the pictures; by default the one that is shipped.
        """
        self._texts = texts
        self._cache_folder = cache_folder
        self._batch_size = batch_size
        self._network = network or Network()
        self._lock = Lock()
        self._space: LabelSpace | None = None

    @cached_property
    def info(self) -> EncoderInfo:
        texts = self._texts.info
        parts = (
            WEIGHTS_SHA256,
            self._table.content_hash,
            texts.fingerprint,
            f"{NETWORK_REVISION}.{LABELS_REVISION}.{_REVISION}",
        )
        return EncoderInfo(
            id="starter",
            fingerprint=f"starter-{hash_bytes(chr(0).join(parts).encode())}",
            dim=texts.dim + FEATURE_DIM,
            modalities=frozenset({Modality.IMAGE, Modality.TEXT}),
            max_text_tokens=texts.max_text_tokens,
            languages=texts.languages,
            unrelated=0.4,
            image_side=IMAGE_SIZE,
        )

    def count_tokens(self, text: str) -> int:
        return self._texts.count_tokens(text)

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        rows = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        if texts:
            encoded = self._texts.encode_texts(texts, purpose=purpose)
            rows[:, : self._texts.info.dim] = self._load_space().centre(encoded)
        return rows

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return shrink(image)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        batches = [
            self._encode_batch(images[start : start + self._batch_size])
            for start in range(0, len(images), self._batch_size)
        ]
        return np.concatenate([np.empty((0, self.info.dim), dtype=np.float32), *batches])

    def label_embeddings(self, embeddings: Embeddings, *, top_k: int) -> list[tuple[Label, ...]]:
        """Return at most top_k labels for each row of shape (n, dim), most likely first.

        A label's weight is its share among the likeliest labels of the picture, so weights sum
        to at most 1. The embedding is enough: no network runs.

        Raises:
            EncoderError: The rows are not of this encoder's dimension.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.info.dim:
            raise EncoderError(
                f"Labels need embeddings of shape (n, {self.info.dim}), not {embeddings.shape}."
            )
        space = self._load_space() if len(embeddings) else None
        return [] if space is None else [self._name(space, row, top_k) for row in embeddings]

    def close(self) -> None:
        self._network.close()
        with self._lock:
            self._space = None

    @cached_property
    def _table(self) -> LabelTable:
        return read_label_table()

    def _encode_batch(self, images: Sequence[Image.Image]) -> Embeddings:
        features, logits = self._network.run(images)
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        # All features can be zero after the last ReLU; such a picture has its labels only.
        visual = features / np.where(lengths > 0, lengths, 1)
        rows = np.hstack(
            [
                np.sqrt(LABEL_SHARE) * self._load_space().combine(logits),
                np.sqrt(1 - LABEL_SHARE) * visual,
            ]
        )
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def _name(self, space: LabelSpace, row: Embeddings, top_k: int) -> tuple[Label, ...]:
        combined = row[: self._texts.info.dim]
        length = np.linalg.norm(combined)
        if not length:
            return ()
        found = space.separate(combined / length)[:top_k]
        return tuple(
            Label(name=label.name, synonyms=label.synonyms, chinese=label.chinese, weight=weight)
            for label, weight in ((self._table.labels[index], weight) for index, weight in found)
        )

    def _load_space(self) -> LabelSpace:
        with self._lock:
            if self._space is None:
                self._space = open_label_space(self._table, self._texts, self._cache_folder)
            return self._space


_encoder: type[Encoder] = StarterEncoder
_labeler: type[Labeler] = StarterEncoder
