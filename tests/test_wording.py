"""Templates and named wordings of tasks."""

import pytest

from frozenvl.prompt import BlackImage, Delimiter, Example, Learned, Sample, Turn
from frozenvl.util.errors import UserError
from frozenvl.wording import LABEL_TEMPLATES, VQA, Template, label_text

ONE, TWO, THREE = (BlackImage(size, str(size)) for size in (1, 2, 3))


def asked(image, question="What?", answer="red"):
    return Example(image.name, image, image.name, (answer,), question, answer)


def captioned(image, *captions):
    return Example(image.name, image, image.name, captions)


def test_caption():
    sample = Template().sample(captioned(ONE, "a dog", "a cat"), target=1)
    assert sample == Sample("1#1", (ONE,), "a cat")


def test_question():
    assert VQA.sample(asked(ONE)) == Sample("1#0", (ONE, "Question: What? Answer:"), " red")


def test_few_shots_are_complete_and_neighbouring_texts_are_joined():
    template = Template(VQA.query, VQA.target, separator="\n", induction="Answer in one word.\n")
    assert template.prompt(asked(ONE, "How many?"), [asked(TWO, answer="two"), asked(THREE)]) == (
        "Answer in one word.\n",
        TWO,
        "Question: What? Answer: two\n",
        THREE,
        "Question: What? Answer: red\n",
        ONE,
        "Question: How many? Answer:",
    )


def test_answers_that_are_learned_stand_apart_in_the_same_text():
    shots = [asked(TWO, answer="two"), asked(THREE)]
    sample = VQA.sample(asked(ONE), shots=shots, learned=[1])
    assert [type(part) for part in sample.prompt] == [
        BlackImage,
        str,
        BlackImage,
        str,
        Learned,
        str,
        BlackImage,
        str,
    ]
    assert sample.prompt[3:6] == ("Question: What? Answer:", " red", "\n")
    assert sample.prompt[:2] == (TWO, "Question: What? Answer: two\n") and sample.target == " red"
    bare = Template("{question}").sample(asked(ONE, "Q"), shots=shots, learned=[0, 1])
    assert "".join(bare.prompt) == "".join(Template("{question}").prompt(asked(ONE, "Q"), shots))
    assert [part for part in bare.prompt if isinstance(part, Learned)] == ["two", "red"]


def test_the_template_sets_the_place_of_the_image():
    template = Template(query="Q: {question} {image} A {{x}}:", induction="Look. ")
    assert template.prompt(asked(ONE), [asked(TWO)]) == (
        "Look. Q: What? ",
        TWO,
        " A {x}:red\nLook. Q: What? ".replace("Look. ", ""),
        ONE,
        " A {x}:",
    )


def test_shots_of_captions_show_the_first():
    assert Template().prompt(captioned(ONE, "x"), [captioned(TWO, "a {dog}", "y")]) == (TWO, "a {dog}\n", ONE)


@pytest.mark.parametrize(
    ("generated", "answer"),
    [
        (" red\nblue", "red"),
        (" red Question: x\n", "red"),
        (" red ", "red"),
        ("\n red", ""),
        ("", ""),
    ],
)
def test_answer_ends_at_the_first_marker(generated, answer):
    assert VQA.answer(generated) == answer


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": "{image}{quesiton}"}, r"template.query: unknown field \{quesiton\}.*image.*question"),
        ({"query": "{}"}, r"unknown field \{\}"),
        ({"query": "{image.name}"}, r"unknown field \{image.name\}"),
        ({"query": "{image"}, "template.query: expected '}'"),
        ({"target": "{answer}"}, r"template.target: unknown field \{answer\}"),
        ({"target": "{target:{width}}"}, r"unknown field \{target:\{width\}\}"),
        ({"target": "{target!x}"}, r"unknown field \{target!x\}"),
        ({"target": "none"}, r"must contain \{target\}"),
        ({"target": "{{target}}"}, r"must contain \{target\}"),
        ({"stop": ("\n", "")}, "template.stop"),
    ],
)
def test_bad_templates(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        Template(**fields)
    assert "\n" not in str(caught.value)


def test_labels_are_worded_so_that_what_stands_before_is_a_prompt():
    assert label_text("a photo of the {label}.", "dog") == ("a photo of the", " dog.")
    assert label_text("{label}", "red fox") == ("", "red fox")
    assert label_text("“{label}” {{x}}", "dog") == ("“", "dog” {x}")
    for templates in LABEL_TEMPLATES.values():
        assert all("".join(label_text(template, "dog")).count("dog") == 1 for template in templates)


@pytest.mark.parametrize(
    "template",
    ["a photo", "{label} {label}", "{labels}", "{}", "{label!r}", "{label:>9}", "{label", "{{label}}"],
)
def test_bad_label_templates(template):
    with pytest.raises(UserError, match=r"^templates: .*"):
        label_text(template, "dog")


def test_the_system_message_of_a_conversation_stands_in_front():
    talk = Example("1", ONE, "1", turns=(Turn((ONE, "What?"), "a bus"),), system="Be kind.")
    plain = Template("{image}Q: {question} A:", " {target}", induction="Answer. ")
    assert plain.prompt(talk) == ("Answer. Be kind.\n", ONE, "Q: What? A:")
    chat = Template(chat=True, induction="Answer.").prompt(talk)
    assert chat == (Delimiter("opening", "Answer.\nBe kind."), ONE, "What?", Delimiter("reply"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ((ONE, TWO, "\nWhat?"), (ONE, TWO, "Q: What?")),
        (("What?\n", ONE, TWO), (ONE, TWO, "Q: What?")),
        ((ONE, "What?", TWO, THREE), (ONE, TWO, THREE, "Q: What?")),
        (("From ", ONE, " to ", TWO, "?"), ("Q: From ", ONE, " to ", TWO, "?")),
        ((ONE, TWO), (ONE, TWO, "Q: ")),
        (("What?",), ("Q: What?",)),
    ],
)
def test_images_of_a_message_keep_their_order(message, expected):
    example = Example("1", ONE, "1", turns=(Turn(message, "a bus"),))
    assert Template("{image}Q: {question}").prompt(example) == expected
