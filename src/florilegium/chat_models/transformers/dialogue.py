"""Messages as the chat template and the processor of a model take them. Knows no weights.

Templates differ in what they take: parts or plain text, a system role or none. Which it is shows
when a short dialogue is rendered, so that nothing is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from florilegium.chat_models.transformers.facts import short_reason
from florilegium.chat_models.transformers.package import TemplateError
from florilegium.errors import ChatError
from florilegium.openai_format import LARGEST_SIDE
from florilegium.templates import flatten, without_system
from florilegium.types import ImagePart, Message, TextPart

# What a template of another form does with the messages, and what is wrong in the file itself.
_RENDER_ERRORS = (TemplateError, TypeError, ValueError, KeyError, AttributeError)
_HARMLESS: Final = str.maketrans("<>[]", "‹›()")
_LEAST_SIDE: Final = 32
_WORDS: Final = ("rules-zq", "question-zq", "reply-zq", "again-zq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text that ends where the reply begins, and the pictures that it has places for."""

    text: str
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a template takes: lists of parts or plain texts, and a system role or none."""

    parts: bool
    system: bool


_FORMS: Final = tuple(
    Form(parts=parts, system=system) for parts in (True, False) for system in (True, False)
)


class Dialogue:
    """The processor of a model with its chat template.

    `picture_tokens` says how many tokens a large picture of the usual shape takes.
    """

    def __init__(self, processor: Any, *, name: str, sees: bool) -> None:
        """Find out what the template takes.

        Args:
            processor: The processor of transformers, with its tokenizer.
            name: The model, for messages.
            sees: Whether pictures will be sent.

        Raises:
            ChatError: There is no chat template, or none of the usual forms fits it.
        """
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self._name = name
        self._template = self._find_template()
        self._special = _special_tokens(processor, self.tokenizer)
        self._form = self._find_form(sees=sees)
        self.picture_tokens = self._measure_picture() if sees else 0

    def render(self, messages: Sequence[Message]) -> Prompt:
        """Return messages as the model takes them. Raises ChatError."""
        fault: Exception | None = None
        # Some templates refuse a system role only in certain dialogues.
        for form in dict.fromkeys((self._form, Form(parts=self._form.parts, system=False))):
            try:
                prompt = self._render(messages, form)
            except _RENDER_ERRORS as error:
                fault = fault or error
                continue
            self._form = form
            return prompt
        raise ChatError(
            f"The chat template of the model {self._name!r} refuses the messages: "
            f"{short_reason(fault)}.",
            hint="Take the chat_template.jinja of the model's authors, or another model.",
        ) from fault

    def to_tensors(self, prompt: Prompt) -> Any:
        """Return the input of the model: tokens, pixels and what belongs to them."""
        start = getattr(self.tokenizer, "bos_token", None)
        # A template that writes the start itself must not get a second one.
        options = {"add_special_tokens": False} if start and prompt.text.startswith(start) else {}
        return self.processor(
            text=[prompt.text],
            images=[list(prompt.pictures)] if prompt.pictures else None,
            return_tensors="pt",
            **options,
        )

    def _find_template(self) -> str:
        for owner in (self.processor, self.tokenizer):
            template = getattr(owner, "chat_template", None)
            if isinstance(template, dict):
                template = template.get("default")
            if template:
                return str(template)
        raise ChatError(
            f"The model {self._name!r} has no chat template, so it is not known how to speak "
            "with it.",
            hint="Take a version of the model that was tuned for chat (often named `-Instruct` or "
            "`-it`), or add the chat_template.jinja of its authors.",
        )

    def _find_form(self, *, sees: bool) -> Form:
        reasons: list[str] = []
        for form in _FORMS:
            try:
                prompt = self._render(_probe(), form).text
                blind = self._render(_probe(), form, blind=True).text
            except _RENDER_ERRORS as error:
                reasons.append(short_reason(error))
                continue
            # A template that expects plain text writes a list as Python does.
            whole = all(word in blind for word in _WORDS) and "'type'" not in blind
            if whole and (prompt != blind or not sees):
                return form
            reasons.append("it drops some of the texts or pictures")
        raise ChatError(
            f"The chat template of the model {self._name!r} takes no dialogue with pictures: "
            f"{reasons[0]}.",
            hint="If the model does not see, set chat.vision to `no`; otherwise take the "
            "chat_template.jinja of its authors.",
        )

    def _measure_picture(self) -> int:
        seen, blind = (
            self.to_tensors(self._render(_probe(), self._form, blind=blind))["input_ids"]
            for blind in (False, True)
        )
        return int(seen.shape[-1] - blind.shape[-1])

    def _render(self, messages: Sequence[Message], form: Form, *, blind: bool = False) -> Prompt:
        pictures: list[Image.Image] = []
        conversation: list[dict[str, Any]] = []
        for message in messages if form.system else without_system(messages):
            content: list[dict[str, str]] = []
            for part in flatten(message):
                if isinstance(part, TextPart):
                    content.append({"type": "text", "text": self._defuse(part.text)})
                elif not blind:
                    pictures.append(present(part.image))
                    content.append({"type": "image"})
            given = content if form.parts else self._join(content)
            conversation.append({"role": message.role, "content": given})
        text = self.processor.apply_chat_template(
            conversation,
            chat_template=self._template,
            tokenize=False,
            add_generation_prompt=True,
        )
        return Prompt(text=str(text), pictures=tuple(pictures))

    def _join(self, content: Sequence[dict[str, str]]) -> str:
        mark = getattr(self.processor, "image_token", None) or ""
        return "\n".join(part.get("text", str(mark)) for part in content)

    def _defuse(self, text: str) -> str:
        # Each model has control tokens of its own, which a source must not be able to write.
        return self._special.sub(lambda match: match[0].translate(_HARMLESS), text)


def present(image: Image.Image) -> Image.Image:
    """Return a picture that every processor takes: RGB, neither huge nor only a few pixels."""
    picture = image.convert("RGB")
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    if min(picture.size) >= _LEAST_SIDE:
        return picture
    # Some processors refuse pictures smaller than a patch, or as thin as a line.
    width, height = (max(side, _LEAST_SIDE) for side in picture.size)
    canvas = Image.new("RGB", (width, height), "white")
    canvas.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return canvas


def _special_tokens(processor: Any, tokenizer: Any) -> re.Pattern[str]:
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    tokens = {str(token) for token in added if getattr(token, "special", False)}
    tokens |= {str(token) for token in getattr(tokenizer, "all_special_tokens", ())}
    tokens |= {str(getattr(processor, name, None) or "") for name in ("image_token", "video_token")}
    longest_first = sorted((token for token in tokens if token.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _probe() -> list[Message]:
    rules, question, reply, again = (TextPart(text=word) for word in _WORDS)
    picture = ImagePart(image=Image.new("RGB", (LARGEST_SIDE, LARGEST_SIDE * 3 // 4), "gray"))
    return [
        Message(role="system", parts=(rules,)),
        Message(role="user", parts=(picture, question)),
        Message(role="assistant", parts=(reply,)),
        Message(role="user", parts=(again,)),
    ]
