"""The key of a server: from the environment, and nowhere to be read again."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from florilegium.config import load_settings
from florilegium.errors import ConfigError


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "user.toml"


def test_the_key_of_a_server_comes_from_the_variable_that_is_named(user_file: Path) -> None:
    user_file.write_text('[chat]\napi_key_env = "MY_KEY"\n', encoding="utf-8")

    settings = load_settings(user_file=user_file, environment={"MY_KEY": " abc123 "})

    assert settings.config.chat.api_key is not None
    assert settings.config.chat.api_key.get_secret_value() == "abc123"
    assert "abc123" not in repr(settings)
    assert "abc123" not in settings.model_dump_json()


@pytest.mark.parametrize("environment", [{}, {"MY_KEY": " "}])
def test_a_named_variable_that_is_not_set_is_told(
    user_file: Path, environment: dict[str, str]
) -> None:
    user_file.write_text('[chat]\napi_key_env = "MY_KEY"\n', encoding="utf-8")

    with pytest.raises(ConfigError, match="names the environment variable 'MY_KEY'") as error:
        load_settings(user_file=user_file, environment=environment)

    assert str(user_file) in error.value.message
    assert "Set MY_KEY" in (error.value.hint or "")


def test_without_a_named_variable_there_is_no_key(user_file: Path) -> None:
    assert (
        load_settings(user_file=user_file, environment={"OPENAI_API_KEY": "x"}).config.chat.api_key
        is None
    )


@pytest.mark.parametrize(
    ("setting", "secret"),
    [
        ('api_key_env = "sk-proj-REALKEY123"', "REALKEY123"),
        ('base_url = "https://me:PASSWORD@example.org/v1"', "PASSWORD"),
    ],
)
def test_a_secret_that_was_put_into_the_file_is_not_repeated(
    user_file: Path, setting: str, secret: str
) -> None:
    user_file.write_text(f"[chat]\n{setting}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as error:
        load_settings(user_file=user_file, environment={})

    assert secret not in f"{error.value.message} {error.value.hint}"
    assert setting.split()[0] in error.value.message


def test_a_key_is_not_pickled(user_file: Path) -> None:
    user_file.write_text('[chat]\napi_key_env = "MY_KEY"\n', encoding="utf-8")
    settings = load_settings(user_file=user_file, environment={"MY_KEY": "abc123"})

    pickled = pickle.dumps(settings)

    assert b"abc123" not in pickled
    assert pickle.loads(pickled).config.chat.api_key is None
