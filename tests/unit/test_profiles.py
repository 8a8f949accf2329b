"""Each profile is a valid choice of backends, and gives way to every other setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from florilegium.config import Config, load_settings
from florilegium.model_cards import find_card
from florilegium.profiles import NAMES, PROFILES, ProfileName
from florilegium.registry import backend_names


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "user.toml"


@pytest.mark.parametrize("name", NAMES)
def test_each_profile_names_backends_and_cards_that_there_are(
    name: ProfileName, user_file: Path
) -> None:
    user_file.write_text(f'profile = "{name}"\n', encoding="utf-8")

    config = load_settings(environment={}, user_file=user_file).config

    parts = {
        "encoders": [config.encoder.name, config.text_encoder.name],
        "chat_models": [config.chat.name],
    }
    for group, chosen in parts.items():
        for part in chosen:
            kind, _, model = part.partition(":")
            assert kind in backend_names(group)
            assert not model or find_card(model) is not None


def test_there_is_a_profile_for_each_name() -> None:
    assert set(PROFILES) == set(NAMES)


def test_the_offline_profile_is_the_defaults(user_file: Path) -> None:
    assert load_settings(environment={}, user_file=user_file).config == Config()


def test_a_profile_says_that_a_setting_came_from_it(user_file: Path) -> None:
    settings = load_settings(
        environment={"FLORILEGIUM_PROFILE": "local"}, user_file=user_file, overrides={}
    )

    assert settings.origins["chat.name"] == "profile local"
    assert settings.origins["profile"] == "environment"


def test_every_other_setting_wins_over_the_profile(user_file: Path) -> None:
    user_file.write_text('profile = "article"\n[chat]\nmax_images = 4\n', encoding="utf-8")

    settings = load_settings(
        environment={"FLORILEGIUM_CHAT__PERSONA": "a gardener"},
        user_file=user_file,
        overrides={"chat.max_tokens": 99},
    )

    chat = settings.config.chat
    assert (chat.max_images, chat.persona, chat.max_tokens) == (4, "a gardener", 99)
    assert chat.name == "mc_llava:mc-llava-3b"
