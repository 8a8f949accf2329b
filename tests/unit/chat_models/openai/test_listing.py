"""Lists of models, as the usual servers write them."""

from __future__ import annotations

import pytest

from florilegium.chat_models.openai.listing import (
    ListedModel,
    find_model,
    name_models,
    read_models,
)


@pytest.mark.parametrize(
    ("row", "tokens"),
    [
        ({"meta": {"n_ctx": 4096, "n_ctx_train": 8192}, "owned_by": "llamacpp"}, 4096),
        ({"max_model_len": 32768, "owned_by": "vllm"}, 32768),
        ({"context_length": 131072}, 131072),
        ({"context_window": 8192}, 8192),
        ({"meta": None}, None),
        ({"meta": {"n_ctx": 0}}, None),
        ({"max_model_len": "many"}, None),
        ({"max_model_len": True}, None),
        ({}, None),
    ],
)
def test_the_context_is_read_where_servers_write_it(
    row: dict[str, object], tokens: int | None
) -> None:
    models = read_models({"object": "list", "data": [{"id": "m", **row}]})

    assert models is not None
    assert [model.context_tokens for model in models] == [tokens]


@pytest.mark.parametrize("listed", [None, [], "models", {}, {"data": {}}, {"data": "x"}])
def test_what_is_no_list_of_models_is_none(listed: object) -> None:
    assert read_models(listed) is None


@pytest.mark.parametrize(
    "listed", [{"object": "list", "data": None}, {"data": []}, {"data": [{}, 1, {"id": 5}]}]
)
def test_a_list_may_be_empty(listed: object) -> None:
    assert read_models(listed) == []


def test_a_model_is_found_by_its_name_its_alias_and_without_its_tag() -> None:
    models = [
        ListedModel(id="llava:latest"),
        ListedModel(id="/models/q.gguf", aliases=("qwen",)),
    ]

    assert find_model(models, "llava") == models[0]
    assert find_model(models, "llava:latest") == models[0]
    assert find_model(models, "qwen") == models[1]
    assert find_model(models, "llava:7b") is None


def test_the_only_model_of_llama_server_answers_to_any_name() -> None:
    model = ListedModel(id="q.gguf", owner="llamacpp")

    assert find_model([model], "anything") == model
    assert find_model([ListedModel(id="q")], "anything") is None


def test_a_message_names_no_more_models_than_can_be_read() -> None:
    assert name_models([]) == "none"
    assert name_models([ListedModel(id="a"), ListedModel(id="b")]) == "'a', 'b'"
    assert name_models([ListedModel(id="m")] * 23).endswith("'m', and 3 more")
