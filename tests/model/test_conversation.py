"""Conversations: replies equal those of whole prompts, and a turn reads only what is new."""

from __future__ import annotations

import pytest
import torch
from architectures import ALL, FP32_INSIDE
from painted import Painted

from frozenvl.model.conversation import Conversation
from frozenvl.model.fusion import Add, CrossAttention, LayerPrefix, Multiply
from frozenvl.model.tuning import LoRA, PrefixTuning, PromptTuning
from frozenvl.prompt import NO_IMAGE, BlackImage, Example, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import VQA, Template

RED, BLUE = Painted("red"), Painted("blue", (32, 32))
PLAIN = Template(query="{image}Q: {question} A:", target=" {target}")
SHORT_CHAT = (
    "{% for m in messages %}{{ m.role[0] + ': ' + m.content + '<end>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}"
)
TURNS = [
    (RED, "what color is the circle?"),
    ("Is it large?",),
    ("and how many squares are there in", BLUE, "this one?"),
    ("How many?",),
]


@pytest.fixture(scope="module")
def talk(build, processor_of):
    """Function that returns a conversation with a model of some kind, in fp64 where it computes so."""

    def begin(kind="llama", template=PLAIN, tuning=None, fusion=None, tokens=7, **options):
        model = build(kind, tuning=tuning, fusion=fusion)
        if kind not in FP32_INSIDE | {"phimoe"}:
            model.double()
        for name, weight in model.named_parameters():
            if "gate" in name:
                torch.nn.init.constant_(weight, 0.5)  # closed gates would hide the images
        processor = processor_of(model)
        if template.chat:
            processor.tokenizer.chat_template = SHORT_CHAT
        return Conversation(model.eval(), processor, template, max_new_tokens=tokens, **options)

    return begin


def replies_of_whole_prompts(conversation, turns):
    """Returns the reply to each message, each time with the whole conversation read anew."""
    model, processor, template = conversation.model, conversation._processor, conversation.template
    replies, history = [], ()
    for message in turns:
        prompt = template.prompt(
            Example("", NO_IMAGE, "", turns=(*history, Turn(message, ""))), conversation.shots
        )
        batch = processor([prompt])
        text = model.generate(batch, processor, conversation.max_new_tokens, template.stops)[0]
        replies.append(template.answer(text))
        history = (*history, Turn(message, replies[-1]))
    return replies


@pytest.fixture
def counted(monkeypatch):
    """Function that counts the positions that pass through the body of a conversation's language model."""

    def count(conversation):
        read, body = [], conversation.model.language.model.base_model
        forward = body.forward

        def counting(**inputs):
            read.append(inputs["inputs_embeds"].shape[1])
            return forward(**inputs)

        monkeypatch.setattr(body, "forward", counting)
        return read

    return count


CASES = {
    **{kind: {"kind": kind} for kind in ALL},
    "chat": {"template": Template(query="{image}{question}", chat=True)},
    "prompt tuning": {"tuning": lambda: PromptTuning(3)},
    "prefix tuning": {"tuning": lambda: PrefixTuning(3)},
    "lora": {"tuning": lambda: LoRA(2)},
    "cross-attention": {"fusion": lambda: CrossAttention()},
    "cross-attention of mamba": {"kind": "mamba", "fusion": lambda: CrossAttention()},
    "layer prefix": {"fusion": lambda: LayerPrefix()},
    "add": {"fusion": lambda: Add()},
    "multiply": {"fusion": lambda: Multiply()},
    "layer prefix behind a soft prompt": {"fusion": lambda: LayerPrefix(), "tuning": lambda: PromptTuning(3)},
}


def settings(case):
    return {key: value() if callable(value) else value for key, value in CASES[case].items()}


@pytest.mark.parametrize("case", CASES)
def test_replies_are_those_after_reading_the_whole_conversation(talk, case):
    conversation = talk(**settings(case))
    replies = [conversation.say(*message) for message in TURNS]
    assert replies == replies_of_whole_prompts(conversation, TURNS)
    assert len(set(replies)) > 1 and [turn.reply for turn in conversation.turns] == replies


def scripted(conversation, replies):
    """Lets the model say these replies, whatever it reads."""
    processor, language = conversation._processor, conversation.model.language
    script = [token for text in replies for token in [*processor.encode(" " + text), processor.end]]
    size = language.model.config.vocab_size

    def head(hidden):
        return torch.nn.functional.one_hot(torch.tensor([script.pop(0)]), size).double()

    language.head = head


@pytest.mark.parametrize("case", CASES)
def test_a_turn_reads_only_what_is_new(talk, counted, case):
    conversation = talk(**settings(case), tokens=9)
    scripted(conversation, ["a large red circle", "yes", "two small blue stars", "3"])
    language, before = conversation.model.language, 0
    soft = language.soft_prompt.length if language.soft_prompt and not language.soft_prompt.in_cache else 0
    read = counted(conversation)
    for number, message in enumerate(TURNS):
        del read[:]
        conversation.say(*message)
        turns = (*conversation.turns[:-1], Turn(message, ""))
        prompt = conversation.template.prompt(Example("", NO_IMAGE, "", turns=turns))
        length = int(conversation._processor([prompt]).lengths[0])
        generated = len(conversation._cache) - length
        assert generated == len(conversation._processor.encode(" " + conversation.turns[-1].reply))
        assert sum(read) - generated == length - before + (0 if number else soft)
        before = len(conversation._cache)
    assert [turn.reply for turn in conversation.turns][2] == "two small blue stars"
    assert sum(read) < length / 2


@pytest.mark.parametrize(
    "case", ["llama", "gemma3", "mamba", "prefix tuning", "prompt tuning", "cross-attention"]
)
def test_undo_and_other_demonstrations_change_what_follows_as_if_read_anew(talk, counted, case):
    conversation = talk(**settings(case))
    for message in TURNS[:3]:
        conversation.say(*message)
    assert conversation.undo().message == TURNS[2] and len(conversation.turns) == 2
    read = counted(conversation)
    other = [*TURNS[:2], ("Is it a circle?",)]
    assert conversation.say(*other[2]) == replies_of_whole_prompts(conversation, other)[2]
    assert read[0] < 25 or case == "mamba", "the turns before stay read"
    conversation.undo(), conversation.undo()
    assert conversation.say(*TURNS[1]) == replies_of_whole_prompts(conversation, TURNS[:2])[1]
    conversation.shots = (Example("2", BLUE, "2", question="How many?", answer="3"),)
    assert conversation.say("really?") == Conversation.say(again(conversation), "really?")
    conversation.undo(), conversation.undo(), conversation.undo()
    with pytest.raises(UserError, match="there is no turn to undo"):
        conversation.undo()


def again(conversation):
    """Returns a conversation with the turns before the last, of which nothing was read yet."""
    made = Conversation(
        conversation.model, conversation._processor, conversation.template,
        shots=conversation.shots, max_new_tokens=conversation.max_new_tokens,
    )  # fmt: skip
    made.turns = conversation.turns[:-1]
    return made


def test_pieces_are_whole_words_and_make_the_reply(talk):
    conversation = talk(tokens=20)
    text = "yes, a large red circle in an entry way"
    scripted(conversation, [text])
    pieces = list(conversation.stream(RED, "what?"))
    assert "".join(pieces) == text == conversation.turns[0].reply and conversation.ended
    assert pieces == ["yes,", " a", " large", " red", " circle", " in", " an", " entry", " way"]


def test_a_caller_that_stops_keeps_what_was_said(talk):
    conversation = talk(tokens=20)
    scripted(conversation, ["yes, a large red circle", "no"])
    pieces = conversation.stream(RED, "what?")
    assert [next(pieces), next(pieces)] == ["yes,", " a"]
    pieces.close()
    assert conversation.turns[0].reply == "yes, a" and not conversation.ended
    silent = conversation.stream("nothing was shown of this")
    silent.close()
    assert len(conversation.turns) == 1


@pytest.mark.parametrize("case", ["llama", "mamba", "prefix tuning"])
def test_an_interruption_inside_a_pass_does_no_harm(talk, case, monkeypatch):
    """Half of the layers have read a position then, the others not."""
    conversation = talk(**settings(case))
    conversation.say(*TURNS[0])
    layer = conversation.model.language.layers[1]
    calls = []

    def interrupt(*_):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    handle = layer.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(conversation.stream(*TURNS[1]))
    handle.remove()
    while len(conversation.turns) > 1:
        conversation.undo()
    assert conversation.say(*TURNS[1]) == replies_of_whole_prompts(conversation, TURNS[:2])[1]


def test_a_full_context_is_one_line_and_loses_nothing(talk):
    conversation = talk(tokens=30)
    with pytest.raises(
        UserError, match=r"the conversation is full: .* has \d+ positions, .* only 128; undo"
    ) as caught:
        for _ in range(20):
            conversation.say(RED, "what color is the circle?")
    assert "\n" not in str(caught.value)
    turns = conversation.turns
    assert 1 < len(turns) < 20
    conversation.undo()
    conversation.say("ok?")
    assert conversation.turns[:-1] == turns[:-1]


def test_replies_end_where_the_context_does(talk):
    """The last reply may be shorter than the limit."""
    conversation = talk(tokens=1000)
    scripted(conversation, ["a red circle " * 200])
    conversation.say(RED, "what color is the circle?")
    assert not conversation.ended and len(conversation._cache) == 127, "the last token is not read"


def test_an_image_is_read_once_and_encoded_once(talk, monkeypatch):
    conversation = talk(tokens=3)
    image, encoded = Painted("red"), []
    encode = conversation.model.vision.forward
    monkeypatch.setattr(conversation.model.vision, "forward", lambda x: encoded.append(len(x)) or encode(x))
    conversation.say(image, "what?")
    conversation.say("and?")
    conversation.undo()
    conversation.say(image, "this?")
    assert image.reads == 1 and len(encoded) == 1


def test_messages_and_templates_that_do_not_suit(talk, tmp_path):
    conversation = talk()
    with pytest.raises(UserError, match="the message is empty"):
        conversation.say("")
    with pytest.raises(UserError, match=r"none\.png: no such image"):
        conversation.say(tmp_path / "none.png", "what?")
    assert conversation.turns == ()
    with pytest.raises(UserError, match="has no chat template"):
        Conversation(conversation.model, talk()._processor, Template(query="{image}{question}", chat=True))
    BlackImage(8).read().save(tmp_path / "black.png")
    first = conversation.say(tmp_path / "black.png", "what?")
    assert first == again(conversation).say(BlackImage(8), "what?")


@pytest.mark.parametrize("template", [PLAIN, Template(query="{image}{question}", chat=True)])
def test_a_system_message_stands_in_front(talk, template):
    conversation = talk(template=template, system="Say what you see.")
    conversation.say("what?")
    first = Example("", NO_IMAGE, "", turns=(Turn(("what?",), ""),))
    worded = conversation._processor.worded(conversation.template.prompt(first))
    text = "".join(part if isinstance(part, str) else "|" for part in worded)
    assert text in ("s: Say what you see.|u: what?|a:", "Say what you see.\nQ: what? A:")


def test_the_model_chooses_the_wording(build, processor_of):
    model = build()
    model.eval()
    assert model.chat().template == VQA and model.chat(system="Hm.").template.induction == "Hm.\n"
    model.template = PLAIN
    assert model.chat(max_new_tokens=3).template == PLAIN
    processor = processor_of(model)
    processor.tokenizer.chat_template = SHORT_CHAT
    model.template = None
    conversation = model.chat(processor, max_new_tokens=4)
    assert conversation.template.chat and isinstance(conversation.say(RED, "what?"), str)


def test_a_question_gets_the_answer_that_it_gets_alone(talk):
    """One turn is the prompt of visual question answering, with its demonstrations."""
    shots = (Example("2", BLUE, "2", question="How many?", answer="3"),)
    conversation = talk(shots=shots)
    prompt = PLAIN.prompt(Example("1", RED, "1", question="what?"), shots)
    processor = conversation._processor
    alone = conversation.model.generate(processor([prompt]), processor, 7, PLAIN.stops)[0]
    assert conversation.say(RED, "what?") == PLAIN.answer(alone)
