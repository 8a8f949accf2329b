"""Rank vectors that were made before by LlamaIndex's index of texts and pictures.

Runs in an environment of its own with llama-index-core; `mixed_library` starts it with a folder
that holds the vectors, and reads what it found from there. A query is the text of its number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core import MockEmbedding
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.schema import ImageNode, TextNode


class Texts(MockEmbedding):
    """The vectors of the queries by a text encoder."""

    rows: Any = None

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(value) for value in self.rows[int(query)]]


class Pictures(MultiModalEmbedding):
    """The vectors of the queries by an image-text encoder."""

    rows: Any = None

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(value) for value in self.rows[int(query)]]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_query_embedding(text)

    def _get_image_embedding(self, img_file_path: Any) -> list[float]:
        return self._get_query_embedding(str(img_file_path))

    async def _aget_image_embedding(self, img_file_path: Any) -> list[float]:
        return self._get_image_embedding(img_file_path)


def main() -> None:
    folder = Path(sys.argv[1])
    given = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "vectors.npz")
    count = given["count"]
    nodes: list[Any] = [
        TextNode(id_=id_, text=id_, embedding=row.tolist())
        for id_, row in zip(given["texts"], vectors["texts"], strict=True)
    ]
    # A node with neither text nor metadata is left out; its readers note the file.
    nodes += [
        ImageNode(id_=id_, image_path=id_, metadata={"file": id_}, embedding=row.tolist())
        for id_, row in zip(given["pictures"], vectors["pictures"], strict=True)
    ]
    index = MultiModalVectorStoreIndex(
        nodes,
        embed_model=Texts(embed_dim=vectors["asked"].shape[1], rows=vectors["asked"]),
        image_embed_model=Pictures(rows=vectors["crossing"]),
    )
    retriever = index.as_retriever(similarity_top_k=count, image_similarity_top_k=count)
    found = []
    for number, row in enumerate(vectors["asked"]):
        if row.any():
            hits = retriever.retrieve(str(number))
        else:  # a picture, for which there is only the search for pictures
            retriever.image_similarity_top_k = 2 * count
            hits = retriever.image_to_image_retrieve(str(number))
            retriever.image_similarity_top_k = count
        found.append([hit.node.node_id for hit in hits])
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
