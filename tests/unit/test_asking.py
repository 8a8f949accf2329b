"""What is settled before an answer: the words to search for, and what the picture shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from PIL import Image

from florilegium.answers import AnswerOptions, Candidate, Identification, Turn
from florilegium.asking import (
    Found,
    ShortReplies,
    Wanted,
    describe_identity,
    identify_picture,
    image_in_play,
    settle_options,
    want,
    without_effect,
)
from florilegium.chat_models.extractive import ExtractiveChatModel
from florilegium.config import ChatConfig
from florilegium.errors import ChatRejectedError, ChatTimeoutError, UnsupportedInputError
from florilegium.evidence import Evidence
from florilegium.protocols import ChatModel
from florilegium.testing.chat_model import FakeChatModel
from florilegium.types import (
    ChatModelInfo,
    ChatOptions,
    Delta,
    ImagePart,
    Message,
    Picture,
    TextPart,
)

RED = Image.new("RGB", (2, 2), (255, 0, 0))
BLUE = Image.new("RGB", (2, 2), (0, 0, 255))
ROSE = Candidate(name="rose", share=0.4, path="rose.txt")
TULIP = Candidate(name="tulip", share=0.35, path="tulip.txt")
DAISY = Candidate(name="daisy", share=0.0, path="daisy.txt")
DAHLIAS = [Turn(question="How do I water dahlias?", answer="Deeply [1].")]
PICTURED = [
    Turn(question="", answer="A rose.", image=RED, image_hash="ab"),
    Turn(question="Is it?", answer="Yes."),
]


# -- the words --


def words(
    question: str, model: ChatModel, *, history: Sequence[Turn] = (), image: Picture | None = None
) -> str:
    replies = ShortReplies(model, max_tokens=200)
    return want(question, image=image, history=history, replies=replies).text


def test_a_first_question_is_searched_as_it_is() -> None:
    model = FakeChatModel([])

    assert words("And in winter?", model) == "And in winter?"
    assert model.received == []


def test_a_model_rewrites_a_question_that_comes_after_others() -> None:
    model = FakeChatModel(["How do I water dahlias in winter?"])

    searched = words("And in winter?", model, history=DAHLIAS)

    assert searched == "How do I water dahlias in winter?"
    assert model.options == [ChatOptions(max_tokens=200, temperature=0.0)]


@pytest.mark.parametrize("reply", ["Penguins eat krill in antarctic waters.", ""])
def test_a_rewriting_that_cannot_be_believed_leaves_it_to_the_wording(reply: str) -> None:
    searched = words("And in winter?", FakeChatModel([reply]), history=DAHLIAS)

    assert searched == "How do I water dahlias? And in winter?"


def test_a_model_that_writes_no_words_of_its_own_is_not_asked() -> None:
    searched = words("And in winter?", ExtractiveChatModel(), history=DAHLIAS)

    assert searched == "How do I water dahlias? And in winter?"


def test_a_question_with_a_picture_of_its_own_is_not_rewritten() -> None:
    model = FakeChatModel([])

    assert words("Where does it grow?", model, history=DAHLIAS, image=Picture(image=RED))
    assert words("", model, history=DAHLIAS) == ""
    assert model.received == []


def wants(question: str, model: ChatModel, *, history: Sequence[Turn] = PICTURED) -> Wanted:
    replies = ShortReplies(model, max_tokens=200)
    return want(question, image=None, history=history, replies=replies)


def test_a_question_about_an_earlier_picture_searches_for_it_too() -> None:
    wanted = wants("How do I water it?", FakeChatModel(["How do I water a rose?"]))

    assert wanted.text == "How do I water a rose?"
    assert wanted.about_picture
    assert wanted.picture is not None
    assert wanted.picture.image is RED


@pytest.mark.parametrize(
    "question",
    [
        "Where do hedgehogs hibernate in England?",
        "In which year did Galileo publish his book?",
        "How can gardeners keep moss out of their lawn?",
        "土耳其的郁金香怎么浇水?",
    ],
)
def test_a_question_about_something_else_leaves_an_earlier_picture_out(question: str) -> None:
    wanted = wants(question, ExtractiveChatModel())

    assert (wanted.text, wanted.picture, wanted.about_picture) == (question, None, False)


def test_a_question_that_the_model_leaves_as_it_is_is_not_about_the_picture() -> None:
    question = "Is it true that tulips come from Turkey?"

    assert wants(question, FakeChatModel([question.upper()])).picture is None
    assert wants(question, FakeChatModel(["nonsense"])).picture is not None


# -- the picture --


def test_the_newest_picture_is_the_one_in_play() -> None:
    history = [*PICTURED, Turn(question="", answer="The sky.", image=BLUE, image_hash="cd")]
    own = Picture(image=RED)

    earlier = image_in_play(None, history)

    assert earlier is not None
    assert (earlier.image, earlier.content_hash) == (BLUE, "cd")
    assert image_in_play(own, history) is own
    assert image_in_play(None, []) is None


def identify(
    model: ChatModel,
    *,
    candidates: Sequence[Candidate] = (ROSE, TULIP, DAISY),
    question: str = "How do I prune it?",
    is_known: bool = False,
    image: Picture | None = Picture(image=BLUE),  # noqa: B008 - frozen
    history: Sequence[Turn] = (),
) -> Identification | None:
    found = Found(
        hits=(),
        evidence=Evidence(confidence=1.0, reasons=()),
        searched=question,
        candidates=tuple(candidates),
        is_known=is_known,
    )
    wanted = want(
        question, image=image, history=history, replies=ShortReplies(FakeChatModel(), max_tokens=9)
    )
    return identify_picture(
        found,
        wanted,
        is_new=image is not None,
        history=history,
        replies=ShortReplies(model, max_tokens=200),
    )


def test_a_model_that_sees_chooses_among_the_candidates() -> None:
    model = FakeChatModel(["2"])

    chosen = identify(model)

    assert chosen == Identification(candidates=(ROSE, TULIP, DAISY), chosen=TULIP, by="model")
    picture, names = model.received[0][-1].parts
    assert isinstance(picture, ImagePart)
    assert picture.image is BLUE
    assert isinstance(names, TextPart)
    assert "1. rose\n2. tulip\n3. daisy\n0. none" in names.text


def test_a_long_list_is_cut_before_the_model_sees_it() -> None:
    many = [Candidate(name=f"flower {letter}", share=0.1) for letter in "abcdefghijkl"]

    chosen = identify(FakeChatModel(["1"]), candidates=many)

    assert chosen is not None
    assert len(chosen.candidates) == 8


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (ExtractiveChatModel(), None),
        (FakeChatModel(max_images=0), "fake sees no pictures."),
        (FakeChatModel(["a daffodil"]), "fake replied 'a daffodil', which is no choice."),
        (FakeChatModel([]), "The chat model failed: The chat model 'fake' has no reply left"),
    ],
)
def test_the_vote_decides_where_the_model_does_not(model: ChatModel, note: str | None) -> None:
    voted = identify(model)

    assert voted is not None
    assert (voted.by, voted.chosen) == ("vote", ROSE)
    assert (voted.note or "").startswith(note or "")
    assert (voted.note is None) == (note is None)


def test_a_candidate_without_votes_is_only_for_a_model_to_choose() -> None:
    voted = identify(ExtractiveChatModel(), candidates=[DAISY])
    chosen = identify(FakeChatModel(["1"]), candidates=[DAISY])

    assert voted is not None
    assert voted.chosen is None
    assert chosen is not None
    assert chosen.chosen == DAISY


def test_a_picture_of_the_library_needs_no_model() -> None:
    model = FakeChatModel([])

    known = identify(model, is_known=True)

    assert known is not None
    assert (known.by, known.chosen) == ("known", ROSE)
    assert model.received == []


def test_nothing_is_identified_without_picture_candidates_or_interest() -> None:
    model = FakeChatModel([])

    assert identify(model, image=None) is None
    assert identify(model, candidates=[]) is None
    assert identify(model, question="When do gardeners prune tulips in England?") is None


def test_what_an_earlier_turn_identified_is_kept() -> None:
    before = Identification(candidates=(TULIP,), chosen=TULIP, by="model")
    turn = Turn(question="", answer="A tulip.", image=RED, identification=before)

    assert identify(FakeChatModel([]), image=None, history=[turn, *DAHLIAS]) is before


def test_a_new_picture_is_identified_anew() -> None:
    before = Identification(candidates=(TULIP,), chosen=TULIP, by="model")
    turn = Turn(question="", answer="A tulip.", image=RED, identification=before)

    chosen = identify(FakeChatModel(["1"]), history=[turn])

    assert chosen is not None
    assert chosen.chosen == ROSE


@pytest.mark.parametrize(
    ("identification", "words"),
    [
        (None, None),
        (Identification(candidates=(ROSE,), chosen=None, by="model"), None),
        (Identification(candidates=(ROSE, TULIP), chosen=TULIP, by="model"), "tulip"),
        (Identification(candidates=(ROSE, TULIP), chosen=ROSE, by="known"), "rose"),
        (Identification(candidates=(ROSE, TULIP, DAISY), chosen=ROSE, by="vote"), "rose or tulip"),
    ],
)
def test_a_close_vote_is_told_with_all_its_names(
    identification: Identification | None, words: str | None
) -> None:
    assert describe_identity(identification) == words


# -- short replies --


class Failing(FakeChatModel):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def stream(self, messages: Sequence[Message], *, options: ChatOptions) -> Iterator[Delta]:
        self.received.append(tuple(messages))
        raise self._error


def test_a_model_out_of_reach_is_given_up() -> None:
    model = Failing(ChatTimeoutError("Nothing came."))
    replies = ShortReplies(model, max_tokens=200)

    assert replies.ask([], longest=9) is None
    assert replies.ask([], longest=9) is None
    assert replies.info() is None
    assert isinstance(replies.failure, ChatTimeoutError)
    assert len(model.received) == 1


@pytest.mark.parametrize("error", [ChatRejectedError("No."), UnsupportedInputError("No.")])
def test_a_model_that_refused_one_thing_is_asked_the_next(error: Exception) -> None:
    replies = ShortReplies(Failing(error), max_tokens=200)

    assert replies.ask([], longest=9) is None

    assert replies.failure is None
    assert replies.problem == "The chat model failed: No."
    assert replies.info() is not None


def test_a_reply_that_goes_on_and_on_is_cut_short_and_the_model_stopped() -> None:
    model = FakeChatModel(["one two three four five six seven"])
    replies = ShortReplies(model, max_tokens=200)

    assert replies.ask([], longest=9) == "one two three "
    assert model.open_streams == 0


def test_a_model_that_repeats_a_short_follow_up_is_not_believed_to_find_it_whole() -> None:
    searched = words("And in winter?", FakeChatModel(["And in winter?"]), history=DAHLIAS)

    assert searched == "How do I water dahlias? And in winter?"
    assert wants("How do I water it?", FakeChatModel(["How do I water it?"])).about_picture


@pytest.mark.parametrize(
    ("options", "settled"),
    [
        (AnswerOptions(), ChatOptions(max_tokens=300, temperature=0.2)),
        (AnswerOptions(max_tokens=20), ChatOptions(max_tokens=20, temperature=0.2)),
        (AnswerOptions(max_tokens=4000), ChatOptions(max_tokens=300, temperature=0.2)),
        (
            AnswerOptions(temperature=0.0, top_p=0.9, seed=5),
            ChatOptions(max_tokens=300, temperature=0.0, top_p=0.9, seed=5),
        ),
    ],
)
def test_a_question_differs_from_the_settings_within_them(
    options: AnswerOptions, settled: ChatOptions
) -> None:
    assert settle_options(options, ChatConfig(max_tokens=300, temperature=0.2)) == settled


@pytest.mark.parametrize(
    ("info", "max_tokens", "ignored"),
    [
        (FakeChatModel().info, 300, ()),
        (FakeChatModel().info, 301, ("max_tokens",)),
        (ExtractiveChatModel().info, 20, ("temperature", "top_p", "seed")),
        (None, 20, ("max_tokens", "temperature", "top_p", "seed", "stop")),
    ],
)
def test_options_without_effect_are_named(
    info: ChatModelInfo | None, max_tokens: int, ignored: tuple[str, ...]
) -> None:
    config = ChatConfig(max_tokens=300)
    options = AnswerOptions(max_tokens=max_tokens, temperature=0.1, top_p=0.5, seed=0, stop="end")

    assert without_effect(options, config=config, info=info) == ignored
    assert without_effect(AnswerOptions(), config=config, info=info) == ()


@pytest.mark.parametrize("temperature", [0.0, None])
def test_where_nothing_is_left_to_chance_its_options_have_no_effect(
    temperature: float | None,
) -> None:
    options = AnswerOptions(temperature=temperature, top_p=0.5, seed=0)
    info = FakeChatModel().info

    assert without_effect(options, config=ChatConfig(temperature=0.0), info=info) == (
        "top_p",
        "seed",
    )
