"""How a graph of Chroma's and the exact records beside it are searched together.

The graph says what is near; where it cannot say so for sure, all records are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from chromadb.api.collection_configuration import CreateCollectionConfiguration

from florilegium.stores.exact import ExactRecords
from florilegium.types import Embeddings, Match

# Measured in benchmarks/results/store_recall.json. A search looks at as many nodes as the larger
# of ef_search and the matches asked for, so top_k needs no upper limit.
HNSW: Final = CreateCollectionConfiguration(
    hnsw={"space": "cosine", "ef_construction": 100, "ef_search": 200, "max_neighbors": 16}
)

# Matches asked for beyond top_k, so that ids decide among equal scores at the cut.
_MARGIN = 16

# With a filter, both measured in benchmarks/results/filtered_search.json: up to so many records
# are read and compared, and up to so many neighbours are looked through for what is wanted.
_FEW_RECORDS = 5_000
_MOST_NEIGHBOURS = 1_000

# Up to so many records, comparing all takes no longer than asking for several hundred neighbours.
_COMPARED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The graph of one collection, and the exact records of it.

    `nearest` gives so many matches, best first, None where the graph cannot be used; `count` says
    how many records there are; `name` is that of the collection among the exact records.
    """

    nearest: Callable[[int], list[Match] | None]
    count: Callable[[], int]
    exact: ExactRecords
    name: str

    def search(
        self, query: Embeddings, *, top_k: int, within: AbstractSet[str] | None = None
    ) -> list[Match]:
        """Return the nearest records, as `VectorStore.search` has to."""
        if within is not None:
            return self._search_within(query, top_k=top_k, within=within)
        asked = top_k + _MARGIN
        while True:
            matches = self.nearest(asked)
            if matches is None:
                return self.exact.search(self.name, query, top_k=top_k)
            if len(matches) < asked:
                # All there are; or, where thousands of equal vectors have cut the graph into
                # pieces, fewer than there are, and then every one is compared.
                if len(matches) < min(asked, self.count()):
                    return self.exact.search(self.name, query, top_k=top_k)
                return matches[:top_k]
            if matches[-1].score < matches[top_k - 1].score:
                return matches[:top_k]
            # The tie at the cut goes on past what was fetched. All are compared where that
            # takes less than asking again, else more are fetched.
            if self.count() <= _COMPARED:
                return self.exact.search(self.name, query, top_k=top_k)
            asked *= 4

    def _search_within(
        self, query: Embeddings, *, top_k: int, within: AbstractSet[str]
    ) -> list[Match]:
        # Chroma's own filters are slow, miss records where few are wanted, and fail for more
        # than 32,000 ids.
        few = self.exact.search_few(self.name, query, top_k=top_k, within=within, most=_FEW_RECORDS)
        if few is not None:
            return few
        asked = top_k + _MARGIN
        while asked <= _MOST_NEIGHBOURS:
            nearest = self.nearest(asked)
            if nearest is None:
                break
            matches = [match for match in nearest if match.item_id in within]
            if len(nearest) < asked:
                break
            if len(matches) >= top_k and nearest[-1].score < matches[top_k - 1].score:
                return matches[:top_k]
            asked *= 4
        return self.exact.search(self.name, query, top_k=top_k, within=within)
