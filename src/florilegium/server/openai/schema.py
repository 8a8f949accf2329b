"""What clients of OpenAI's API send, checked as it is read; each refusal names its parameter.

Knows what has no effect here and what is refused; knows no library.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from florilegium.answers import HIGHEST_TEMPERATURE, SEEDS, AnswerOptions
from florilegium.errors import FlorilegiumError
from florilegium.inputs import MOST_PICTURES
from florilegium.server.rest.requests import (
    PIXEL,
    Body,
    StopSequence,
    StopSequences,
    WhereBody,
    at_most,
)

WITHOUT_EFFECT = (
    "audio",
    "frequency_penalty",
    "logit_bias",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
)
"""Parameters that are taken and change nothing: the settings of the library decide."""

Tokens = Annotated[int, Field(strict=True, ge=1)]
Texts = Annotated[list[str], Field(fail_fast=True)]

_MOST_INPUTS = 256
_MOST_MESSAGES = 500
_MOST_PARTS = 64
_MOST_MODALITIES = 8
_MOST_CHARACTERS = 400_000
_SHOWN = 100
_SHORTER = "Leave out the oldest messages, or begin a new chat."


def refusal(message: str, *, hint: str | None) -> PydanticCustomError:
    """Return an error of a parameter, with a hint."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def _check_count(given: object, most: int, what: str, *, hint: str) -> None:
    """Refuse a list that is too long, before each of its members is looked at."""
    if isinstance(given, list) and len(given) > most:
        raise refusal(f"{len(given)} {what} are more than the {most} that are taken.", hint=hint)


def _checked_url(url: str) -> str:
    if not url[:_SHOWN].lstrip().lower().startswith("data:"):
        raise refusal(
            f"The picture is the address {url[:_SHOWN]!r}; the server fetches nothing.",
            hint="Send the bytes of the picture as data:image/jpeg;base64,...",
        )
    return url


class ImageUrl(BaseModel):
    """A picture, as a data URL."""

    url: str = Field(examples=[PIXEL])
    detail: str | None = None

    @field_validator("url")
    @classmethod
    def _is_data(cls, url: str) -> str:
        return _checked_url(url)


class ContentPart(BaseModel):
    """A text or a picture in a message."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if (self.text if self.type == "text" else self.image_url) is None:
            raise refusal(f"A part of the type {self.type!r} has no {self.type!r}.", hint=None)
        return self


class ChatMessage(BaseModel):
    """A message of the conversation. What clients keep with it besides is not looked at."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[ContentPart], Field(fail_fast=True)] | None = None
    tool_calls: list[object] | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _has_few_parts(cls, given: object) -> object:
        _check_count(given, _MOST_PARTS, "parts", hint="Put texts into one part.")
        return given

    @field_validator("tool_calls")
    @classmethod
    def _calls_nothing(cls, calls: list[object] | None) -> list[object] | None:
        if calls:
            raise refusal("A library calls no tools.", hint="Leave messages about tools out.")
        return calls

    @property
    def text(self) -> str:
        """Return the words of the message."""
        if isinstance(self.content, str) or self.content is None:
            return self.content or ""
        return "\n".join(part.text for part in self.content if part.text is not None)

    @property
    def pictures(self) -> list[str]:
        """Return the data URLs of the pictures in the message."""
        if isinstance(self.content, str) or self.content is None:
            return []
        return [part.image_url.url for part in self.content if part.image_url is not None]


class ChatExtension(Body):
    """What Florilegium can besides; clients send it as an extra part of the body."""

    sources: bool = Field(True, description="Whether the text ends with a list of its sources.")
    quote: bool = Field(False, description="Answer by quoting, whatever chat model is set.")
    where: WhereBody | None = Field(None, description="What may be answered from.")

    @field_validator("where")
    @classmethod
    def _is_filter(cls, where: WhereBody | None) -> WhereBody | None:
        try:
            if where is not None:
                where.to_filter()
        except FlorilegiumError as error:
            raise refusal(error.message, hint=error.hint) from error
        return where


class StreamOptions(BaseModel):
    """How an answer is streamed."""

    include_usage: bool = False


class ResponseFormat(BaseModel):
    """Which form the reply has: text."""

    type: Literal["text"]


class ChatRequest(Body):
    """The body of a request for a chat completion."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "model": "flowers",
                "messages": [{"role": "user", "content": "How often do roses want water?"}],
            }
        },
    )

    model: str = Field(description="The name of a library.")
    messages: Annotated[list[ChatMessage], Field(fail_fast=True)] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    florilegium: ChatExtension = ChatExtension()

    max_tokens: Tokens | None = Field(None, description="As max_completion_tokens, its new name.")
    max_completion_tokens: Tokens | None = Field(
        None, description="Longest answer in tokens; chat.max_tokens is never exceeded."
    )
    temperature: Annotated[float, Field(strict=True, ge=0, le=HIGHEST_TEMPERATURE)] | None = None
    top_p: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    seed: Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | None = None
    stop: StopSequence | StopSequences | None = None

    n: int | None = None
    tools: list[object] | None = None
    tool_choice: object = None
    functions: list[object] | None = None
    function_call: object = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: Annotated[list[str], Field(fail_fast=True), at_most(_MOST_MODALITIES)] | None = None
    prediction: object = None
    web_search_options: object = None

    audio: object = None
    frequency_penalty: object = None
    logit_bias: object = None
    metadata: object = None
    parallel_tool_calls: object = None
    presence_penalty: object = None
    prompt_cache_key: object = None
    prompt_cache_retention: object = None
    reasoning_effort: object = None
    safety_identifier: object = None
    service_tier: object = None
    store: object = None
    user: object = None
    verbosity: object = None

    @field_validator("messages", mode="before")
    @classmethod
    def _are_few(cls, given: object) -> object:
        _check_count(given, _MOST_MESSAGES, "messages", hint=_SHORTER)
        return given

    @field_validator("messages")
    @classmethod
    def _are_short(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        characters = sum(len(message.text) for message in messages)
        if characters > _MOST_CHARACTERS:
            raise refusal(
                f"The messages have {characters} characters, more than the {_MOST_CHARACTERS} "
                "that are taken.",
                hint=_SHORTER,
            )
        return messages

    @field_validator("max_completion_tokens")
    @classmethod
    def _is_said_once(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("max_tokens") is not None:
            raise refusal(
                "It says what max_tokens says too.", hint="Send one of them; max_tokens is older."
            )
        return value

    @field_validator("n")
    @classmethod
    def _is_one(cls, value: int | None) -> int | None:
        if value not in {None, 1}:
            raise refusal(f"One answer is given, not {value}.", hint="Leave n out, or set it to 1.")
        return value

    @field_validator("tools", "functions", "prediction", "web_search_options")
    @classmethod
    def _is_absent(cls, value: object) -> object:
        if value:
            raise refusal("A library cannot do this.", hint="Leave it out.")
        return value

    @field_validator("tool_choice", "function_call")
    @classmethod
    def _is_no_choice(cls, value: object) -> object:
        if value not in (None, "none", "auto"):
            raise refusal("A library calls no tools.", hint="Leave it out.")
        return value

    @field_validator("logprobs", "top_logprobs")
    @classmethod
    def _is_not_wanted(cls, value: int | None) -> int | None:
        if value:
            raise refusal("Probabilities of tokens are not given.", hint="Leave it out.")
        return value

    @field_validator("modalities")
    @classmethod
    def _is_text(cls, value: list[str] | None) -> list[str] | None:
        if value not in (None, ["text"]):
            raise refusal("Answers are text.", hint='Leave it out, or set it to ["text"].')
        return value

    @property
    def options(self) -> AnswerOptions:
        """Return how the answer is to be written."""
        return AnswerOptions(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            # Any number of 64 bits may be sent; the same one gives the same answer again.
            seed=None if self.seed is None else self.seed % SEEDS,
            stop=self.stop or (),
        )

    def name_of(self, option: str) -> str:
        """Return the parameter by which this request gives an option of the answer."""
        is_new = option == "max_tokens" and self.max_completion_tokens is not None
        return "max_completion_tokens" if is_new else option

    @property
    def ignored(self) -> list[str]:
        """Return the parameters that were given and never have an effect."""
        return [name for name in WITHOUT_EFFECT if getattr(self, name) is not None]


class EmbeddingsExtension(Body):
    """What Florilegium can besides."""

    purpose: Literal["query", "document"] = Field(
        "document", description="Whether texts are to be searched for or to be found."
    )
    images: Annotated[list[str], Field(fail_fast=True), at_most(MOST_PICTURES)] = Field(
        [],
        max_length=MOST_PICTURES,
        description="Pictures as data URLs; they come after `input`.",
    )

    @field_validator("images")
    @classmethod
    def _are_data(cls, urls: list[str]) -> list[str]:
        return [_checked_url(url) for url in urls]


class EmbeddingsRequest(Body):
    """The body of a request for embeddings."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"model": "flowers:text", "input": ["a red rose"]}},
    )

    model: str = Field(description="The name of a library, then `:text` or `:image`.")
    input: str | Texts = Field([])
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        None, description="That of the encoder, if it is given; no embedding is cut."
    )
    user: object = None
    florilegium: EmbeddingsExtension = EmbeddingsExtension()

    @field_validator("input", mode="before")
    @classmethod
    def _are_texts(cls, given: object) -> object:
        if not isinstance(given, list):
            return given
        if any(isinstance(one, int | float | list) for one in given[:_MOST_INPUTS]):
            raise refusal(
                "Tokens are not taken, since clients cannot know those of the encoder.",
                hint="Send texts; for LangChain's client, set check_embedding_ctx_length=False.",
            )
        if len(given) > _MOST_INPUTS:
            raise refusal(
                f"{len(given)} texts are more than the {_MOST_INPUTS} that are taken at a time.",
                hint="Send them in several requests; for LangChain's client, set chunk_size=256.",
            )
        return given

    @property
    def texts(self) -> list[str]:
        """Return the texts."""
        return [self.input] if isinstance(self.input, str) else self.input
