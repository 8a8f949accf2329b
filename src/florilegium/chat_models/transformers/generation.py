"""A reply of a loaded model, piece by piece, from a thread that ends when nobody listens.

Knows tokens and tensors, but neither messages nor files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any, Final

from florilegium.cancelling import current_cancellation
from florilegium.chat_models.transformers.loading import LoadedModel
from florilegium.chat_models.transformers.package import torch, transformers
from florilegium.types import ChatOptions, Delta, FinishReason, TokenUsage

_LOOK_SECONDS: Final = 0.05
_BROKEN: Final = "\ufffd"  # what stands for half a character


def generate(
    loaded: LoadedModel, inputs: Any, *, limit: int, options: ChatOptions
) -> Iterator[Delta]:
    """Yield the reply to `inputs`, of at most `limit` tokens.

    Errors of PyTorch and transformers come through as they are.
    """
    tokens: SimpleQueue[int | None] = SimpleQueue()
    stop = Event()
    reader = TokenReader(loaded.dialogue.tokenizer)
    last, count = -1, 0
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="florilegium-chat") as pool:
        task = pool.submit(_work, loaded, inputs, limit, options, tokens, stop)
        try:
            with current_cancellation().waking(stop.set):
                while (token := tokens.get()) is not None:
                    last, count = token, count + 1
                    if text := reader.add(token):
                        yield Delta(text=text)
            current_cancellation().check()
            task.result()
            reason: FinishReason = "stop"
            if last not in loaded.ends:
                reason = "cancelled" if loaded.closed.is_set() and count < limit else "length"
            usage = TokenUsage(
                prompt_tokens=int(inputs["input_ids"].shape[-1]), completion_tokens=count
            )
            yield Delta(text=reader.rest(), finish_reason=reason, usage=usage)
        finally:
            stop.set()  # leaving `with` waits for the thread


def _work(
    loaded: LoadedModel,
    inputs: Any,
    limit: int,
    options: ChatOptions,
    tokens: SimpleQueue[int | None],
    stop: Event,
) -> None:
    def is_over() -> bool:
        return stop.is_set() or loaded.closed.is_set()

    model = loaded.model
    try:
        with _turn(loaded.lock, is_over), _stoppable(model, is_over), torch.inference_mode():
            # generate() puts what is not set here in from the model's own, which keeps little.
            model.generate(
                **inputs.to(model.device, model.dtype),
                generation_config=transformers.GenerationConfig(
                    max_new_tokens=limit, do_sample=False
                ),
                logits_processor=sampling_steps(loaded.sampling, options, model.device),
                stopping_criteria=[Listener(tokens, is_over)],
            )
    except _Stopped:
        pass
    finally:
        tokens.put(None)


class TokenReader:
    """Text of tokens as they come; a character that is made of several waits for all of them."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = 0
        self._read = 0

    def add(self, token: int) -> str:
        """Return what is new with this token; nothing for a special one or half a character."""
        self._ids.append(token)
        text = self.rest()
        if not text or text.endswith(_BROKEN):
            return ""
        # The last piece is read again with the next: how a token reads depends on the one before.
        self._start, self._read = self._read, len(self._ids)
        return text

    def rest(self) -> str:
        """Return what was not given yet, broken or not."""
        return self._text(len(self._ids)).removeprefix(self._text(self._read))

    def _text(self, end: int) -> str:
        text = self._tokenizer.decode(
            self._ids[self._start : end],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return str(text)


class _Stopped(Exception):  # noqa: N818 - no error, but the way out of a forward pass
    """Nobody waits for the reply any more."""


class Listener(transformers.StoppingCriteria):  # type: ignore[misc]  # it need not be installed
    """Hands on each token as soon as it is there, and ends a reply that nobody waits for."""

    def __init__(self, tokens: SimpleQueue[int | None], is_over: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._is_over = is_over

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        self._tokens.put(int(input_ids[0, -1]))
        return torch.full((1,), self._is_over(), dtype=torch.bool, device=input_ids.device)


class _Chance(transformers.LogitsProcessor):  # type: ignore[misc]  # it need not be installed
    """Makes the best token the one that is drawn.

    The largest of scores with Gumbel noise is a draw from their softmax (Gumbel 1954), so that
    the process's own random numbers stay as they are.
    """

    def __init__(self, seed: int | None, device: Any) -> None:
        self._generator = torch.Generator(device=device)
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:  # noqa: ARG002
        even = torch.empty_like(scores).exponential_(generator=self._generator)
        return scores - even.log()


def sampling_steps(advised: Mapping[str, float], options: ChatOptions, device: Any) -> list[Any]:
    """Return what is done to the scores of each token; nothing at temperature 0."""
    if options.temperature == 0:
        return []
    steps: list[Any] = [transformers.TemperatureLogitsWarper(float(options.temperature))]
    if "top_k" in advised:
        steps.append(transformers.TopKLogitsWarper(int(advised["top_k"])))
    top_p = advised.get("top_p", 1.0) if options.top_p is None else options.top_p
    if top_p < 1:
        steps.append(transformers.TopPLogitsWarper(float(top_p)))
    if "min_p" in advised:
        steps.append(transformers.MinPLogitsWarper(advised["min_p"]))
    return [*steps, _Chance(options.seed, device)]


@contextmanager
def _turn(lock: Lock, is_over: Callable[[], bool]) -> Iterator[None]:
    """Wait for the reply before this one. Some models keep state of the reply at hand."""
    while not lock.acquire(timeout=_LOOK_SECONDS):
        if is_over():
            raise _Stopped
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stoppable(model: Any, is_over: Callable[[], bool]) -> Iterator[None]:
    """Let a forward pass be left between two layers: reading a long prompt can take minutes."""

    def look(*_: Any) -> None:
        if is_over():
            raise _Stopped

    stacks = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    hooks = [layer.register_forward_pre_hook(look) for stack in stacks for layer in stack]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
