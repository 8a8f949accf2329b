"""Pictures and texts to rows of one space, by two ONNX graphs of a model folder.

The models are those of CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023), SigLIP 2 (Tschannen
et al. 2025) and MobileCLIP (Vasu et al. 2024). Texts over the limit are encoded in windows whose
unit vectors are averaged, so nothing is cut.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock

import numpy as np
from PIL import Image

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.encoders.onnx_clip.candidates import pick_variant
from florilegium.encoders.onnx_clip.choice import check_tower, describe, open_fastest
from florilegium.encoders.onnx_clip.chosen import Chosen, TowerName
from florilegium.encoders.onnx_clip.folder import check_file, find_folder, load_record
from florilegium.encoders.onnx_clip.record import ModelRecord, Variant
from florilegium.encoders.onnx_clip.survey import text_probe, vision_probe
from florilegium.encoders.onnx_clip.tokens import TextReader, as_inputs
from florilegium.encoders.onnx_clip.tower import Inputs, Tower
from florilegium.errors import EncoderError
from florilegium.ids import hash_bytes
from florilegium.protocols import Encoder, Tuned
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

logger = logging.getLogger(__name__)

_REVISION = 1  # of the code here that changes vectors: windows, pooling, rules of texts
_UNRELATED = 0.5  # about the cosine of photos of two different things in a space of this family


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None,  # noqa: ARG001 - all encoders are opened alike
    cache_folder: Path,
) -> OnnxClipEncoder:
    """Return the encoder of a model that was pulled or exported, or of a folder.

    Raises:
        UnknownBackendError: No model is named.
        WeightsNotFoundError: There is no such model.
    """
    if not isinstance(config, EncoderConfig):
        config = EncoderConfig(
            name=config.name, batch_size=config.batch_size, threads=config.threads
        )
    folder = find_folder(model)
    return OnnxClipEncoder(folder, config=config, cache_folder=cache_folder)


class OnnxClipEncoder:
    """An encoder of texts and pictures. May be used by several threads."""

    def __init__(self, folder: Path, *, config: EncoderConfig, cache_folder: Path) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            folder: The model folder.
            config: Batch size, threads, and what narrows the choice of an engine.
            cache_folder: Where measured choices are kept, and records of folders without one.
        """
        self._folder = folder
        self._config = config
        self._cache_folder = cache_folder
        self._lock = RLock()
        self._reader: TextReader | None = None
        self._towers: dict[TowerName, tuple[Tower, Chosen]] = {}

    @cached_property
    def info(self) -> EncoderInfo:
        record = self._record
        return EncoderInfo(
            id=record.id,
            fingerprint=self._fingerprint(),
            dim=record.dim,
            modalities=frozenset({Modality.IMAGE, Modality.TEXT}),
            max_text_tokens=record.text.max_tokens,
            languages=None if record.languages is None else frozenset(record.languages),
            unrelated=_UNRELATED,
            image_side=record.preprocessing.side,
        )

    def count_tokens(self, text: str) -> int:
        return self._load_reader().count(text)

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:  # noqa: ARG002
        if not texts:
            return np.zeros((0, self.info.dim), dtype=np.float32)
        reader, tower = self._load_reader(), self._load("text", self._text_probe)
        by_text = reader.windows(texts)
        windows = [window for some in by_text for window in some]
        rows = np.empty((len(windows), self.info.dim), dtype=np.float32)
        for batch in reader.batches(windows, self._config.batch_size):
            rows[list(batch.positions)] = self._unit(
                tower.run(as_inputs(batch, self._variant.text.inputs))
            )
        if len(windows) == len(texts):
            return rows
        owners = np.repeat(np.arange(len(texts)), [len(some) for some in by_text])
        sums = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        np.add.at(sums, owners, rows)
        return self._unit(sums)

    def prepare_image(self, image: Image.Image) -> Image.Image:
        return self._record.preprocessing.prepare(image)

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        rows = [np.zeros((0, self.info.dim), dtype=np.float32)]
        size = self._config.batch_size
        for start in range(0, len(images), size):
            tower = self._load("vision", self._vision_probe)
            pixels = self._record.preprocessing.to_pixels(images[start : start + size])
            rows.append(self._unit(tower.run({self._variant.vision.inputs[0]: pixels})))
        return np.concatenate(rows)

    def describe_engines(self) -> str:
        """Return in one line what runs pictures and texts, and how fast it was. Loads both."""
        self._load("vision", self._vision_probe)
        self._load("text", self._text_probe)
        with self._lock:
            chosen = {name: describe(found) for name, (_, found) in self._towers.items()}
        return f"pictures by {chosen['vision']}; texts by {chosen['text']}"

    def close(self) -> None:
        with self._lock:
            for tower, _ in self._towers.values():
                tower.close()
            self._towers.clear()
            self._reader = None

    @cached_property
    def _record(self) -> ModelRecord:
        return load_record(self._folder, self._cache_folder)

    @cached_property
    def _variant(self) -> Variant:
        record = self._record
        return record.variants[pick_variant(record, self._config.precision)]

    def _fingerprint(self) -> str:
        record, variant = self._record, self._variant
        graphs = [variant.vision, variant.text]
        paths = [path for graph in graphs for path in (graph.path, *graph.data)]
        tokenizers = [file.path for file in record.files if _is_tokenizer(file.path)]
        facts = {
            "files": [record.file(path).sha256 for path in (*paths, *tokenizers)],
            "outputs": [graph.output for graph in graphs],
            "preprocessing": record.preprocessing.to_json(),
            "text": [getattr(record.text, name) for name in record.text.__slots__],
            "revision": _REVISION,
        }
        return f"onnx_clip-{hash_bytes(json.dumps(facts, sort_keys=True).encode())}"

    def _load_reader(self) -> TextReader:
        with self._lock:
            if self._reader is None:
                (path,) = (f.path for f in self._record.files if _is_tokenizer(f.path))
                data = check_file(self._folder, self._record.file(path)).read_text("utf-8")
                self._reader = TextReader(data, self._record.text)
            return self._reader

    def _load(self, name: TowerName, probe: Callable[[], Inputs]) -> Tower:
        with self._lock:
            if name not in self._towers:
                self._towers[name] = self._open(name, probe())
            return self._towers[name][0]

    def _open(self, name: TowerName, probe: Inputs) -> tuple[Tower, Chosen]:
        variant = self._variant
        graph = variant.vision if name == "vision" else variant.text
        for path in (graph.path, *graph.data):
            check_file(self._folder, self._record.file(path))
        tower, chosen = open_fastest(
            self._folder,
            self._record,
            tower=name,
            config=self._config,
            cache_folder=self._cache_folder,
            probe=probe,
        )
        try:
            check_tower(tower, self._record, chosen, probe)
        except EncoderError:
            tower.close()
            raise
        logger.info("%s, %s: %s", self._record.id, name, describe(chosen))
        return tower, chosen

    def _vision_probe(self) -> Inputs:
        return vision_probe(self._record.preprocessing, self._variant.vision)

    def _text_probe(self) -> Inputs:
        return text_probe(self._load_reader(), self._variant.text)

    def _unit(self, rows: Embeddings) -> Embeddings:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EncoderError(f"The encoder {self._record.id!r} gave a row without a direction.")
        return np.asarray(rows / lengths, dtype=np.float32)


def _is_tokenizer(path: str) -> bool:
    return path.rpartition("/")[2] == "tokenizer.json"


_: type[Encoder] = OnnxClipEncoder
_tuned: type[Tuned] = OnnxClipEncoder
