"""The five plug-points, and four small ones beside them. Types only, no behaviour.

Each sentence below has a test in `florilegium.testing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, runtime_checkable

from PIL import Image

from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Collection,
    Delta,
    Embeddings,
    EncoderInfo,
    Item,
    Label,
    Match,
    Message,
    Purpose,
    Record,
    RerankerInfo,
    Scores,
    Source,
)


class Loader(Protocol):
    """Turn one file into items, in a stable order with stable ids.

    A file that cannot be read raises SourceError and never yields half of its items first; a
    picture that is damaged after its header may raise in `read_image` only. `read_image` gives
    the picture of an image item that `load` yielded. Several threads may use one loader.
    """

    @property
    def suffixes(self) -> frozenset[str]:
        """Lower-case file name endings with the dot, e.g. `.jpg`."""

    def load(self, source: Source) -> Iterator[Item]:
        """Yield the items of one file."""

    def read_image(self, item: Item, *, least_side: int | None = None) -> Image.Image:
        """Return the picture of an image item: RGB, upright. Raises SourceError.

        With `least_side` it may be shrunk while it is decoded, but no side to fewer pixels.
        """


class Encoder(Protocol):
    """Map texts and/or images into one space.

    Row i belongs to input i; no input gives shape (0, dim). Rows are finite, float32, unit
    length, and do not depend on what else is in the batch. `info` and `count_tokens` work
    without weights. A modality that is not in `info.modalities` raises EncoderError. A picture
    and its `prepare_image` have the same row. Several threads may use one encoder.
    """

    @property
    def info(self) -> EncoderInfo:
        """What this encoder is."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens of the text limit `text` takes, special tokens included."""

    def encode_texts(self, texts: Sequence[str], *, purpose: Purpose) -> Embeddings:
        """Return shape (len(texts), dim)."""

    def prepare_image(self, image: Image.Image) -> Image.Image:
        """Return the picture as small as `encode_images` needs it, or as it is."""

    def encode_images(self, images: Sequence[Image.Image]) -> Embeddings:
        """Return shape (len(images), dim); images are RGB, upright, of any size."""

    def close(self) -> None:
        """Free the weights."""


@runtime_checkable
class Labeler(Protocol):
    """An encoder that can also name what its image embeddings show, most likely first."""

    def label_embeddings(self, embeddings: Embeddings, *, top_k: int) -> list[tuple[Label, ...]]:
        """Return at most top_k labels for each row of shape (n, dim)."""


@runtime_checkable
class Tuned(Protocol):
    """An encoder that has chosen how to run on this machine, and can say so."""

    def describe_engines(self) -> str:
        """Return in one line which engine runs what, and how fast it was. May load weights."""


class VectorStore(Protocol):
    """Keep records and find the nearest of one collection.

    `upsert` replaces by id and is idempotent; `delete` ignores unknown ids; `get` returns records
    in the order of the ids asked for and leaves out unknown ones; `search` gives at most top_k
    matches, best first, ties by id, cosine similarity in [-1, 1]; with `within`, only records of
    these items, and exactly the nearest ones where they are at most 5,000 records; a collection
    that was never written is empty. What was written is there after closing and opening; opening
    with another manifest raises IndexMismatchError. Several threads may read one store at once.
    """

    def upsert(self, collection: Collection, records: Sequence[Record]) -> None:
        """Add records, replacing those with the same ids."""

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        """Remove records."""

    def get(self, collection: Collection, ids: Sequence[str]) -> list[Record]:
        """Return the records with these ids."""

    def search(
        self,
        collection: Collection,
        embedding: Embeddings,
        *,
        top_k: int,
        within: AbstractSet[str] | None = None,
    ) -> list[Match]:
        """Return the records nearest to `embedding`, shape (dim,).

        `within` holds item ids: records of other items are left out, ids that are not in the
        collection do nothing, and an empty set finds nothing. None searches all.
        """

    def ids(self, collection: Collection) -> set[str]:
        """Return all record ids of a collection."""

    def close(self) -> None:
        """Release files and memory."""


@runtime_checkable
class SelfChecking(Protocol):
    """A vector store that finds damage of its own files, which reading them would not show."""

    def check_files(self) -> None:
        """Read all that a search may trust. Raises StoreError where it is damaged."""

    def unfound(self, collection: Collection, ids: Sequence[str]) -> list[str]:
        """Return those of these records that a search for their own embedding does not find."""


class ChatModel(Protocol):
    """Stream a reply.

    Joining all deltas gives the reply; only the last has a finish reason, and the usage if the
    model counts its tokens. Closing the iterator early stops the model and frees it. More images
    than `info.max_images` raise UnsupportedInputError before anything is sent.
    """

    @property
    def info(self) -> ChatModelInfo:
        """What this chat model is."""

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        """Yield the reply to the messages, the last of which is the user's."""

    def close(self) -> None:
        """Free the model or the connection."""


class Reranker(Protocol):
    """Read a query and a text together, and say how well the text answers.

    Score i belongs to text i; no input gives shape (0,). Scores are finite, float32, higher is
    better, and do not depend on what else is in the batch; only scores for one query compare.
    `info` works without weights. No text is cut: a long one has the score of its best stretch.
    A query that leaves too little room for a text raises InvalidQueryError. Several threads may
    use one reranker.
    """

    @property
    def info(self) -> RerankerInfo:
        """What this reranker is."""

    def score(self, query: str, texts: Sequence[str]) -> Scores:
        """Return shape (len(texts),). Raises RerankError."""

    def close(self) -> None:
        """Free the model or the connection; a later call opens it again."""


@runtime_checkable
class Described(Protocol):
    """A chat model that can say what stands behind it: server, weights, context, eyes."""

    def describe(self) -> str:
        """Return it in one line. May ask the server or open weights. Raises FlorilegiumError."""
