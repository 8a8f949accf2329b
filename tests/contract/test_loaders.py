"""The loaders that ship, against the contract."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from florilegium.config_sections import IngestConfig
from florilegium.loaders import html, image, text
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


class TestImageLoaderOnPhotos(LoaderContract):
    """JPEG is what is shrunk while it is decoded; this one is also turned by its EXIF tag."""

    @pytest.fixture
    def loader(self) -> Loader:
        return image.open_loader("", config=IngestConfig(), count_tokens=count_words)

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        photo = Image.new("RGB", (800, 600), (200, 30, 30))
        photo.paste((20, 40, 200), (0, 0, 400, 300))
        photo.paste((240, 220, 40), (400, 300, 800, 600))
        exif = Image.Exif()
        exif[0x0112] = 6
        stream = io.BytesIO()
        photo.save(stream, "JPEG", quality=90, exif=exif)
        return "red rose.jpg", stream.getvalue()


class TestTextLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> Loader:
        config = IngestConfig(chunk_tokens=32)
        return text.open_loader("", config=config, count_tokens=count_words)

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        paragraph = "Roses like the sun and a deep soil, and they are watered twice a week. " * 2
        return "rose.md", "\n\n".join(["# Roses", paragraph, paragraph, paragraph]).encode()


class TestHtmlLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> Loader:
        config = IngestConfig(chunk_tokens=32)
        return html.open_loader("", config=config, count_tokens=count_words)

    @pytest.fixture
    def good_file(self) -> tuple[str, bytes]:
        paragraph = "Roses like the sun and a deep soil, and they are watered twice a week. " * 2
        body = f"<h1>Roses</h1>{f'<p>{paragraph}</p>' * 3}<img src='rose.jpg' alt='A rose'>"
        return "rose.html", f"<html><title>Roses</title><body>{body}</body></html>".encode()
