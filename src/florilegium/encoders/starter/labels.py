"""The thousand labels of the starter encoder, their embeddings, and pictures as sums of them.

Knows the label table and the space of a text encoder; nothing of pixels or networks.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from florilegium.errors import EncoderError
from florilegium.ids import hash_bytes
from florilegium.protocols import Encoder
from florilegium.types import Embeddings, Label

LABEL_COUNT = 1000
LABELS_PER_IMAGE = 10
"""Labels that a picture's sum is made of: the T of ConSE (Norouzi et al. 2014), and its best."""
LABELS_REVISION = 1  # of the code here that changes vectors: texts of a label, centring, sum

SHIPPED_NAME = "labels_minilm.bin"
"""Label embeddings of the default text encoder, in the format of `serialize_rows`."""

_PACKAGE = resources.files("florilegium.encoders.starter")
_HEADER = "index\tname\tsynonyms\tgloss\tzh"
_NEGLIGIBLE = 1e-4
_DIGEST_BYTES = 32  # hex digits of a hash before the rows of a cached file

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """The labels in the order of the network's outputs, with a gloss each."""

    labels: tuple[Label, ...]
    glosses: tuple[str, ...]
    content_hash: str

    def texts(self) -> list[str]:
        """Return three texts for each label: its name, its name with synonyms, and its gloss."""
        return [
            text
            for label, gloss in zip(self.labels, self.glosses, strict=True)
            for text in (label.name, ", ".join((label.name, *label.synonyms)), gloss)
        ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelSpace:
    """A text encoder's space, moved so that the labels' mean is the origin.

    Embeddings of texts share a large common part; without it, what is left tells labels apart.
    """

    mean: Array  # (dim,)
    rows: Embeddings  # (LABEL_COUNT, dim), centred

    def centre(self, texts: Embeddings) -> Embeddings:
        """Return text embeddings, shape (n, dim), in this space."""
        return _unit(texts - self.mean, fallback=texts)

    def combine(self, logits: Array) -> Embeddings:
        """Return the likeliest labels' rows, weighted by probability, per row of the logits.

        This is ConSE, a convex combination of semantic embeddings (Norouzi et al. 2014), brought
        to unit length so that a picture the network is unsure of is as easy to find as another.
        """
        picked = np.argsort(-logits, axis=1, kind="stable")[:, :LABELS_PER_IMAGE]
        kept = np.take_along_axis(logits, picked, axis=1)
        weights = np.exp(kept - kept.max(axis=1, keepdims=True))
        sums = (weights[:, :, None] * self.rows[picked]).sum(axis=1)
        return _unit(sums, fallback=self.rows[picked[:, 0]])

    def separate(self, combined: Array) -> list[tuple[int, float]]:
        """Return the labels that `combined`, shape (dim,), is a sum of, with their shares.

        The inverse of `combine` for one row: non-negative orthogonal matching pursuit (Bruckstein
        et al. 2008). The nearest labels by cosine would not do, since the sum of two dogs lies
        nearer to a third than to either.
        """
        chosen: list[int] = []
        shares = np.empty(0, dtype=np.float32)
        residual = combined
        for _ in range(2 * LABELS_PER_IMAGE):
            gains = self.rows @ residual
            gains[chosen] = -np.inf
            if gains.max() < _NEGLIGIBLE:
                break
            chosen.append(int(gains.argmax()))
            chosen, shares = _fit(self.rows, chosen, combined)
            residual = combined - shares @ self.rows[chosen]
        total = float(shares.sum()) or 1.0
        found = zip(chosen, (float(share) / total for share in shares), strict=True)
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def read_label_table() -> LabelTable:
    """Return the table that is shipped."""
    return parse_label_table((_PACKAGE / "labels.tsv").read_text(encoding="utf-8"))


def parse_label_table(text: str) -> LabelTable:
    """Return the table written in `text`. Raises EncoderError when rows are amiss."""
    header, *lines = text.splitlines()
    rows = [tuple(line.split("\t")) for line in lines]
    if header != _HEADER or any(len(row) != 5 for row in rows):
        raise EncoderError(f"The label table needs the five columns {_HEADER.split()!r}.")
    if [row[0] for row in rows] != [str(index) for index in range(LABEL_COUNT)]:
        raise EncoderError(f"The label table needs the indices 0 to {LABEL_COUNT - 1}, in order.")
    return LabelTable(
        labels=tuple(
            Label(name=row[1], synonyms=_words(row[2], ";"), chinese=_words(row[4], "；"))
            for row in rows
        ),
        glosses=tuple(row[3] for row in rows),
        content_hash=hash_bytes(text.encode()),
    )


def open_label_space(table: LabelTable, texts: Encoder, folder: Path) -> LabelSpace:
    """Return the labels in the space of `texts`, encoding them only if no file has them yet.

    The embeddings for one text encoder are shipped, and others are kept in `folder`. A file that
    is damaged is made again; a folder that cannot be written costs only the time to encode the
    labels in every process.
    """
    key = label_key(table, texts)
    file = folder / "starter" / f"labels-{hash_bytes(key.encode())}.bin"
    dim = texts.info.dim
    embeddings = _parse_rows(_read(_PACKAGE / SHIPPED_NAME), key, dim)
    if embeddings is None and (data := _read(file)) is not None:
        embeddings = _parse_rows(data, key, dim)
        if embeddings is None:
            logger.warning("%s is damaged and will be made again.", file)
    if embeddings is None:
        embeddings = encode_labels(table, texts)
        _write_rows(file, serialize_rows(embeddings, key))
    mean = embeddings.mean(axis=0)
    return LabelSpace(mean=mean, rows=_unit(embeddings - mean, fallback=embeddings))


def label_key(table: LabelTable, texts: Encoder) -> str:
    """Return a text that changes whenever the embeddings of the labels would."""
    return f"{table.content_hash}\0{texts.info.fingerprint}\0{LABELS_REVISION}"


def serialize_rows(rows: Embeddings, key: str) -> bytes:
    """Return label embeddings as bytes that say whether they are whole and whose they are."""
    body = rows.astype("<f4").tobytes()
    return hash_bytes(key.encode() + body).encode() + body


def encode_labels(table: LabelTable, texts: Encoder) -> Embeddings:
    """Return one embedding for each label: the mean of its three texts.

    Like the prompt ensembles of CLIP (Radford et al. 2021): the name meets short queries, the
    synonyms broader words, the gloss whole sentences.
    """
    rows = texts.encode_texts(table.texts(), purpose="document")
    sums = rows.reshape(LABEL_COUNT, 3, -1).sum(axis=1)
    return _unit(sums, fallback=rows[::3])


def _fit(rows: Embeddings, chosen: Sequence[int], target: Array) -> tuple[list[int], Array]:
    """Return the least-squares shares of the chosen rows, without those that are not positive."""
    kept, shares = list(chosen), np.empty(0, dtype=np.float32)
    while kept:
        shares = np.linalg.lstsq(rows[kept].T, target, rcond=None)[0]
        if shares.min() > 0:
            break
        kept = [label for label, share in zip(kept, shares, strict=True) if share > 0]
    return kept, np.asarray(shares[: len(kept)], dtype=np.float32)


def _unit(rows: Array, *, fallback: Array) -> Embeddings:
    """Return rows of unit length; a row that vanished is replaced by that of `fallback`."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    whole = np.where(lengths > _NEGLIGIBLE, rows, fallback)
    return np.asarray(whole / np.linalg.norm(whole, axis=1, keepdims=True), dtype=np.float32)


def _words(cell: str, separator: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(separator) if word.strip())


def _read(file: Traversable) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _parse_rows(data: bytes | None, key: str, dim: int) -> Embeddings | None:
    if data is None or len(data) != _DIGEST_BYTES + LABEL_COUNT * dim * 4:
        return None
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hash_bytes(key.encode() + body).encode() != digest:
        return None
    return np.frombuffer(body, dtype="<f4").reshape(LABEL_COUNT, dim).astype(np.float32)


def _write_rows(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Readers see the old file or the whole new one, never a part.
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).replace(file)
    except OSError as error:
        logger.warning("The label embeddings cannot be kept in %s: %s", file, error)
