"""Texts and pictures of a user become rows of one space, and it is said which."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from florilegium import EncoderError, InvalidQueryError, Library
from tests.conftest import FAKES, draw


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Return a library whose spaces differ, in which nothing was ingested."""
    settings = {**FAKES, "encoder.name": "fake:16"}
    with Library.create(tmp_path / "library", overrides=settings) as library:
        yield library


def test_texts_are_of_the_text_encoder(library: Library) -> None:
    found = library.embed(texts=["a red rose", "a blue iris"])

    assert found.encoder == "fake:32"
    assert found.embeddings.shape == (2, 32)
    assert found.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1.0, atol=1e-5)


def test_pictures_are_of_the_image_text_encoder(library: Library) -> None:
    found = library.embed(images=[draw("red", "square")])

    assert found.encoder == "fake:16"
    assert found.embeddings.shape == (1, 16)


def test_texts_beside_pictures_are_rows_of_the_same_space_before_them(library: Library) -> None:
    found = library.embed(texts=["red", "blue"], images=[draw("red", "square")])
    red, blue, picture = found.embeddings

    assert found.encoder == "fake:16"
    assert red @ picture > blue @ picture
    crossing = library.embed(texts=["red", "blue"], crossing=True)
    assert crossing.encoder == "fake:16"
    np.testing.assert_array_equal(crossing.embeddings, found.embeddings[:2])


def test_documents_and_more_texts_than_a_batch_are_encoded_too(library: Library) -> None:
    many = [f"flower number {number}" for number in range(100)]

    found = library.embed(texts=many, purpose="document")

    assert found.embeddings.shape == (100, 32)
    np.testing.assert_array_equal(
        found.embeddings[7:8], library.embed(texts=many[7:8], purpose="document").embeddings
    )


def test_nothing_and_a_bare_text_are_refused(library: Library) -> None:
    with pytest.raises(InvalidQueryError, match="expected as lists"):
        library.embed()
    with pytest.raises(InvalidQueryError, match="'rose'"):
        library.embed(texts="rose")


def test_a_picture_that_cannot_be_read_is_refused(library: Library) -> None:
    with pytest.raises(InvalidQueryError):
        library.embed(images=[b"no picture"])


def test_an_encoder_that_reads_no_pictures_says_so(tmp_path: Path) -> None:
    settings = {**FAKES, "encoder.name": "minilm", "text_encoder.name": "minilm"}
    with (
        Library.create(tmp_path / "library", overrides=settings) as library,
        pytest.raises(EncoderError, match="takes texts only"),
    ):
        library.embed(images=[draw("red", "square")])


def test_what_was_embedded_is_counted_as_queries(library: Library) -> None:
    assert library.batch_counts() == ()
    library.embed(texts=["a", "b"])
    library.embed(texts=["c"])

    (texts, images) = library.batch_counts()
    assert (texts.encoder, texts.batches, texts.inputs) == ("fake:32", 2, 3)
    assert images.inputs == 0
