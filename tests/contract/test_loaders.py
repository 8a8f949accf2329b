"""The loaders that ship, against the contract."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from florilegium.config import IngestConfig
from florilegium.loaders import image, text
from florilegium.protocols import Loader
from florilegium.testing.loader_contract import LoaderContract


def count_words(value: str) -> int:
    return len(value.split())


class TestImageLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> Loader:
        return image.open_loader("", config=IngestConfig(), count_tokens=count_words)

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        stream = io.BytesIO()
        Image.new("RGB", (40, 30), (200, 30, 30)).save(stream, "PNG")
        return "red rose.png", stream.getvalue()


class TestTextLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> Loader:
        config = IngestConfig(chunk_tokens=32)
        return text.open_loader("", config=config, count_tokens=count_words)

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        paragraph = "Roses like the sun and a deep soil, and they are watered twice a week. " * 2
        return "rose.md", "\n\n".join(["# Roses", paragraph, paragraph, paragraph]).encode()
