"""Settings: which file, variable or flag wins, and what is said of those that are wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from florilegium.config import (
    CONFIG_NAME,
    Config,
    Settings,
    dump_shown,
    load_settings,
    user_cache_folder,
)
from florilegium.errors import ConfigError
from florilegium.setting_values import write_settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty library folder."""
    folder = tmp_path / "flowers"
    folder.mkdir()
    return folder


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    """Return where the user's own file would lie; there is none yet."""
    return tmp_path / "user.toml"


def load(
    folder: Path | None = None,
    *,
    user_file: Path,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    return load_settings(
        folder, overrides=overrides, environment=environment or {}, user_file=user_file
    )


# -- who wins --


def test_with_nothing_set_all_is_default(user_file: Path) -> None:
    settings = load(user_file=user_file)

    assert settings.config == Config()
    assert settings.config.encoder.name == "starter"
    assert settings.config.retrieval.top_k == 8
    assert settings.origins == {}


def test_each_place_wins_over_the_one_before(folder: Path, user_file: Path) -> None:
    library_file = folder / CONFIG_NAME
    user_file.write_text("[retrieval]\ntop_k = 1\n", encoding="utf-8")
    steps = [load(folder, user_file=user_file)]
    library_file.write_text("[retrieval]\ntop_k = 2\n", encoding="utf-8")
    steps.append(load(folder, user_file=user_file))
    variables = {"FLORILEGIUM_RETRIEVAL__TOP_K": "3"}
    steps.append(load(folder, user_file=user_file, environment=variables))
    flags = {"retrieval.top_k": 4}
    steps.append(load(folder, user_file=user_file, environment=variables, overrides=flags))

    assert [
        (settings.config.retrieval.top_k, settings.origins["retrieval.top_k"]) for settings in steps
    ] == [(1, str(user_file)), (2, str(library_file)), (3, "environment"), (4, "flag")]


def test_places_that_set_different_keys_add_up(folder: Path, user_file: Path) -> None:
    user_file.write_text('[chat]\npersona = "a gardener"\nmax_images = 2\n', encoding="utf-8")
    (folder / CONFIG_NAME).write_text("[chat]\nmax_images = 3\n", encoding="utf-8")

    chat = load(folder, user_file=user_file, overrides={"chat.max_tokens": 64}).config.chat

    assert (chat.persona, chat.max_images, chat.max_tokens) == ("a gardener", 3, 64)


def test_without_a_library_only_the_users_file_is_read(folder: Path, user_file: Path) -> None:
    (folder / CONFIG_NAME).write_text("[retrieval]\ntop_k = 2\n", encoding="utf-8")

    assert load(None, user_file=user_file).config.retrieval.top_k == 8


def test_the_users_file_is_in_the_configuration_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "florilegium" / CONFIG_NAME
    file.parent.mkdir()
    file.write_text("[retrieval]\ntop_k = 5\n", encoding="utf-8")

    assert load_settings().config.retrieval.top_k == 5


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLORILEGIUM_CHAT__PERSONA", "an expert in flowers")

    assert load_settings().config.chat.persona == "an expert in flowers"


def test_variables_of_other_meaning_are_passed_over(user_file: Path) -> None:
    variables = {
        "FLORILEGIUM_RUN_SLOW_TESTS": "1",
        "FLORILEGIUM": "x",
        "RETRIEVAL__TOP_K": "3",
        "MY_FLORILEGIUM_RETRIEVAL__TOP_K": "4",
        "florilegium_retrieval__top_k": "5",
    }

    settings = load(user_file=user_file, environment=variables)

    assert settings.config == Config()
    assert settings.origins == {}


def test_the_profile_is_set_by_a_variable_without_section(user_file: Path) -> None:
    settings = load(user_file=user_file, environment={"FLORILEGIUM_PROFILE": "offline"})

    assert settings.origins == {"profile": "environment"}


def test_settings_cannot_be_changed(user_file: Path) -> None:
    settings = load(user_file=user_file)

    with pytest.raises(ValidationError, match="frozen"):
        settings.config.retrieval.top_k = 3  # type: ignore[misc]  # that it is refused is the point


# -- what is wrong, and where --


def test_an_unknown_key_is_named_with_its_file(folder: Path, user_file: Path) -> None:
    (folder / CONFIG_NAME).write_text("[retrieval]\ntop_n = 3\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(folder, user_file=user_file)

    assert caught.value.message == (
        f"Unknown setting 'retrieval.top_n' (from {folder / CONFIG_NAME})."
    )
    assert caught.value.hint == "The keys of 'retrieval' are: top_k, candidates, fusion, adapter."


@pytest.mark.parametrize("key", ["retreival.top_k", "top_k", "retrieval.top_k.x.y"])
def test_a_key_in_no_section_is_refused(user_file: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=r"\(from flag\)"):
        load(user_file=user_file, overrides={key: 3})


def test_an_unknown_variable_of_a_section_is_named(user_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown setting 'chat\.modle' \(from environment\)"):
        load(user_file=user_file, environment={"FLORILEGIUM_CHAT__MODLE": "x"})


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("retrieval.top_k", 0, "greater than or equal to 1"),
        ("retrieval.top_k", 1001, "less than or equal to 1000"),
        ("retrieval.candidates", 9, "greater than or equal to 10"),
        ("retrieval.top_k", 2.5, "valid integer"),
        ("encoder.batch_size", "many", "valid integer"),
        ("text_encoder.threads", -1, "greater than or equal to 0"),
        ("ingest.max_image_megapixels", 0, "greater than 0"),
        ("ingest.max_file_megabytes", float("inf"), "less than or equal to 65536"),
        ("ingest.max_text_megabytes", float("nan"), "less than or equal to 65536"),
        ("ingest.chunk_tokens", 31, "greater than or equal to 32"),
        ("chat.min_confidence", 1.01, "less than or equal to 1"),
        ("chat.temperature", -0.1, "greater than or equal to 0"),
        ("chat.persona", "x" * 2001, "at most 2000 characters"),
        ("profile", "luxury", "'offline'"),
        ("encoder.name", 7, "valid string"),
        ("encoder", "starter", "valid dictionary"),
    ],
)
def test_a_value_out_of_range_is_named_with_the_limit(
    user_file: Path, key: str, value: object, reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(user_file=user_file, overrides={key: value})

    assert caught.value.message.startswith(f"The setting {key!r} (from flag) is {value!r}: ")
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [("retrieval.top_k", 1), ("retrieval.top_k", 1000), ("chat.min_confidence", 0.0),
     ("chat.min_confidence", 1.0), ("chat.persona", "x" * 2000), ("chat.max_images", 0)],
)  # fmt: skip
def test_a_limit_itself_is_allowed(user_file: Path, key: str, value: object) -> None:
    section, name = key.split(".")

    config = load(user_file=user_file, overrides={key: value}).config

    assert config.model_dump()[section][name] == value


def test_the_place_of_a_bad_value_is_that_of_the_value_that_won(
    folder: Path, user_file: Path
) -> None:
    user_file.write_text("[retrieval]\ntop_k = 5\n", encoding="utf-8")
    (folder / CONFIG_NAME).write_text("[retrieval]\ntop_k = 0\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(folder, user_file=user_file)

    assert str(folder / CONFIG_NAME) in caught.value.message
    assert str(user_file) not in caught.value.message


def test_a_key_that_is_the_beginning_of_another_has_its_own_place(user_file: Path) -> None:
    user_file.write_text('[chat]\nmax_sources = 5\n[text_encoder]\nname = "x"\n', encoding="utf-8")

    for key in ("chat.max", "text"):
        with pytest.raises(ConfigError, match=rf"'{key}' \(from flag\)"):
            load(user_file=user_file, overrides={key: 1})


def test_a_section_that_is_a_plain_value_is_refused_with_its_place(
    folder: Path, user_file: Path
) -> None:
    user_file.write_text('[encoder]\nname = "a"\n', encoding="utf-8")
    (folder / CONFIG_NAME).write_text('encoder = "b"\n', encoding="utf-8")

    with pytest.raises(ConfigError, match=r"'encoder' \(from .*florilegium\.toml\) is 'b'"):
        load(folder, user_file=user_file)


def test_a_key_below_a_plain_value_is_refused(user_file: Path) -> None:
    user_file.write_text('encoder = "starter"\n', encoding="utf-8")

    with pytest.raises(ConfigError, match=r"'encoder\.name' cannot be set, since 'encoder'"):
        load(user_file=user_file, overrides={"encoder.name": "fake"})


def test_a_bad_element_of_a_list_is_named_with_the_place_of_the_list(user_file: Path) -> None:
    user_file.write_text('[ingest]\nexclude = ["drafts/**", 7]\n', encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(user_file=user_file)

    assert caught.value.message.startswith(
        f"The setting 'ingest.exclude.1' (from {user_file}) is 7: "
    )


@pytest.mark.parametrize("text", ["museum.example,b", '["museum.example", "b"]'])
def test_a_list_comes_from_the_environment(user_file: Path, text: str) -> None:
    settings = load(user_file=user_file, environment={"FLORILEGIUM_SERVER__ALLOWED_HOSTS": text})

    assert settings.config.server.allowed_hosts == ("museum.example", "b")


def test_a_variable_that_is_set_to_nothing_is_an_empty_list(user_file: Path) -> None:
    variables = {"FLORILEGIUM_SERVER__TRUSTED_PROXIES": ""}

    config = load(user_file=user_file, environment=variables).config

    assert config.server.trusted_proxies == ()


def test_a_text_where_a_list_belongs_is_refused_in_words_that_say_so(user_file: Path) -> None:
    user_file.write_text('[server]\nallowed_hosts = "museum.example"\n', encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(user_file=user_file)

    assert caught.value.message == (
        f"The setting 'server.allowed_hosts' (from {user_file}) is 'museum.example': "
        'not a list, such as ["a", "b"].'
    )
    assert "Names that the server is reached by" in str(caught.value.hint)


def test_a_file_that_is_not_toml_is_named_with_the_line(folder: Path, user_file: Path) -> None:
    (folder / CONFIG_NAME).write_text("[retrieval]\ntop_k = = 3\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 2") as caught:
        load(folder, user_file=user_file)

    assert repr(str(folder / CONFIG_NAME)) in caught.value.message
    assert "Mend the line" in (caught.value.hint or "")


def test_a_file_that_is_not_utf8_is_refused(user_file: Path) -> None:
    user_file.write_bytes('[chat]\npersona = "gärtner"\n'.encode("latin-1"))

    with pytest.raises(ConfigError, match="cannot be read"):
        load(user_file=user_file)


def test_a_settings_file_that_is_a_folder_is_refused(folder: Path, user_file: Path) -> None:
    (folder / CONFIG_NAME).mkdir()

    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load(folder, user_file=user_file)

    assert isinstance(caught.value.__cause__, IsADirectoryError)


def test_an_empty_file_sets_nothing(user_file: Path) -> None:
    user_file.touch()

    assert load(user_file=user_file).config == Config()


# -- writing and describing --


def test_what_is_written_is_read_again(folder: Path, user_file: Path) -> None:
    values: dict[str, object] = {
        "profile": "offline",
        "encoder.name": "fake:32",
        "ingest.exclude": ("drafts/**", "**/*.tmp"),
        "ingest.max_image_megapixels": 12.5,
        "encoder.batch_size": 4,
        "chat.persona": 'an "expert"\nin\tflowers \\ 花',
    }
    write_settings(folder / CONFIG_NAME, values)

    settings = load(folder, user_file=user_file)

    assert settings.origins == dict.fromkeys(values, str(folder / CONFIG_NAME))
    assert settings.config.encoder.name == "fake:32"
    assert settings.config.encoder.batch_size == 4
    assert settings.config.ingest.exclude == ("drafts/**", "**/*.tmp")
    assert settings.config.ingest.max_image_megapixels == 12.5
    assert settings.config.chat.persona == 'an "expert"\nin\tflowers \\ 花'


@given(persona=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_text_comes_back_from_a_file(
    persona: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("settings") / "any.toml"
    write_settings(file, {"chat.persona": persona})

    settings = load_settings(environment={}, user_file=file)

    assert settings.config.chat.persona == persona


def test_the_last_control_character_is_written_so_that_toml_takes_it(user_file: Path) -> None:
    write_settings(user_file, {"chat.persona": "a\x7fb"})

    assert load(user_file=user_file).config.chat.persona == "a\x7fb"


def test_what_can_be_made_again_lies_in_the_users_cache(shared_cache: Path) -> None:
    assert user_cache_folder() == shared_cache / "florilegium"


def test_an_empty_section_is_checked_as_a_full_one(folder: Path, user_file: Path) -> None:
    (folder / CONFIG_NAME).write_text("[encoder]\n", encoding="utf-8")
    assert load(folder, user_file=user_file).config.encoder.name == "starter"

    (folder / CONFIG_NAME).write_text("[encodr]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Unknown setting 'encodr'"):
        load(folder, user_file=user_file)


def test_no_representation_has_what_is_secret_in_an_address() -> None:
    values = {"chat.base_url": "https://h/v1?key=s3cr3t", "server.traces": "http://h/?key=s3cr3t"}
    config = load_settings(environment={}, overrides=values).config

    assert "s3cr3t" not in f"{config!r} {config} {config.chat!r} {config.server}"
    assert "s3cr3t" not in json.dumps(dump_shown(config))
    assert dump_shown(config)["chat"]["base_url"] == "https://h/v1?key=***"
    assert config.chat.base_url == "https://h/v1?key=s3cr3t"


def test_a_wrong_value_is_told_without_what_is_secret_in_it() -> None:
    with pytest.raises(ConfigError, match=r"server\.cors_origins") as caught:
        load_settings(environment={}, overrides={"server.cors_origins": "https://h?key=s3cr3t"})

    assert "s3cr3t" not in str(caught.value)
