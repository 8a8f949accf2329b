"""Sections hold keys without showing them, and a reranker is off unless it is named."""

from __future__ import annotations

import pickle

import pytest
from pydantic import SecretStr, ValidationError

from florilegium.config import ChatConfig, Config, load_settings
from florilegium.config_sections import IngestConfig, KeyedSection, RerankConfig
from florilegium.errors import ConfigError
from florilegium.profiles import PROFILES


def test_no_reranker_is_the_default_in_every_profile() -> None:
    assert Config().rerank.name == ""
    assert not any(key.startswith("rerank.") for preset in PROFILES.values() for key in preset)


@pytest.mark.parametrize("section", [ChatConfig(), RerankConfig()])
def test_a_key_is_held_and_neither_shown_nor_pickled(section: KeyedSection) -> None:
    keyed = section.with_api_key(SecretStr("abc123"))

    assert keyed.api_key is not None
    assert keyed.api_key.get_secret_value() == "abc123"
    assert section.api_key is None
    assert "abc123" not in repr(keyed)
    assert pickle.loads(pickle.dumps(keyed)).api_key is None


@pytest.mark.parametrize(
    "values",
    [{"top_k": 0}, {"timeout": 0}, {"retries": 11}, {"batch_size": 0}, {"cut": 1}],
)
def test_values_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RerankConfig.model_validate(values)


def test_the_key_of_a_reranker_comes_from_the_variable_that_is_named() -> None:
    settings = load_settings(
        overrides={"rerank.api_key_env": "MY_KEY"}, environment={"MY_KEY": " abc123 "}
    )

    key = settings.config.rerank.api_key
    assert key is not None
    assert key.get_secret_value() == "abc123"
    assert settings.config.chat.api_key is None
    assert "abc123" not in f"{settings!r}{settings.model_dump_json()}"


def test_a_variable_that_is_not_set_is_told_with_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"'rerank\.api_key_env' \(from flag\)"):
        load_settings(overrides={"rerank.api_key_env": "MY_KEY"}, environment={})


@pytest.mark.parametrize(
    ("key", "value"), [("api_key_env", "sk-REAL"), ("base_url", "https://me:sk-REAL@h/v1")]
)
def test_a_secret_in_the_settings_is_not_repeated(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(overrides={f"rerank.{key}": value}, environment={})

    assert "sk-REAL" not in f"{caught.value.message}{caught.value.hint}"
    assert "rerank.api_key_env" in str(caught.value.hint)


@pytest.mark.parametrize(
    "values",
    [
        {"captions": "some"},
        {"caption_prompt": " \n"},
        {"caption_prompt": "x" * 2001},
        {"caption_max_tokens": 7},
        {"caption_parallel": 0},
        {"caption_tries": 0},
    ],
)
def test_captions_are_off_and_wrong_settings_of_them_are_refused(values: dict[str, object]) -> None:
    assert IngestConfig().captions == "off"
    with pytest.raises(ValidationError):
        IngestConfig.model_validate(values)
