"""Requests for captions in LLaVA's layout."""

from __future__ import annotations

import pytest

from frozenvl.data.sources.llava_turns import asks_for_caption


def asks(*texts) -> bool:
    messages = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    return asks_for_caption([{"id": "1", "image": "1.jpg", "conversations": messages}])


@pytest.mark.parametrize(
    "request_",
    [
        "Describe the image concisely.",
        "Provide a brief description of the given image.",
        "Offer a succinct explanation of the picture presented.",
        "Summarize the visual content of the image.",
        "Give a short and clear explanation of the subsequent image.",
        "Share a concise interpretation of the image provided.",
        "Present a compact description of the photo's key features.",
        "Relay a brief, clear account of the picture shown.",
        "Render a clear and concise summary of the photo.",
        "Write a terse but informative summary of the picture.",
        "Create a compact narrative representing the image presented.",
        "What is this?",
        "What is in the photo?",
        "What do you see happening in this image?",
        "What do you think is going on in this snapshot?",
        "Can you elaborate on the elements of the picture provided?",
        "Analyze the image in a comprehensive and detailed manner.",
        "What are the key elements in this picture?",
    ],
)
def test_published_requests_for_a_caption(request_):
    assert asks(f"<image>\n{request_}", "a dog") and asks(f"{request_}\n<image>", "a dog")


@pytest.mark.parametrize(
    "question",
    [
        "What are the colors of the bus in the image?",
        "Who is the author of this book?\nAnswer the question using a single word or phrase.",
        "What is this man holding?",
        None,
    ],
    ids=["colour", "author", "man", "null"],
)
def test_other_questions_ask_for_no_caption(question):
    assert not asks(question, "white")


def test_several_turns_are_no_caption():
    assert not asks("Describe it.", "a dog", "Where?", "outside")
    assert not asks("Describe it.")


@pytest.mark.parametrize(
    "content", [None, [], "text", [{"conversations": None}], [{"conversations": ["a", "b"]}]]
)
def test_other_content_asks_for_no_caption(content):
    assert not asks_for_caption(content)
