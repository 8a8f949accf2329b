from __future__ import annotations

from typing import Any

import pytest

from florilegium.errors import WeightsNotFoundError
from florilegium.model_cards import ModelCard, PinnedFile
from florilegium.model_files import (
    Wish,
    choose_files,
    find_kind,
    is_matched,
    judge_config,
    named_files,
    pin_files,
    select_files,
)
from florilegium.model_hub import HubFile, Repository
from florilegium.model_records import ModelKind

VISION, TEXT = "onnx/vision_model.onnx", "onnx/text_model.onnx"


def _repository(*paths: str) -> Repository:
    files = tuple(HubFile(path=path, size=1) for path in paths)
    return Repository(name="tiny/clip", commit="1" * 40, files=files)


@pytest.mark.parametrize(
    ("vision", "text", "tokenizer"),
    [
        ("onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json"),
        ("vision_model.onnx", "text_model.onnx", "tokenizer.json"),
        ("visual/model.onnx", "textual/model.onnx", "textual/tokenizer.json"),
    ],
)
def test_graphs_are_found_in_the_layouts_of_hub_repositories(
    vision: str, text: str, tokenizer: str
) -> None:
    files = select_files(_repository(vision, text, tokenizer, "other/tokenizer.json"), ["fp32"])

    assert {file.path for file in files} == {vision, text, tokenizer}


def test_weights_beside_a_graph_belong_to_it() -> None:
    beside = [f"{TEXT}_data", f"{TEXT}.data", f"{TEXT}_data_1"]
    foreign = [f"{TEXT}_old", "onnx/text_model_q4.onnx_data"]

    files = select_files(_repository(VISION, TEXT, "tokenizer.json", *beside, *foreign), ["fp32"])

    assert {file.path for file in files} == {VISION, TEXT, "tokenizer.json", *beside}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([VISION, "tokenizer.json"], "no pair of ONNX graphs in fp32"),
        ([VISION, TEXT], "no tokenizer.json"),
        (["model.safetensors", "tokenizer.json"], "'onnx/vision_model.onnx' and its like"),
    ],
)
def test_a_repository_that_is_no_model_of_ours_says_what_it_lacks(
    paths: list[str], message: str
) -> None:
    with pytest.raises(WeightsNotFoundError, match=message) as caught:
        select_files(_repository(*paths), ["fp32"])

    assert "florilegium models export" in str(caught.value.hint)


def test_int8_graphs_of_others_are_never_taken() -> None:
    repository = _repository(VISION, TEXT, "onnx/vision_model_int8.onnx", "tokenizer.json")

    with pytest.raises(WeightsNotFoundError, match="no pair of ONNX graphs in int8"):
        select_files(repository, ["fp32", "int8"])


def test_terms_are_fetched_from_the_top_only() -> None:
    files = select_files(
        _repository(VISION, TEXT, "tokenizer.json", "LICENSE", "README.md", "onnx/README.md"),
        ["fp32"],
    )

    assert {"LICENSE", "README.md"} <= {file.path for file in files}
    assert "onnx/README.md" not in {file.path for file in files}


def _chosen(kind: ModelKind, *paths: str, card: ModelCard | None = None, **wish: Any) -> set[str]:
    files = choose_files(_repository(*paths), kind, wish=Wish(**wish), card=card)
    return {file.path for file in files}


def _card(*paths: str, revision: str = "1" * 40) -> ModelCard:
    return ModelCard(
        name="tiny", title="Tiny", about="", chat_model="llama_cpp", source="tiny/clip",
        revision=revision, files=tuple(PinnedFile(path=path, size=1) for path in paths),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        ([VISION, TEXT, "model.safetensors", "config.json"], "onnx_clip"),
        (["a-Q4_K_M.gguf", "README.md"], "llama_cpp"),
        (["model.safetensors", "config.json"], "transformers"),
        (["model-00001-of-00002.safetensors", "config.json"], "transformers"),
    ],
)
def test_the_kind_of_a_model_is_seen_by_its_files(paths: list[str], kind: str) -> None:
    assert find_kind(_repository(*paths), ()) == kind


def test_a_repository_of_two_kinds_asks_which_is_meant() -> None:
    repository = _repository("a.gguf", "model.safetensors", "config.json")

    with pytest.raises(
        WeightsNotFoundError, match="GGUF files and a transformers folder"
    ) as caught:
        find_kind(repository, ())

    assert "--kind llama_cpp or --kind transformers" in str(caught.value.hint)
    assert find_kind(repository, ["*"]) == "llama_cpp"


@pytest.mark.parametrize("paths", [["pytorch_model.bin", "config.json"], ["model.safetensors"], []])
def test_a_repository_of_no_kind_lists_what_is_there(paths: list[str]) -> None:
    with pytest.raises(WeightsNotFoundError, match="no GGUF file") as caught:
        find_kind(_repository(*paths), ())

    assert all(repr(path) in caught.value.message for path in paths)


def test_many_files_are_not_all_listed() -> None:
    with pytest.raises(WeightsNotFoundError, match=r"'p11\.bin' and 3 more"):
        find_kind(_repository(*(f"p{number:02}.bin" for number in range(15))), ())


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"architectures": ["LlavaForConditionalGeneration"]}, "transformers"),
        ({"architectures": ["Phi3VForCausalLM"]}, "transformers"),
        ({"model_type": "mc-llava", "architectures": ["LlavaForCausalLM"]}, "mc_llava"),
        ({}, "transformers"),
    ],
)
def test_the_configuration_says_what_opens_a_transformers_folder(
    config: dict[str, object], kind: str
) -> None:
    assert judge_config(_repository(), config) == kind


def test_a_network_that_writes_no_texts_is_no_chat_model() -> None:
    with pytest.raises(WeightsNotFoundError, match="its network is 'CLIPModel'") as caught:
        judge_config(_repository(), {"architectures": ["CLIPModel"]})

    assert "florilegium models export" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["a-Q2_K.gguf", "a-Q4_K_M.gguf", "a-Q8_0.gguf"], {"a-Q4_K_M.gguf"}),
        (["a-q2_k.gguf", "a-q8_0.gguf"], {"a-q8_0.gguf"}),
        (["a.gguf"], {"a.gguf"}),
        (["a.Q4_K_M.gguf", "a.Q4_K_M_L.gguf", "a.IQ4_K_M.gguf"], {"a.Q4_K_M.gguf"}),
        (["a.gguf", "imatrix.gguf", "a-imatrix.gguf"], {"a.gguf"}),
        (["Q4_K_M/a.gguf", "Q8_0/a.gguf"], {"Q4_K_M/a.gguf"}),
    ],
)
def test_of_several_quantizations_one_is_taken(there: list[str], chosen: set[str]) -> None:
    assert _chosen("llama_cpp", *there) == chosen


@pytest.mark.parametrize(
    ("there", "projector"),
    [
        (["mmproj-F16.gguf", "mmproj-Q8_0.gguf", "mmproj-F32.gguf"], "mmproj-Q8_0.gguf"),
        (["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"], "mmproj-F16.gguf"),
        (["a-mmproj-f16.gguf", "a-mmproj-Q4_0.gguf"], "a-mmproj-f16.gguf"),
        (["mmproj-model.gguf"], "mmproj-model.gguf"),
    ],
)
def test_a_projector_is_taken_beside_the_model(there: list[str], projector: str) -> None:
    assert _chosen("llama_cpp", "a-Q4_K_M.gguf", *there) == {"a-Q4_K_M.gguf", projector}


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["*Q8_0*"], {"a-Q8_0.gguf", "mmproj-a-Q8_0.gguf"}),
        (["*f16*"], {"a-F16.gguf", "mmproj-a-F16.gguf"}),
        (["a-Q8_0.gguf", "mmproj*F16*"], {"a-Q8_0.gguf", "mmproj-a-F16.gguf"}),
        (["*Q8_0*", "mmproj*F16*"], {"a-Q8_0.gguf", "mmproj-a-F16.gguf"}),
        (["mmproj*F16*"], {"a-Q4_K_M.gguf", "mmproj-a-F16.gguf"}),
        (["a-*"], {"a-Q4_K_M.gguf", "mmproj-a-Q8_0.gguf"}),
    ],
)
def test_patterns_choose_among_gguf_files(patterns: list[str], chosen: set[str]) -> None:
    there = ["a-F16.gguf", "a-Q4_K_M.gguf", "a-Q8_0.gguf"]
    projectors = ["mmproj-a-F16.gguf", "mmproj-a-Q8_0.gguf"]

    assert _chosen("llama_cpp", *there, *projectors, patterns=patterns) == chosen


@pytest.mark.parametrize(
    "parts", ["a-Q4_K_M-0000{}-of-00002.gguf", "Q4_K_M/a-0000{}-of-00002.gguf"]
)
def test_a_model_in_parts_comes_with_all_of_them(parts: str) -> None:
    paths = [parts.format(number) for number in (1, 2)]

    assert _chosen("llama_cpp", *paths, "a-Q8_0.gguf") == set(paths)
    assert _chosen("llama_cpp", *paths, "a-Q8_0.gguf", patterns=["*Q4_K_M*"]) == set(paths)


def test_a_model_that_lacks_a_part_is_not_fetched() -> None:
    with pytest.raises(WeightsNotFoundError, match="has 1 of the 3 parts of 'a-Q4_K_M'"):
        _chosen("llama_cpp", "a-Q4_K_M-00002-of-00003.gguf")


@pytest.mark.parametrize(
    ("there", "patterns"),
    [
        (["a-Q5_K_M.gguf", "a-Q6_K.gguf"], []),
        (["a-2b-Q4_K_M.gguf", "a-4b-Q4_K_M.gguf"], []),
        (["a-Q5_K_M.gguf", "a-Q5_K_S.gguf", "a-Q4_K_M.gguf"], ["*Q5*"]),
    ],
)
def test_where_more_than_one_file_may_be_meant_they_are_listed(
    there: list[str], patterns: list[str]
) -> None:
    with pytest.raises(
        WeightsNotFoundError, match="more than one file that may be meant"
    ) as caught:
        _chosen("llama_cpp", *there, patterns=patterns)

    assert repr(there[0]) in caught.value.message
    assert f"--file '*{there[0].removesuffix('.gguf')}*'" in str(caught.value.hint)


@pytest.mark.parametrize("pattern", ["*Q8_0*", "mmproj*Q8_0*"])
def test_a_pattern_must_mean_what_it_is_for(pattern: str) -> None:
    there = ["a-Q4_K_M.gguf", "mmproj-F16.gguf"]
    there.append("a-mmproj-Q8_0.gguf" if "mmproj" not in pattern else "b-Q8_0.gguf")

    with pytest.raises(WeightsNotFoundError, match="is called like"):
        _chosen("llama_cpp", *there, patterns=[pattern])


def test_a_part_that_is_missing_of_another_model_does_no_harm() -> None:
    there = ["a-Q4_K_M.gguf", "a-F16-00002-of-00003.gguf"]

    assert _chosen("llama_cpp", *there) == {"a-Q4_K_M.gguf"}


def test_a_pattern_that_means_nothing_lists_what_there_is() -> None:
    with pytest.raises(WeightsNotFoundError, match=r"like '\*Q3\*'; there are 'a-Q8_0.gguf'"):
        _chosen("llama_cpp", "a-Q8_0.gguf", patterns=["*Q3*"])


def test_a_projector_alone_is_no_model() -> None:
    with pytest.raises(WeightsNotFoundError, match="no GGUF file of a language model"):
        _chosen("llama_cpp", "mmproj-F16.gguf")


def test_a_transformers_folder_comes_without_code_and_pickles() -> None:
    needed = {
        "config.json", "generation_config.json", "processor_config.json", "vocab.json",
        "preprocessor_config.json", "video_preprocessor_config.json", "chat_template.jinja",
        "chat_template.json", "additional_chat_templates/tool.jinja", "tokenizer.json",
        "tokenizer_config.json", "tokenizer.model", "merges.txt", "special_tokens_map.json",
        "added_tokens.json", "model.safetensors", "LICENSE", "README.md",
    }  # fmt: skip
    never = {
        "pytorch_model.bin", "model.pt", "training_args.bin", "modeling_tiny.py", "tiny.py",
        "consolidated.safetensors", "onnx/model.onnx", "onnx/config.json", "trainer_state.json",
        "model.safetensors.index.json", "model-00001-of-00002.safetensors",
    }  # fmt: skip

    assert _chosen("transformers", *needed, *never) == needed


def test_weights_in_parts_come_with_their_index() -> None:
    parts = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files = {"config.json", "tokenizer.model", "model.safetensors.index.json", *parts}

    assert _chosen("mc_llava", *files) == files


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["config.json", "tokenizer.json", "pytorch_model.bin"], "no config.json with"),
        (["tokenizer.json", "model.safetensors"], "no config.json with"),
        (["config.json", "tokenizer.json", "model.fp16.safetensors"], "'model.fp16.safetensors'"),
        (["config.json", "tokenizer.json", "model.safetensors.index.json"], "and its parts"),
        (["config.json", "model.safetensors"], "no tokenizer"),
        (
            ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"],
            "has 1 of the 2 parts",
        ),
    ],
)
def test_a_transformers_folder_that_is_not_whole_says_what_it_lacks(
    paths: list[str], message: str
) -> None:
    with pytest.raises(WeightsNotFoundError, match=message):
        _chosen("transformers", *paths)


def test_a_card_of_gguf_gets_its_files_and_its_terms() -> None:
    there = ["a-Q4_K_M.gguf", "a-Q8_0.gguf", "mmproj-F16.gguf", "mmproj-Q8_0.gguf", "LICENSE"]
    card = _card("a-Q8_0.gguf", "mmproj-F16.gguf")

    assert _chosen("llama_cpp", *there, card=card) == {*there[1:3], "LICENSE"}


def test_a_card_says_nothing_of_another_revision() -> None:
    there = ["a-Q4_K_M.gguf", "a-Q8_0.gguf"]

    chosen = _chosen("llama_cpp", *there, card=_card("a-Q8_0.gguf", revision="2" * 40))

    assert chosen == {"a-Q4_K_M.gguf"}


@pytest.mark.parametrize(
    ("kind", "wish", "message"),
    [
        ("onnx_clip", {"patterns": ["*"]}, "is an encoder, for which --file"),
        ("transformers", {"patterns": ["*"]}, "fetched for transformers, for which --file"),
        ("llama_cpp", {"precisions": ["fp16"]}, "is a chat model, for which --precision"),
    ],
)
def test_a_wish_that_has_no_meaning_is_not_ignored(
    kind: ModelKind, wish: dict[str, Any], message: str
) -> None:
    with pytest.raises(WeightsNotFoundError, match=message):
        _chosen(kind, VISION, TEXT, "tokenizer.json", "a.gguf", "config.json", **wish)


def test_a_pin_without_a_size_pins_the_hash() -> None:
    repository = Repository(
        name="tiny/clip", commit="1" * 40, files=(HubFile(path="a", size=1, sha256="0" * 64),)
    )
    cards = [
        ModelCard(
            name="tiny", title="", about="", encoder="onnx_clip", source="tiny/clip",
            files=(PinnedFile(path="a", sha256=sha256),),
        )
        for sha256 in ("0" * 64, "1" * 64)
    ]  # fmt: skip

    assert pin_files(repository.files, repository, cards[0]) == list(repository.files)
    with pytest.raises(WeightsNotFoundError, match="not the file that the card promises"):
        pin_files(repository.files, repository, cards[1])


def test_files_are_found_by_their_paths() -> None:
    assert [file.path for file in named_files(_repository("a", "b", "c"), ["c", "a"])] == ["c", "a"]
    with pytest.raises(WeightsNotFoundError, match="no file 'd'"):
        named_files(_repository("a"), ["d"])


@pytest.mark.parametrize(
    ("path", "pattern", "matched"),
    [
        ("Q8_0/a-Q8_0.gguf", "*q8_0*", True),
        ("Q8_0/a.gguf", "a.gguf", True),
        ("Q8_0/a.gguf", "Q8_0/*", True),
        ("a.gguf", "b*", False),
        ("a-Q8_0.gguf", "Q8_0", False),
    ],
)
def test_a_pattern_means_a_file_by_its_path_or_its_name(
    path: str, pattern: str, matched: bool
) -> None:
    assert is_matched(path, pattern) is matched
