from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from florilegium.config import EncoderConfig
from florilegium.encoders.minilm import MiniLmEncoder
from florilegium.encoders.starter import encoder as module
from florilegium.encoders.starter.encoder import LABEL_SHARE, StarterEncoder, open_encoder
from florilegium.encoders.starter.labels import read_label_table
from florilegium.encoders.starter.network import FEATURE_DIM, Array, Network
from florilegium.errors import ConfigError, EncoderError, UnknownBackendError
from florilegium.protocols import Labeler
from florilegium.testing.encoder import FakeEncoder
from florilegium.types import EncoderInfo, Modality

NETWORK = Network(threads=2)


class RenamedEncoder(FakeEncoder):
    """The fake under another fingerprint, of one modality and language."""

    @property
    def info(self) -> EncoderInfo:
        return replace(
            super().info,
            fingerprint="renamed",
            modalities=frozenset({Modality.TEXT}),
            languages=frozenset({"la"}),
            max_text_tokens=99,
        )


class BlindNetwork(Network):
    """A network whose features vanished and whose logits name label 985 only."""

    def run(self, images: Sequence[Image.Image]) -> tuple[Array, Array]:
        logits = np.full((len(images), 1000), -40, dtype=np.float32)
        logits[:, 985] = 9
        return np.zeros((len(images), FEATURE_DIM), dtype=np.float32), logits


@pytest.fixture(scope="module")
def minilm() -> Iterator[MiniLmEncoder]:
    texts = MiniLmEncoder(threads=2)
    yield texts
    texts.close()


@pytest.fixture
def encoder(tmp_path: Path) -> StarterEncoder:
    return StarterEncoder(FakeEncoder(), cache_folder=tmp_path, network=NETWORK)


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [Image.fromarray(getattr(data, name)()) for name in ("cat", "coffee", "rocket")]


def test_a_text_has_no_visual_part(encoder: StarterEncoder) -> None:
    rows = encoder.encode_texts(["a red rose"], purpose="query")

    assert rows.shape == (1, 32 + 1280)
    assert not rows[:, 32:].any()
    assert np.linalg.norm(rows[0]) == pytest.approx(1)


def test_the_label_part_has_its_share_of_a_picture(
    encoder: StarterEncoder, photos: list[Image.Image]
) -> None:
    rows = encoder.encode_images(photos)

    np.testing.assert_allclose((rows[:, :32] ** 2).sum(axis=1), LABEL_SHARE, atol=1e-5)
    np.testing.assert_allclose((rows[:, 32:] ** 2).sum(axis=1), 1 - LABEL_SHARE, atol=1e-5)


def test_the_visual_part_is_the_features_of_the_network(
    encoder: StarterEncoder, photos: list[Image.Image]
) -> None:
    visual = encoder.encode_images(photos)[:, 32:]

    features, _ = NETWORK.run(photos)
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(visual, np.sqrt(1 - LABEL_SHARE) * expected, atol=1e-5)


def test_small_batches_give_the_same_rows(tmp_path: Path, photos: list[Image.Image]) -> None:
    texts = FakeEncoder()
    one = StarterEncoder(texts, cache_folder=tmp_path, batch_size=1, network=NETWORK)
    all_at_once = StarterEncoder(texts, cache_folder=tmp_path, batch_size=8, network=NETWORK)

    np.testing.assert_allclose(
        one.encode_images(photos), all_at_once.encode_images(photos), atol=1e-4
    )


def test_labels_come_back_from_the_embedding_alone(
    minilm: MiniLmEncoder, photos: list[Image.Image], tmp_path: Path
) -> None:
    real = StarterEncoder(minilm, cache_folder=tmp_path, network=NETWORK)
    rows = real.encode_images(photos)
    blind = StarterEncoder(
        minilm, cache_folder=tmp_path, network=Network(weights=tmp_path / "absent.onnx")
    )

    labels = blind.label_embeddings(rows, top_k=3)

    _, logits = NETWORK.run(photos)
    names = [read_label_table().labels[index].name for index in logits.argmax(axis=1)]
    assert [row[0].name for row in labels] == names
    assert names[:2] == ["Egyptian cat", "espresso"]
    assert all(len(row) <= 3 for row in labels)
    assert all(0 < label.weight <= 1 for row in labels for label in row)


def test_label_weights_are_the_shares_of_the_ten_likeliest(
    minilm: MiniLmEncoder, photos: list[Image.Image], tmp_path: Path
) -> None:
    encoder = StarterEncoder(minilm, cache_folder=tmp_path, network=NETWORK)

    labels = encoder.label_embeddings(encoder.encode_images(photos), top_k=1)

    _, logits = NETWORK.run(photos)
    largest = -np.sort(-logits, axis=1)[:, :10]
    shares = np.exp(largest) / np.exp(largest).sum(axis=1, keepdims=True)
    weights = [row[0].weight for row in labels]
    np.testing.assert_allclose(weights, shares[:, 0], atol=0.1)


def test_words_find_the_picture_of_what_they_name(
    minilm: MiniLmEncoder, photos: list[Image.Image], tmp_path: Path
) -> None:
    encoder = StarterEncoder(minilm, cache_folder=tmp_path, network=NETWORK)
    captions = ["a kitten looks at you", "a cup of hot coffee", "a spacecraft takes off"]

    scores = encoder.encode_texts(captions, purpose="query") @ encoder.encode_images(photos).T

    assert scores[:2].argmax(axis=1).tolist() == [0, 1]
    assert scores[:, :2].argmax(axis=0).tolist() == [0, 1]


def test_a_picture_without_features_has_labels_only(tmp_path: Path) -> None:
    encoder = StarterEncoder(FakeEncoder(), cache_folder=tmp_path, network=BlindNetwork())

    rows = encoder.encode_images([Image.new("RGB", (8, 8))])

    assert np.linalg.norm(rows[0]) == pytest.approx(1)
    assert not rows[0, 32:].any()
    (labels,) = encoder.label_embeddings(rows, top_k=5)
    assert labels[0].name == "daisy"
    assert labels[0].weight == pytest.approx(1, abs=0.01)
    assert "雏菊" in labels[0].chinese


def test_no_embeddings_have_no_labels_and_load_nothing(encoder: StarterEncoder) -> None:
    assert encoder.label_embeddings(np.empty((0, 1312), dtype=np.float32), top_k=3) == []


def test_an_embedding_without_label_part_has_no_labels(encoder: StarterEncoder) -> None:
    row = np.zeros((1, 1312), dtype=np.float32)
    row[0, -1] = 1

    assert encoder.label_embeddings(row, top_k=3) == [()]


def test_embeddings_of_another_space_are_refused(encoder: StarterEncoder) -> None:
    with pytest.raises(EncoderError, match=r"\(n, 1312\), not \(2, 384\)"):
        encoder.label_embeddings(np.ones((2, 384), dtype=np.float32), top_k=3)


def test_the_fingerprint_follows_the_text_encoder(encoder: StarterEncoder, tmp_path: Path) -> None:
    other = StarterEncoder(RenamedEncoder(), cache_folder=tmp_path)

    assert encoder.info.fingerprint != other.info.fingerprint
    assert encoder.info == StarterEncoder(FakeEncoder(), cache_folder=tmp_path / "else").info


@pytest.mark.parametrize(
    "constant", ["WEIGHTS_SHA256", "LABELS_REVISION", "NETWORK_REVISION", "_REVISION"]
)
def test_the_fingerprint_follows_weights_and_code(
    encoder: StarterEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str
) -> None:
    before = encoder.info.fingerprint
    monkeypatch.setattr(module, constant, "another")

    after = StarterEncoder(FakeEncoder(), cache_folder=tmp_path).info.fingerprint

    assert after != before


def test_text_limits_and_languages_are_those_of_the_text_encoder(tmp_path: Path) -> None:
    texts = RenamedEncoder()

    info = StarterEncoder(texts, cache_folder=tmp_path).info

    assert info.max_text_tokens == 99
    assert info.languages == frozenset({"la"})
    assert info.modalities == frozenset({Modality.IMAGE, Modality.TEXT})
    assert StarterEncoder(texts, cache_folder=tmp_path).count_tokens("a b") == texts.count_tokens(
        "a b"
    )


def test_closing_leaves_the_text_encoder_to_its_owner(encoder: StarterEncoder) -> None:
    before = encoder.encode_texts(["a red rose"], purpose="query")

    encoder.close()

    np.testing.assert_array_equal(encoder.encode_texts(["a red rose"], purpose="query"), before)


def test_it_is_a_labeler(encoder: StarterEncoder) -> None:
    assert isinstance(encoder, Labeler)


def test_the_door_opens_it_with_the_text_encoder(tmp_path: Path) -> None:
    texts = FakeEncoder()

    encoder = open_encoder("", config=EncoderConfig(), texts=texts, cache_folder=tmp_path)

    assert encoder.info.dim == texts.info.dim + 1280
    assert not any(tmp_path.iterdir())


def test_a_model_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownBackendError, match="not 'large'"):
        open_encoder("large", config=EncoderConfig(), texts=FakeEncoder(), cache_folder=tmp_path)


def test_a_text_encoder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a text encoder") as caught:
        open_encoder("", config=EncoderConfig(), texts=None, cache_folder=tmp_path)

    assert "minilm" in (caught.value.hint or "")
