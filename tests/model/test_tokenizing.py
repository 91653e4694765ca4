"""Texts to tokens and back, and the tokens between the messages of conversations."""

import copy
import pickle

import pytest
from chat_layouts import LAYOUTS, save
from painted import Painted
from test_processor import TOKENISERS, make  # noqa: F401 - a fixture
from tokenizers import AddedToken

from frozenvl.model.chat_template import Special
from frozenvl.model.processor import Pixels, Processor
from frozenvl.model.tokenizing import first_text, last_text, special_tokens
from frozenvl.prompt import NO_IMAGE, Delimiter, Example, Learned, Sample, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import Template

RED, BLUE = Painted("red"), Painted("blue")
CHAT = Template(query="{image}{question}", target="{target}", chat=True)


@pytest.fixture
def processor(tiny_language):
    return Processor(str(tiny_language), 2, Pixels(64))


@pytest.fixture(scope="module")
def chats(tmp_path_factory):
    names = ("chatml", "llama2", "llama2_new", "llama3", "mistral", "phi3", "falcon", "qwen3")
    folders = {name: save(LAYOUTS[name], tmp_path_factory.mktemp(name)) for name in names}
    return {name: Processor(folder, 2, Pixels(8)) for name, folder in folders.items()}


@pytest.mark.parametrize("name", TOKENISERS)
def test_decode_gives_the_text_back(make, name):  # noqa: F811
    processor = make(name)
    text = "a large red circle to the left of two small blue stars"
    assert processor.decode([*processor.start, *processor.encode(text), processor.end]) == text


@pytest.mark.parametrize("name", ["query", "target", "separator", "induction"])
def test_a_template_that_spells_a_special_token_is_refused(processor, name):
    fields = {"query": "{image}", "target": " {target}", "separator": "\n", "induction": ""}
    template = Template(**fields | {name: fields[name] + "<end>"})
    with pytest.raises(
        UserError, match=rf"template\.{name} spells '<end>', a special token of .*leave it out"
    ):
        processor.check_template(template)
    processor.check_template(Template())


def test_a_special_token_that_no_attribute_names_is_one(processor):
    processor.tokenizer.add_tokens([AddedToken("<file>", special=True), AddedToken("<plain>")])
    assert special_tokens(processor.tokenizer) == ["<end>", "<file>"]
    with pytest.raises(UserError, match="spells '<file>', a special token"):
        processor.check_template(Template("{image}<file>"))
    processor.check_template(Template("{image}<plain>"))


def test_a_text_inside_a_prompt_has_no_space_in_front_where_only_the_first_has(chats):
    """As the tokeniser itself does it behind a special token."""
    for name, processor in chats.items():
        own = copy.deepcopy(processor.tokenizer)
        own.backend_tokenizer.encode_special_tokens = False
        own._tokenizer.encode_special_tokens = False
        end = processor.tokenizer.eos_token
        ids = own.backend_tokenizer.encode(f"{end}a large red circle", add_special_tokens=False).ids
        assert ids == [processor.end, *processor.encode("a large red circle", inside=True)], name
        first = processor.encode("a large red circle")
        assert (first == ids[1:]) == (LAYOUTS[name].spaces != "first")
        assert pickle.loads(pickle.dumps(processor)).encode("a", inside=True) == processor.encode("a", True)


def test_first_and_last_texts_of_prompts():
    special = Special(3)
    assert first_text(["a", Learned("b"), special, "c"]) == "ab" and first_text([special, "c"]) == ""
    assert last_text(["a", special, "b", Learned("c")]) == ("bc", True)
    assert last_text(["a", RED, "b"]) == ("b", False) and last_text(["a", special]) == ("", True)
    assert last_text([]) == ("", False) and last_text(["a"]) == ("a", False)


@pytest.mark.parametrize(
    "name", ["chatml", "llama2", "llama2_new", "llama3", "mistral", "phi3", "falcon", "qwen3"]
)
def test_a_conversation_can_be_split_at_its_turns_and_images(chats, name):
    """The rest of a prompt behind a prompt cache has the tokens that it has in the whole prompt."""
    processor = chats[name]
    turns = (
        Turn((RED, " what color is it? "), " red "),
        Turn(("Is it ", BLUE, " or a circle"), "a circle"),
        Turn(("How many are there?",), "3"),
    )
    prompt = CHAT.prompt(Example("1", RED, "1", turns=turns))
    whole = processor([prompt]).tokens[0].tolist()
    splits = 0
    for place in range(1, len(prompt)):
        lead, rest = processor([prompt[:place]]).tokens[0], processor([prompt[place:]], start=False)
        border = last_text(processor.worded(prompt[:place]))
        try:
            processor.check_split(border[0], rest.openings, border[1])
        except UserError:
            continue
        assert [*lead.tolist(), *rest.tokens[0].tolist()] == whole, place
        splits += 1
    assert splits > 5


@pytest.mark.parametrize("name", ["chatml", "mistral", "falcon"])
def test_candidates_are_replies_with_the_end_of_a_turn(chats, name):
    processor = chats[name]
    prompt = CHAT.prompt(Example("1", RED, "1", question="what color is the circle?"))
    reply, other = processor.candidates(prompt, ["a large red circle", "3"])
    assert reply[-1] == other[-1] == processor.chat.end
    trained = processor([Sample("1", prompt, "a large red circle")])
    assert [label for label in trained.labels[0].tolist() if label >= 0] == reply
    plain = processor.candidates((RED, "what color is the circle?"), [" red"])[0]
    assert plain[-1] == processor.end


def test_a_reply_that_is_cut_has_no_end_of_turn(chats):
    short = copy.copy(chats["chatml"])
    short.max_target_tokens = 3
    turns = (Turn(("what?",), "a large red circle to the left"), Turn(("what?",), "two small blue stars"))
    labels = [
        x for x in short([CHAT.sample(Example("1", NO_IMAGE, "1", turns=turns))]).labels[0].tolist() if x >= 0
    ]
    words = [short.encode(turn.reply)[:3] for turn in turns]
    assert labels == words[0] + words[1] and short.chat.end not in labels


def test_a_plain_conversation_has_end_tokens(make):  # noqa: F811
    processor = make()
    template = Template(query="{question}\nAnswer:", target=" {target}")
    turns = (Turn(("what color?",), "red"), Turn(("How many?",), "3"))
    batch = processor([template.sample(Example("1", NO_IMAGE, "1", turns=turns))])
    learned = [label for label in batch.labels[0].tolist() if label >= 0]
    assert learned == [*processor.encode(" red"), processor.end, *processor.encode(" 3"), processor.end]
    assert batch.tokens[0].tolist().count(processor.end) == 1


def test_a_template_that_chats_needs_a_chat_template(processor, chats):
    with pytest.raises(UserError, match=r"has no chat template; leave template\.chat out"):
        processor.check_template(CHAT)
    chats["chatml"].check_template(CHAT)
    with pytest.raises(UserError, match="has no chat template"):
        processor([(Delimiter("opening"), "what?")])
