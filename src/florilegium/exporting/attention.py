"""Attention in plain steps, which become a short graph that takes any number of tokens.

PyTorch's own `MultiheadAttention` computes the same, but a trace of it holds the number of tokens
it was traced with, and dozens of operations on shapes. Knows PyTorch, no model.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


class PlainAttention(torch.nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
    """Has the weights of a `MultiheadAttention` and is called like it."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self._batch_first = attention.batch_first
        self._heads = attention.num_heads
        self._weight = attention.in_proj_weight
        self._bias = attention.in_proj_bias
        self._out = attention.out_proj

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        *,
        attn_mask: Any = None,
        key_padding_mask: Any = None,
        **_: Any,
    ) -> tuple[Any, None]:
        """Return what each token attends to, and no weights.

        Raises:
            ValueError: Some keys are to be left out, which no tower of this family does.
        """
        if key_padding_mask is not None:
            raise ValueError("attention that leaves out keys is not supported")
        alike = query is key and key is value
        if not self._batch_first:
            query, key, value = (each.transpose(0, 1) for each in (query, key, value))
        if alike:
            parts = functional.linear(query, self._weight, self._bias).chunk(3, dim=-1)
        else:
            biases = (None,) * 3 if self._bias is None else self._bias.chunk(3)
            parts = tuple(
                functional.linear(given, weight, bias)
                for given, weight, bias in zip(
                    (query, key, value), self._weight.chunk(3), biases, strict=True
                )
            )
        width = parts[0].shape[-1]
        size = width // self._heads
        split = [part.reshape(part.shape[0], -1, self._heads, size) for part in parts]
        queries, keys, values = (part.transpose(1, 2) for part in split)
        scores = (queries * size**-0.5) @ keys.transpose(-2, -1)
        if attn_mask is not None:
            scores = scores + attn_mask
        seen = (scores.softmax(dim=-1) @ values).transpose(1, 2)
        row = self._out(seen.reshape(seen.shape[0], -1, width))
        return (row if self._batch_first else row.transpose(0, 1)), None


def use_plain_attention(module: Any) -> None:
    """Replace all attention in a module by plain steps with the same weights."""
    for name, child in module.named_children():
        if _is_plain(child):
            setattr(module, name, PlainAttention(child))
        else:
            use_plain_attention(child)


def _is_plain(module: Any) -> bool:
    # Others are left to the tracer, which says so if it cannot.
    return (
        isinstance(module, torch.nn.MultiheadAttention)
        and module.in_proj_weight is not None
        and module.bias_k is None
        and not module.add_zero_attn
    )
