"""Frozen settings: defaults < profile < files < environment < flags. Alone reads the environment.

Knows no other part of Florilegium but the errors, and nothing of what the settings mean to them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_origin

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from florilegium.config_sections import (
    ADDRESS,
    IngestConfig,
    KeyedSection,
    RerankConfig,
    Section,
    ServerConfig,
)
from florilegium.errors import ConfigError
from florilegium.profiles import PROFILES, ProfileName
from florilegium.redaction import hide_secrets, show_address
from florilegium.setting_values import A_LIST, read_value

INDEX_FOLDER = ".florilegium"
CONFIG_NAME = "florilegium.toml"
ENVIRONMENT_PREFIX = "FLORILEGIUM_"

# Settings into which a key may be put by mistake: what they hold is never repeated.
_KEYED_SECTIONS = ("chat", "rerank", "server")
_ADDRESSES = ("chat.base_url", "rerank.base_url", "server.traces")
_MAY_HOLD_SECRETS = {
    **{f"{name}.api_key_env": "the name of an environment variable" for name in _KEYED_SECTIONS},
    **dict.fromkeys(_ADDRESSES, "an address without blanks, user name and password"),
}
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class EncoderConfig(Section):
    """The encoder that crosses modalities: pictures and texts in one space."""

    name: str = Field("starter", description="Backend of the image-text encoder, `kind:model`.")
    batch_size: int = Field(16, ge=1, le=1024, description="Pictures encoded at a time.")
    threads: int = Field(
        0, ge=0, le=256, description="Threads of one forward pass; 0 means one per core."
    )
    engine: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="What runs an ONNX model; `auto` measures which is fastest here."
    )
    device: Literal["auto", "cpu", "cuda", "coreml"] = Field(
        "auto", description="Where a model runs; `auto` takes an accelerator if there is one."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        "auto",
        description="Numbers that a model computes with; `auto` never takes int8, "
        "which must be asked for.",
    )


class TextEncoderConfig(Section):
    """The encoder that compares texts with texts."""

    name: str = Field("minilm", description="Backend of the text encoder, `kind:model`.")
    batch_size: int = Field(32, ge=1, le=1024, description="Texts encoded at a time.")
    threads: int = Field(
        0, ge=0, le=256, description="Threads of one forward pass; 0 means one per core."
    )


class StoreConfig(Section):
    """Where vectors are kept."""

    name: str = Field("chroma", description="Backend of the vector store.")


class RetrievalConfig(Section):
    """How search ranks."""

    top_k: int = Field(8, ge=1, le=1000, description="Hits that a search returns.")
    candidates: int = Field(
        100, ge=10, le=10000, description="Items that each ranked list brings to the fusion."
    )
    fusion: Literal["calibrated", "reciprocal-rank"] = Field(
        "calibrated", description="How lists are fused: by calibrated scores, or by ranks alone."
    )
    adapter: bool = Field(
        False,
        description="Whether a library learns the names of its own pictures from folders and "
        "labels, and searches by them where that was found to help.",
    )


class ChatConfig(KeyedSection):
    """How questions are answered."""

    name: str = Field("extractive", description="Backend of the chat model, `kind:model`.")
    base_url: str = Field(
        "",
        pattern=ADDRESS,
        description="Address of an OpenAI-compatible server, e.g. `http://localhost:11434/v1`.",
    )
    timeout: float = Field(
        120.0, gt=0, le=3600, description="Longest wait for the next piece of a reply, in seconds."
    )
    retries: int = Field(
        2, ge=0, le=10, description="Tries after the first when a server is down or busy."
    )
    vision: Literal["auto", "yes", "no"] = Field(
        "auto", description="Whether the model sees pictures; `auto` finds out by trying."
    )
    context_tokens: int = Field(
        0, ge=0, le=10_000_000, description="Context of the model in tokens; 0 asks the model."
    )
    mmproj: str = Field(
        "", description="GGUF file of the vision part; empty takes the one beside the model."
    )
    threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads of a model in process; 0 leaves the choice to its backend.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where PyTorch runs; `auto` takes an accelerator if there is one."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="Numbers that PyTorch computes with; `auto` takes what fits the device."
    )
    persona: str = Field(
        "", max_length=2000, description='Who answers, e.g. "an expert in flowers".'
    )
    own_knowledge: bool = Field(
        True, description="Whether the model may add what it knows, in a part marked as such."
    )
    max_sources: int = Field(6, ge=1, le=50, description="Hits that the chat model is given.")
    max_images: int = Field(4, ge=0, le=64, description="Pictures that the chat model is given.")
    max_tokens: int = Field(512, ge=1, le=32768, description="Longest reply, in tokens.")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 gives the same reply each time.")
    min_confidence: Fraction = Field(
        0.6,
        description="Evidence below this is refused, from 0 (answer always) to 1; "
        "what `florilegium eval --store-threshold` measured takes the place of the default.",
    )


class Config(Section):
    """All settings of a library."""

    profile: ProfileName = Field(
        "offline", description="Preset of backends, below all other settings."
    )
    encoder: EncoderConfig = EncoderConfig()
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    store: StoreConfig = StoreConfig()
    ingest: IngestConfig = IngestConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    rerank: RerankConfig = RerankConfig()
    chat: ChatConfig = ChatConfig()
    server: ServerConfig = ServerConfig()


_SECTIONS: Final[dict[str, type[Section]]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


class Settings(BaseModel):
    """A config together with where each value that is not a default came from."""

    model_config = ConfigDict(frozen=True)

    config: Config
    origins: dict[str, str]


def load_settings(
    root: Path | None = None,
    *,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    user_file: Path | None = None,
) -> Settings:
    """Resolve the settings of the library at `root`.

    Args:
        root: The library folder, whose `florilegium.toml` is read; None reads none.
        overrides: Dotted keys and values that win over everything, as from flags.
        environment: What to read variables from; the process environment by default.
        user_file: The user's own file; by default in the user's configuration directory.

    Raises:
        ConfigError: A file is not TOML, a key is unknown, or a value is out of range. The
            message names the key and where it was set.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    files = [user_file or Path(platformdirs.user_config_dir("florilegium")) / CONFIG_NAME]
    files += [root / CONFIG_NAME] if root is not None else []
    for file in files:
        _merge(values, origins, _flatten(_read_toml(file)), origin=str(file))
    variables = os.environ if environment is None else environment
    _merge(values, origins, _from_environment(variables), origin="environment")
    _merge(values, origins, dict(overrides or {}), origin="flag")
    profile = values.get("profile")
    preset = next((dict(found) for name, found in PROFILES.items() if name == profile), {})
    values, origins = (
        {**preset, **values},
        {**dict.fromkeys(preset, f"profile {profile}"), **origins},
    )
    try:
        config = Config.model_validate(_nest(values))
    except ValidationError as error:
        raise _explain(error, origins) from error
    return Settings(config=_with_secrets(config, variables, origins), origins=origins)


def read_setting(key: str, text: str) -> object:
    """Return a value as variables and flags have it: `a,b` and `["a", "b"]` are lists.

    Raises:
        ConfigError: It looks like TOML, which it is not.
    """
    section, _, name = key.partition(".")
    fields = _SECTIONS[section].model_fields if section in _SECTIONS else {}
    is_list = name in fields and get_origin(fields[name].annotation) is tuple
    return read_value(text, key=key, is_list=is_list)


def dump_shown(config: Config) -> dict[str, Any]:
    """Return the sections as JSON, with addresses without what may be secret in them."""
    tree = config.model_dump(mode="json")
    return {section: _shown(section, value) for section, value in tree.items()}


def _shown(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _shown(f"{key}.{name}", one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shown(key, one) for one in value]
    if not isinstance(value, str):
        return value
    return show_address(value) if key in _ADDRESSES else hide_secrets(value)


def models_folder() -> Path:
    """Return where models are kept: FLORILEGIUM_MODELS_FOLDER, or a folder of the user's data."""
    chosen = os.environ.get(f"{ENVIRONMENT_PREFIX}MODELS_FOLDER")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("florilegium")) / "models"


def user_cache_folder() -> Path:
    """Return where files that can be made again are kept for this user."""
    return Path(platformdirs.user_cache_dir("florilegium"))


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The settings file {str(file)!r} cannot be read: {error}.",
            hint="Make it a readable UTF-8 file, or remove it.",
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The settings file {str(file)!r} is not valid TOML: {error}.",
            hint="Mend the line that is named, or remove the file to use the defaults.",
        ) from error


def _with_secrets(
    config: Config, variables: Mapping[str, str], origins: Mapping[str, str]
) -> Config:
    for name in _KEYED_SECTIONS:
        section: KeyedSection = getattr(config, name)
        if name == "server" and section.api_key_env not in variables:
            continue  # only who serves needs it, and says so
        if variable := section.api_key_env:
            key = _read_key(variable, variables, setting=f"{name}.api_key_env", origins=origins)
            config = config.model_copy(update={name: section.with_api_key(key)})
    return config


def _read_key(
    variable: str, variables: Mapping[str, str], *, setting: str, origins: Mapping[str, str]
) -> SecretStr:
    key = variables.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"The setting {setting!r} (from {origins.get(setting, 'a default')}) names the "
            f"environment variable {variable!r}, which is not set.",
            hint=f"Set {variable} to the key of the server, or take the setting out.",
        )
    return SecretStr(key)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _from_environment(variables: Mapping[str, str]) -> dict[str, object]:
    # Only names with a section separator, or of a top-level key, are settings: other variables
    # with our prefix (test switches, say) are not ours to refuse.
    found: dict[str, object] = {}
    for name, value in variables.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
        if "." in key or key == "profile":
            found[key] = read_setting(key, value)
    return found


def _merge(
    values: dict[str, Any], origins: dict[str, str], new: Mapping[str, Any], *, origin: str
) -> None:
    values.update(new)
    origins.update(dict.fromkeys(new, origin))


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in flat.items():
        *sections, key = dotted.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
            if not isinstance(branch, dict):
                raise ConfigError(
                    f"{dotted!r} cannot be set, since {section!r} is set to a plain value.",
                    hint=f"Take out {section!r}, and set the keys below it.",
                )
        if value == {}:  # an empty section says nothing, but it must be one that there is
            branch.setdefault(key, {})
        else:
            branch[key] = value
    return tree


def _explain(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    origin = _origin(key, origins)
    section, _, name = key.partition(".")
    fields = _SECTIONS[section].model_fields if section in _SECTIONS else Config.model_fields
    if first["type"] == "extra_forbidden":
        of = f"of {section!r}" if section in _SECTIONS else "and sections there"
        return ConfigError(
            f"Unknown setting {key!r} (from {origin}).",
            hint=f"The keys {of} are: {', '.join(fields)}.",
        )
    if key in _MAY_HOLD_SECRETS:
        return ConfigError(
            f"The setting {key!r} (from {origin}) is not {_MAY_HOLD_SECRETS[key]}.",
            hint="A key belongs into an environment variable, whose name is "
            f"{section}.api_key_env.",
        )
    field = fields.get(name.partition(".")[0] or section)
    wrong = f"not {A_LIST}" if first["type"] == "tuple_type" else first["msg"]
    return ConfigError(
        f"The setting {key!r} (from {origin}) is {hide_secrets(repr(first['input']))}: {wrong}.",
        hint=f"Change it there, or take it out. What it is: {field.description}"
        if field and field.description
        else "Change it there, or take it out.",
    )


def _origin(key: str, origins: Mapping[str, str]) -> str:
    # The fault may lie in a part of a setting (ingest.exclude.0) or in a whole section.
    for name in (key, key.rpartition(".")[0]):
        if name in origins:
            return origins[name]
    return next((at for name, at in origins.items() if name.startswith(f"{key}.")), "a default")
