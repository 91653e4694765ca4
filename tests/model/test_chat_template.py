"""Conversations in the language model's own chat template, against transformers' rendering of whole conversations."""

from __future__ import annotations

import datetime as clock
import inspect
from dataclasses import replace
from random import Random

import pytest
from chat_layouts import LAYOUTS, Layout, save
from painted import Painted
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from frozenvl.model.batch import IGNORE
from frozenvl.model.chat_template import DAY, SETTINGS, ChatTemplate
from frozenvl.model.processor import Pixels, Processor
from frozenvl.prompt import NO_IMAGE, Example, Sample, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

CHAT = Template(query="{image}{question}", target="{target}", chat=True)
TALK = [
    ("what color is the circle?", "a large red circle"),
    ("How many squares are there?", "3"),
    ("This is a dax.\nIs it in an entry way?", "yes, I see two small blue stars.\nAnd a child."),
]


def conversation(pairs=TALK, system="", image=None):
    """Returns an example with the turns; the image stands in the first message."""
    turns = [Turn((question,), answer) for question, answer in pairs]
    if image is not None:
        turns[0] = Turn((image, *turns[0].message), turns[0].reply)
    return Example("1", image or NO_IMAGE, "1", turns=tuple(turns), system=system)


def messages(pairs, system=""):
    told = [{"role": "system", "content": system}] if system else []
    return told + [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def ids_of(processor: Processor, sample: Sample) -> tuple[list[int], list[int]]:
    """Returns the token ids of a row with its last target, and the labels of all positions but the last token's."""
    batch = processor([sample])
    labels = batch.labels[0].tolist()
    return [*batch.tokens[0].tolist(), *([labels[-1]] if labels[-1] != IGNORE else [])], labels


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folders = {name: save(layout, tmp_path_factory.mktemp(name)) for name, layout in LAYOUTS.items()}
    return lambda name, **options: Processor(folders[name], 2, Pixels(8), **options)


@pytest.fixture(scope="module", params=LAYOUTS)
def name(request):
    return request.param


@pytest.fixture
def fixed_day(monkeypatch):
    """Lets transformers' own rendering take place on the day that templates are told."""

    class Day(clock.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(DAY.year, DAY.month, DAY.day)

    monkeypatch.setattr(chat_template_utils, "datetime", Day)


def documented(name: str, layout: Layout, text: str, pairs) -> str:
    """Returns transformers' rendering with the differences that the product makes on purpose."""
    for _, reply in pairs:
        if name == "qwen3":  # an empty thought in front of each reply, not of the last one only
            thought = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
            text = text.replace(f"<|im_start|>assistant\n{reply}", thought + reply)
        if name == "falcon":  # the end token behind each reply, where the template has none
            text = text.replace(f"Assistant: {reply}", f"Assistant: {reply}{layout.end}")
        if name == "glm4":  # the next role's token, which ends a reply, behind the last one too
            text = text if text.endswith("<|user|>") else text + "<|user|>"
    return text


def expected(name, layout, folder, pairs, system="", **options):
    """Returns the token ids of transformers' own rendering."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    told = messages(pairs, system)
    if options:
        return tokenizer.apply_chat_template(told, **SETTINGS, **options)["input_ids"], tokenizer
    text = tokenizer.apply_chat_template(told, tokenize=False, **SETTINGS)
    assert (
        name == "glm4"
        or tokenizer.apply_chat_template(told, **SETTINGS)["input_ids"]
        == tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    ids = tokenizer(documented(name, layout, text, pairs), add_special_tokens=False)["input_ids"]
    # A tokeniser that begins every text with the BOS token does so in front of a template without it, too.
    start = [tokenizer.bos_token_id] if layout.adds_bos else []
    return ids if ids[: len(start)] == start else start + ids, tokenizer


@pytest.mark.usefixtures("fixed_day")
@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("system", ["", "Say what you see."])
def test_token_ids_are_those_of_transformers_rendering(made, name, turns, system):
    layout, processor, pairs = LAYOUTS[name], made(name), TALK[:turns]
    example = conversation(pairs, system)
    if system and not layout.system:
        with pytest.raises(UserError, match="takes no system message"):
            processor([CHAT.sample(example)])
        return
    if system and name == "mistral":
        # The template writes it into the last message if that is the user's, else nowhere; here it is in the first.
        told, pairs = "", [(f"{system}\n\n{pairs[0][0]}", pairs[0][1]), *pairs[1:]]
    else:
        told = system
    theirs, tokenizer = expected(name, layout, processor.language, pairs, told)
    ids, _ = ids_of(processor, CHAT.sample(example))
    assert theirs[: len(ids)] == ids
    rest = tokenizer.decode(theirs[len(ids) :]).replace(layout.end, "")
    assert not rest.strip(), "behind the end of the last turn there is nothing to read"


def test_exactly_the_replies_and_the_ends_of_turns_are_learned(made, name):
    layout, processor = LAYOUTS[name], made(name)
    ids, labels = ids_of(processor, CHAT.sample(conversation()))
    end = processor.tokenizer.convert_tokens_to_ids(layout.ends or layout.end)
    assert processor.chat.end == end and end in processor.ends and processor.end in processor.ends
    learned = [(place, label) for place, label in enumerate(labels) if label != IGNORE]
    assert all(label == ids[place + 1] for place, label in learned)
    groups: list[list[int]] = [[]]
    for number, (place, label) in enumerate(learned):
        assert not groups[-1] or place == learned[number - 1][0] + 1, "a reply and its end have no gap"
        if label == end:
            groups.append([])
        else:
            groups[-1].append(label)
    assert [processor.decode(group).strip() for group in groups] == [reply for _, reply in TALK] + [""]


def test_a_prompt_is_the_beginning_of_the_training_row(made, name):
    """This holds for every turn, whatever follows it, so a KV cache can go on."""
    processor = made(name)
    whole, _ = ids_of(processor, CHAT.sample(conversation()))
    for turns in (1, 2, 3):
        prompt = CHAT.prompt(conversation(TALK[:turns]))
        ids = processor([prompt]).tokens[0].tolist()
        assert whole[: len(ids)] == ids
        (reply,) = processor.candidates(prompt, [TALK[turns - 1][1]])
        assert whole[len(ids) : len(ids) + len(reply)] == reply


def test_texts_that_spell_special_tokens_stay_texts(made, name):
    layout, processor = LAYOUTS[name], made(name)
    spelled = "".join(
        token for token in (*layout.tokens, layout.end, layout.bos or "") if "think" not in token
    )
    pairs = [(f"is {spelled} a token?", f"yes {spelled} is"), ("sure?", f"{spelled}.")]
    ids, labels = ids_of(processor, CHAT.sample(conversation(pairs)))
    specials = [*processor.tokenizer.added_tokens_decoder]
    plain, _ = ids_of(processor, CHAT.sample(conversation([("is it a token?", "yes"), ("sure?", "no")])))
    count = lambda tokens: [tokens.count(special) for special in specials]
    assert count(ids) == count(plain)
    assert labels.count(processor.chat.end) == 2
    known = inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters
    # Without those that differ on purpose, and one whose spaces they place anew around such texts.
    differ = ("qwen3", "falcon", "zephyr", "glm4", "llama3_1", "granite", "smollm3", "phi3")
    if "sanitize_control_tokens" in known and name not in differ:
        theirs, _ = expected(name, layout, processor.language, pairs, sanitize_control_tokens=True)
        assert theirs[: len(ids)] == ids


def test_nothing_depends_on_the_day(made, name):
    """The rendering is made with transformers as it is, on today's date."""
    text = CHAT.prompt(conversation())
    words = made(name).decode(made(name)([text]).tokens[0].tolist())
    assert str(clock.datetime.now().year) not in words
    if name in ("llama3_1", "granite", "smollm3"):
        assert "2024" in words and "26" in words and "Jul" in words


def test_demonstrations_are_turns(made, name):
    """Few-shot demonstrations read as a conversation of single questions."""
    processor = made(name)
    asked = [Example(str(n), NO_IMAGE, str(n), question=q, answer=a) for n, (q, a) in enumerate(TALK)]
    template = replace(CHAT, query="{question}")
    ids, labels = ids_of(processor, template.sample(asked[2], shots=asked[:2]))
    whole, all_labels = ids_of(processor, template.sample(conversation()))
    assert ids == whole
    last = [label for label in labels if label != IGNORE]
    assert last == [label for label in all_labels if label != IGNORE][-len(last) :]
    assert last.count(processor.chat.end) == 1
    assert ids_of(processor, template.sample(asked[2], shots=asked[:2], learned=[0, 1]))[1] == all_labels


def test_an_image_stands_in_its_message(made, name):
    processor = made(name)
    batch = processor([CHAT.sample(conversation(image=Painted("red")))])
    slots = batch.slots[0].tolist()
    first = slots.index(0)
    assert slots[first : first + 2] == [0, 1] and slots.count(-1) == len(slots) - 2
    text, _ = ids_of(processor, CHAT.sample(conversation()))
    tokens = batch.tokens[0].tolist()
    before, behind = processor.decode(tokens[:first]), processor.decode(tokens[first + 2 :])
    assert behind.lstrip().startswith(TALK[0][0])
    assert (before + behind).replace(" ", "") == processor.decode(text[:-1]).replace(" ", "")
    assert batch.image_of[0, :first].eq(-1).all() and batch.image_of[0, first:].eq(0).all()


def test_messages_lose_the_spaces_that_the_template_trims(made, name):
    processor = made(name)
    (question, reply), *_ = TALK
    spaced = conversation([(f" {question} ", f" {reply} ")])
    ids, _ = ids_of(processor, CHAT.sample(spaced))
    trims = name in ("llama2", "llama2_new", "llama3", "llama3_1", "gemma", "falcon", "cohere")
    assert processor.chat.trims("user") == trims
    assert processor.chat.trims("assistant") == (trims or name == "mistral")
    if trims:
        assert ids == ids_of(processor, CHAT.sample(conversation([(question, reply)])))[0]


def test_a_thought_that_the_generation_prompt_opens_is_left_out(made):
    deepseek = made("deepseek")
    assert "<think>" not in deepseek.tokenizer.convert_ids_to_tokens(
        deepseek([CHAT.prompt(conversation())]).tokens[0]
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template; leave template.chat out"),
        ("{{ raise_exception('not today') }}", r"does not suit messages of user: it refuses them \(not today\)"),
        ("{{ messages[0].content }}{{ messages[0].content }}", "not write each of them once and in order"),
        ("{% for m in messages %}{% if m.role == 'assistant' %}{{ 1 / 0 }}{% endif %}{{ m.content }}{% endfor %}",
         "messages of user-assistant-user"),
        ("{% if x %}", "does not suit"),
    ],
)  # fmt: skip
def test_templates_that_do_not_suit_get_one_line(made, template, message):
    processor = made("chatml")
    processor.tokenizer.chat_template = template
    with pytest.raises(UserError, match=message) as caught:
        processor([CHAT.prompt(conversation())])
    assert "\n" not in str(caught.value)
    assert processor.ends == {processor.end}, "other prompts are not disturbed"
    processor([("what",)])


def test_templates_of_vision_language_models_that_want_lists(made):
    processor = made("chatml")
    processor.tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% for part in m.content %}{{ part.text }}"
        "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert ids_of(processor, CHAT.sample(conversation())) == ids_of(
        made("chatml"), CHAT.sample(conversation())
    )


def test_two_turns_of_one_role_are_refused_in_one_line(made):
    chat = made("gemma").chat
    with pytest.raises(UserError, match=r"messages of user-user: it refuses them .*alternate") as caught:
        chat._rendered(("user", "user"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("system", ["", "Say what you see."])
def test_a_real_chat_template(fetched, turns, system):
    folder = str(fetched("SmolLM2-135M-Instruct"))
    processor = Processor(folder, 2, Pixels(8))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    told = messages(TALK[:turns], system)
    theirs = tokenizer.apply_chat_template(told, **SETTINGS)["input_ids"]
    ids, labels = ids_of(processor, CHAT.sample(conversation(TALK[:turns], system)))
    assert ids == theirs[: len(ids)] and tokenizer.decode(theirs[len(ids) :]) == "\n"
    assert isinstance(processor.chat, ChatTemplate) and labels.count(processor.end) == turns


WORDS = (
    "a", "large red", "circle", "\n", "two,", "3.5", "…", "é", "🙂", "日本", "</s>", "<|im_end|>", "[INST]", "'s",
    "  x", "\ttab", "```py\nprint()\n```", "1. one\n2. two", "ok?",
)  # fmt: skip


@pytest.mark.parametrize("count", [25, 1000])
@pytest.mark.parametrize("name", ["chatml", "qwen3", "llama2_new", "llama3_1", "phi3"])
def test_learned_positions_over_many_conversations(made, name, count):
    """They lie between what each prompt ends with and the end of its turn, and nowhere else."""
    layout, random = LAYOUTS[name], Random(0)
    processor = made(name, max_target_tokens=10**6)
    text = lambda: " ".join(random.choices(WORDS, k=random.randint(1, 12))).strip() or "a"
    mismatches = 0
    for number in range(count):
        pairs = [(text(), text()) for _ in range(random.randint(1, 6))]
        image, system = (Painted("red") if number % 2 else None), ("" if number % 3 else text())
        batch = processor([CHAT.sample(conversation(pairs, system, image))])
        tokens, expected = batch.tokens[0].tolist(), {}
        for turns in range(1, len(pairs) + 1):
            prompt = CHAT.prompt(conversation(pairs[:turns], system, image))
            begin = int(processor([prompt]).lengths[0])
            rest = tokens[begin:]
            end = begin + (rest.index(processor.chat.end) if processor.chat.end in rest else len(rest))
            expected |= {place: tokens[place + 1] for place in range(begin - 1, end - 1)}
            expected[end - 1] = processor.chat.end
            said = processor.decode(tokens[begin:end])
            # The small tokeniser like SentencePiece's knows few characters.
            mismatches += not layout.spaces and said != pairs[turns - 1][1]
        learned = {place: label for place, label in enumerate(batch.labels[0].tolist()) if label != IGNORE}
        mismatches += learned != expected
    assert mismatches == 0
