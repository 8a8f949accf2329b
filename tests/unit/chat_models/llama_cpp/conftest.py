"""Two loaded engines for all tests here: one with real weights, and one that is fast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from florilegium.chat_models.llama_cpp.engine import Engine, Setup, load_engine
from tests.smollm2 import find_smollm2
from tests.tiny_gguf import write_llama


@pytest.fixture(scope="package")
def real_engine() -> Iterator[Engine]:
    setup = Setup(model=find_smollm2(), mmproj=None, context_tokens=2048, threads=1)
    loaded = load_engine(setup)
    yield loaded
    loaded.close()


@pytest.fixture(scope="package")
def tiny_setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    model = write_llama(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    return Setup(model=model, mmproj=None, context_tokens=512, threads=1)


@pytest.fixture(scope="package")
def engine(tiny_setup: Setup) -> Iterator[Engine]:
    loaded = load_engine(tiny_setup)
    yield loaded
    loaded.close()
