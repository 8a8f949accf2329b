"""Attention in plain steps gives what PyTorch's own module does."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.torch

WIDTH = 24
HEADS = 3
BATCH = 2
LENGTH = 5
ATOL = 1e-5


def make(*, batch_first: bool = True, bias: bool = True) -> Any:
    import torch

    torch.manual_seed(1)
    attention = torch.nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=batch_first)
    if bias:
        # PyTorch starts them at zero, where they could not be missed.
        torch.nn.init.normal_(attention.in_proj_bias)
        torch.nn.init.normal_(attention.out_proj.bias)
    return attention.eval()


def states(length: int = LENGTH, *, batch_first: bool = True) -> Any:
    import torch

    made = torch.randn(BATCH, length, WIDTH, generator=torch.Generator().manual_seed(length))
    return made if batch_first else made.transpose(0, 1)


def plain(attention: Any) -> Any:
    from florilegium.exporting.attention import PlainAttention

    return PlainAttention(attention)


def assert_alike(attention: Any, *given: Any, **named: Any) -> None:
    import torch

    with torch.inference_mode():
        expected, _ = attention(*given, need_weights=False, **named)
        found, weights = plain(attention)(*given, need_weights=False, **named)

    assert weights is None
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_self_attention_is_that_of_pytorch(batch_first: bool, bias: bool) -> None:
    given = states(batch_first=batch_first)

    assert_alike(make(batch_first=batch_first, bias=bias), given, given, given)


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_causal_mask_hides_what_comes_later(batch_first: bool) -> None:
    import torch

    given = states(batch_first=batch_first)
    mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)

    assert_alike(make(batch_first=batch_first), given, given, given, attn_mask=mask)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_to_other_states_is_that_of_pytorch(batch_first: bool, bias: bool) -> None:
    attention = make(batch_first=batch_first, bias=bias)
    query = states(1, batch_first=batch_first)
    key, value = states(7, batch_first=batch_first), states(7, batch_first=batch_first) * 2

    assert_alike(attention, query, key, value)
    assert_alike(attention, query, key, key)


def test_all_attention_in_a_module_is_replaced_however_deep() -> None:
    import torch

    from florilegium.exporting.attention import PlainAttention, use_plain_attention

    inner = torch.nn.ModuleDict({"attn": make(), "other": torch.nn.Linear(WIDTH, WIDTH)})
    module = torch.nn.ModuleList([torch.nn.Sequential(torch.nn.Identity(), inner), make()])

    use_plain_attention(module)

    kinds = [type(each) for each in module.modules()]
    assert kinds.count(PlainAttention) == 2
    assert torch.nn.MultiheadAttention not in kinds
    assert type(inner["other"]) is torch.nn.Linear


@pytest.mark.parametrize(
    "options", [{"kdim": 8, "vdim": 8}, {"add_bias_kv": True}, {"add_zero_attn": True}]
)
def test_attention_of_another_kind_is_left_alone(options: dict[str, Any]) -> None:
    import torch

    from florilegium.exporting.attention import use_plain_attention

    attention = torch.nn.MultiheadAttention(WIDTH, HEADS, **options)
    module = torch.nn.Sequential(attention)

    use_plain_attention(module)

    assert module[0] is attention


def test_keys_that_are_to_be_left_out_are_refused() -> None:
    import torch

    given = states()
    mask = torch.zeros(BATCH, LENGTH, dtype=torch.bool)

    with pytest.raises(ValueError, match="leaves out keys"):
        plain(make())(given, given, given, key_padding_mask=mask)
