import pickle

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tiny
import torch
from painted import Painted
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from frozenvl.model.batch import IGNORE
from frozenvl.model.processor import Pixels, Processor
from frozenvl.prompt import BlackImage, Example, ImageFile, Learned, Marker, Sample, black
from frozenvl.util.errors import UnreadableImage, UserError
from frozenvl.video import Video
from frozenvl.wording import VQA, Template


def byte_level(folder):
    tiny.tokenizer(folder)


def metaspace(folder, scheme="always"):
    """Saves a tokeniser like SentencePiece's: spaces are characters, and one is added before every text."""
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    core.decoder = decoders.Metaspace(prepend_scheme=scheme)
    core.train_from_iterator(
        tiny.SENTENCES, trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"])
    )
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    words = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    words.save_pretrained(folder)


def byte_level_with_start(folder):
    core = tiny.tokenizer(folder).backend_tokenizer
    core.add_special_tokens(["<s>"])
    start = core.token_to_id("<s>")
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
    words = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="<end>", pad_token="<end>"
    )
    words.save_pretrained(folder)


def like_gpt2(folder):
    """Saves a tokeniser like GPT-2's: no pad token, and a BOS token that equals the end token and is not added."""
    core = tiny.tokenizer(folder).backend_tokenizer
    words = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<end>", eos_token="<end>")
    assert words.pad_token_id is None
    words.save_pretrained(folder)


TOKENISERS = {
    "byte_level": byte_level,
    "like_gpt2": like_gpt2,
    "byte_level_with_start": byte_level_with_start,
    "metaspace": metaspace,
    "metaspace_first": lambda folder: metaspace(folder, "first"),
}
WITH_START = [name for name in TOKENISERS if name not in ("byte_level", "like_gpt2")]


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp(name) for name in TOKENISERS}
    for name, folder in folders.items():
        TOKENISERS[name](folder)
        PreTrainedConfig().save_pretrained(folder)
    return lambda name="byte_level", k=2, **options: Processor(str(folders[name]), k, Pixels(8), **options)


@pytest.fixture
def red():
    return Painted("red")


def labels_of(batch, row=0):
    return [label for label in batch.labels[row].tolist() if label != IGNORE]


TEMPLATES = [
    Template(query="A photo of", target=" {target}"),
    Template(query="{question} Answer:", target=" {target}"),
    Template(query="{question}\n", target="{target}"),
    Template(
        query="Question: {question}\nShort answer:", target=" {target}.", induction="Say what you see.\n"
    ),
]


@pytest.mark.parametrize("name", TOKENISERS)
@pytest.mark.parametrize("template", TEMPLATES, ids=range(len(TEMPLATES)))
@pytest.mark.parametrize("answer", ["red", "a large red circle", "3"])
def test_tokens_of_prompt_and_target_equal_those_of_the_joined_text(make, name, template, answer):
    processor = make(name)
    sample = template.sample(
        Example("1", Painted("red"), "1", (answer,), "what color is the circle?", answer)
    )
    (text,) = sample.prompt
    trained, generated = processor([sample]), processor([sample.prompt])
    prompt = generated.tokens[0].tolist()
    assert prompt == processor.tokenizer(text)["input_ids"]
    assert prompt + labels_of(trained) == [
        *processor.tokenizer(text + sample.target)["input_ids"],
        processor.end,
    ]
    assert trained.tokens[0].tolist() == (prompt + labels_of(trained))[:-1], (
        "the last target token is not fed"
    )


@pytest.mark.parametrize("name", TOKENISERS)
def test_a_token_across_the_border_of_prompt_and_target_is_refused(make, name):
    with pytest.raises(UserError, match="across the border of prompt and target") as caught:
        make(name)([Sample("1", ("the answer is a ",), "large red circle")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("k", [1, 3])
def test_first_target_is_predicted_from_the_last_prefix_position(make, red, k):
    processor = make(k=k)
    batch = processor(
        [Sample("1", (red,), "a large"), Sample("2", ("red", red), "a"), Sample("3", (red, "is"), "a")]
    )
    targets = [*processor.encode("a large"), processor.end]
    assert batch.labels[0, : k - 1].eq(IGNORE).all()
    assert batch.labels[0, k - 1 : k - 1 + len(targets)].tolist() == targets
    assert batch.slots[0, :k].tolist() == list(range(k)) and batch.slots[0, k] == -1
    lead = len(processor.encode("red"))
    assert batch.labels[1, lead + k - 1] == processor.encode("a")[0]
    tail = k + len(processor.encode("is"))
    assert labels_of(batch, 2) == batch.labels[2, tail - 1 : tail + 1].tolist()
    halves = processor([Sample("1", ("a cir", red), "cle")])  # an image separates them
    assert labels_of(halves) == [*processor.encode("cle"), processor.end]


def test_labels_are_masked_by_position_not_by_token(make):
    """The pad token equals the end token here, which is a label after a target but not in padding."""
    processor = make()
    assert processor.tokenizer.pad_token_id == processor.end
    batch = processor([Sample("1", ("a",), " red"), Sample("2", ("a",), " large red circle to the left")])
    assert labels_of(batch)[-1] == processor.end
    assert batch.labels[0, batch.lengths[0] :].eq(IGNORE).all() and batch.lengths[0] < batch.lengths[1]
    assert batch.tokens[0, batch.lengths[0] :].eq(0).all() and batch.slots[0].eq(-1).all()


def test_truncated_target_has_no_end_token(make):
    words = make().encode(" large red circle to the left")
    for limit in (1, len(words) - 1, len(words), 100):
        processor = make(max_target_tokens=limit)
        labels = labels_of(processor([Sample("1", ("a",), " large red circle to the left")]))
        assert labels == (words[:limit] if limit < len(words) else [*words, processor.end])


@pytest.mark.parametrize("name", TOKENISERS)
@pytest.mark.parametrize("before", [Painted("red"), "the circle is"])
def test_bytes_of_targets_are_counted_up_to_the_truncation(make, name, before):
    rows = [
        Sample("1", (before,), " a large red circle"),
        Sample("2", (before,), " two small blue stars"),
        Sample("3", (before,)),
    ]
    assert sum(make(name)(rows).target_bytes) == 19 + 21
    three = make(name, max_target_tokens=3)
    cut = [three.decode(three.encode("the circle is") + labels_of(three([row]))[:3])[13:] for row in rows[:2]]
    assert all(row.target.startswith(text) and text for row, text in zip(rows, cut, strict=False))
    assert sum(three(rows).target_bytes) == sum(map(len, cut)) < 19 + 21


def test_bytes_are_counted_only_for_complete_characters(make):
    sample = Sample("1", ("a",), " é🙂")  # 1 + 2 + 4 bytes, one token per byte
    counts = [sum(make(max_target_tokens=n)([sample]).target_bytes) for n in range(1, 9)]
    assert counts == [1, 1, 3, 3, 3, 3, 7, 7]


def test_tokens_and_labels_of_an_episode(make, red):
    """Spells out the token and the label at each position."""
    processor = make()
    blue = Painted("blue")
    prompt = (
        red,
        "This is a",
        Learned(" dax"),
        ".\n",
        blue,
        "This is a",
        Learned(" blicket"),
        ".\n",
        red,
        "This is a",
    )
    batch = processor([Sample("1", prompt, " dax")])
    word = lambda token: processor.tokenizer.convert_ids_to_tokens(token)
    written = [
        ("0", ""), ("1", ""), ("This", ""), ("Ġis", ""), ("Ġa", "Ġdax"), ("Ġdax", ""), (".", ""), ("Ċ", ""),
        ("2", ""), ("3", ""), ("This", ""), ("Ġis", ""), ("Ġa", "Ġblicket"), ("Ġblicket", ""), (".", ""), ("Ċ", ""),
        ("0", ""), ("1", ""), ("This", ""), ("Ġis", ""), ("Ġa", "Ġdax"), ("Ġdax", "<end>"),
    ]  # fmt: skip
    stands = [
        word(t) if s < 0 else str(s)
        for t, s in zip(batch.tokens[0].tolist(), batch.slots[0].tolist(), strict=True)
    ]
    predicts = ["" if label == IGNORE else word(label) for label in batch.labels[0].tolist()]
    assert list(zip(stands, predicts, strict=True)) == written
    assert sum(batch.target_bytes) == len(" dax blicket dax")


QUESTION = Example("1", Painted("red"), "1", (), "what color is the circle?", "a large red circle")
SHOTS = [
    Example("2", Painted("blue"), "2", (), "How many squares are there?", "3"),
    Example("3", Painted("green"), "3", (), "How many?", "two small blue stars"),
]


@pytest.mark.parametrize("name", TOKENISERS)
@pytest.mark.parametrize("template", [VQA, *TEMPLATES], ids=range(1 + len(TEMPLATES)))
def test_an_episode_has_the_tokens_of_evaluation_and_the_labels_of_single_prompts(make, name, template):
    processor = make(name)
    episode = processor([template.sample(QUESTION, shots=SHOTS, learned=[0, 1])])
    asked = Sample("1#0", template.prompt(QUESTION, SHOTS), template.target.format(target=QUESTION.answer))
    last = processor([asked])
    assert episode.tokens.equal(last.tokens) and episode.slots.equal(last.slots)
    expected = last.labels[0].clone()
    for place, shot in enumerate(SHOTS):
        alone = processor([template.sample(shot, shots=SHOTS[:place])]).labels[0]
        answer = alone[alone != IGNORE][:-1]  # only the last answer has an end token
        before = len(alone) - len(answer)
        assert expected[before - 1 :][: len(answer)].eq(IGNORE).all() and len(answer)
        expected[before - 1 :][: len(answer)] = answer
    assert episode.labels[0].equal(expected)


def test_labels_of_a_long_answer_in_an_episode_are_truncated(make):
    processor = make(max_target_tokens=2)
    words = processor.encode(" two small blue stars")
    batch = processor([VQA.sample(SHOTS[0], shots=SHOTS[1:], learned=[0])])
    assert labels_of(batch) == [*words[:2], *processor.encode(" 3"), processor.end]
    assert all(token in batch.tokens for token in words)  # it is shown completely
    assert sum(batch.target_bytes) == len(processor.decode(words[:2])) + 2


def test_a_token_that_joins_answer_and_separator_is_no_label(make, red):
    processor = make()
    processor.tokenizer.add_tokens([".\n"])
    prompt = (red, "This is", Learned(" a dax."), "\n", red, "This is")
    batch = processor([Sample("1", prompt, " a dax.")])
    a, dax, stop = processor.encode(" a dax.")
    assert labels_of(batch) == [a, dax, a, dax, stop, processor.end]
    assert processor.encode(".\n")[0] in batch.tokens
    assert sum(batch.target_bytes) == len(" a dax") + len(" a dax.")


def test_a_learned_text_needs_something_before_it(make, red):
    with pytest.raises(UserError, match="sample 7: its prompt is empty"):
        make()([Sample("7", (Learned("a"), red))])
    after_start = make("byte_level_with_start")
    assert labels_of(after_start([Sample("7", (Learned("a"), red))])) == after_start.encode("a")
    ended = make()([Sample("7", (red, "This is", Learned(" a"), "<end>", red), "a")])
    assert labels_of(ended).count(make().end) == 1  # an end token in a separator is no label
    with pytest.raises(UserError, match="across the border of prompt and target"):
        make()([Sample("7", (red, "This is a ", Learned("dax")))])


@pytest.mark.parametrize("name", TOKENISERS)
def test_the_bos_token_is_only_at_the_start(make, red, name):
    processor = make(name)
    batch = processor([Sample("1", (red, "what", red, "color"), " red"), ("what",)])
    start = processor.tokenizer.bos_token_id
    assert len(processor.start) == (name in WITH_START)
    for row in range(2):
        text = (batch.slots[row] < 0) & batch.real()[row]
        tokens = batch.tokens[row, text].tolist()
        assert tokens.count(start) == (name in WITH_START)
        assert name not in WITH_START or tokens[0] == start
        assert start not in labels_of(batch, row)[:-1]  # the last label is an end token


@pytest.mark.parametrize("name", [*WITH_START, "like_gpt2"])
def test_bos_true_puts_one_bos_token_at_the_start(make, red, name):
    prompts = [Sample("1", (red, "what"), " red"), ("what",)]
    asked, own = make(name, bos=True), make(name)
    batch, start = asked(prompts), asked.tokenizer.bos_token_id
    assert batch.tokens[:, 0].tolist() == [start, start] and batch.slots[:, 0].tolist() == [-1, -1]
    before = 0 if name in WITH_START else 1
    assert batch.slots[0, before:].tolist() == own(prompts).slots[0].tolist()
    assert asked(prompts, start=False).slots[0, 0] == 0


def test_an_image_is_read_once(make, red):
    blue = Painted("blue")
    batch = make()([(red, "a", blue, red), (blue,), (red,)])
    assert red.reads == blue.reads == 1 and len(batch.images) == 2
    assert batch.slots[0].tolist() == [0, 1, -1, 2, 3, 0, 1]
    assert batch.slots[1, :2].tolist() == [2, 3] and batch.slots[2, :2].tolist() == [0, 1]
    assert (batch.images[0, 0] > batch.images[0, 2]).any() and not (
        batch.images[1, 0] > batch.images[1, 2]
    ).any()


@pytest.mark.parametrize("k", [1, 3])
def test_a_video_takes_the_positions_of_its_frames(make, k):
    """A video is its frames in a row: the same batch, also where two videos share a frame."""
    red, blue, green = map(Painted, ("red", "blue", "green"))
    processor = make(k=k)
    batch = processor(
        [
            Sample("1", ("see", Video([red, blue, red]), "what?"), "a"),
            Sample("2", (Video([green, blue]),), "a"),
        ]
    )
    assert_same(
        batch,
        processor([Sample("1", ("see", red, blue, red, "what?"), "a"), Sample("2", (green, blue), "a")]),
    )
    assert batch.image_keys == (red.key, blue.key, green.key) and batch.images.shape[0] == 3
    assert (red.reads, blue.reads, green.reads) == (2, 2, 2)
    blind = processor([Sample("1", (Video([red, blue]),), "a").with_images(black)])
    assert blind.images.shape[0] == 1 and blind.slots[0, : 2 * k].tolist() == [*range(k), *range(k)]


def test_a_video_is_refused_where_a_text_sees_only_the_last_image(make, tiny_language):
    red, blue = Painted("red"), Painted("blue")
    processor = Processor(str(tiny_language), 1, Pixels(8), one_image="LayerPrefix")
    with pytest.raises(
        UserError, match=r"has 2 frames, and with LayerPrefix a text sees only the last image"
    ):
        processor([Sample("1", (Video([red, blue]), "what?"), "a")])
    assert len(processor([Sample("1", (Video([red]), "what?"), "a")])) == 1


def assert_same(one, other):
    """Checks that two batches have the same ids and tensors."""
    for name in ("tokens", "slots", "labels", "lengths", "images", "image_of"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.ids == other.ids and one.texts == other.texts


def test_an_empty_batch(make):
    batch = make()([])
    assert len(batch) == 0 and batch.tokens.shape == (0, 0) and batch.images.shape == (0, 3, 8, 8)
    assert list(batch.chunks(10)) == [] and batch.real().shape == (0, 0)


def test_bare_prompts_have_no_labels(make, red):
    batch = make()([(red, "a"), ("what color",)])
    assert batch.labels.eq(IGNORE).all() and batch.ids == ("0", "1")


def test_empty_prompts_and_unusable_tokenisers_are_refused(make, tmp_path):
    with pytest.raises(UserError, match="sample 7: its prompt is empty"):
        make()([Sample("7", (), "a")])
    with pytest.raises(UserError, match="prompt is empty"):
        make()([()])
    with pytest.raises(UserError, match="max_target_tokens is 0"):
        make(max_target_tokens=0)
    with pytest.raises(UserError, match="no start token"):
        make(bos=True)
    core = tiny.tokenizer(tmp_path).backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=core).save_pretrained(tmp_path)
    PreTrainedConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no end token"):
        Processor(str(tmp_path), 1, Pixels(8))


def test_wide_images_get_black_bars():
    noise = np.random.default_rng(0).integers(1, 256, (4, 8, 3), dtype=np.uint8)
    pixels = Pixels(8).one(PIL.Image.fromarray(noise))
    assert pixels.shape == (3, 8, 8) and pixels.dtype == torch.uint8
    assert not pixels[:, :2].any() and not pixels[:, 6:].any()
    assert pixels[:, 2:6].permute(1, 2, 0).numpy().tolist() == noise.tolist()
    tall = Pixels(8).one(PIL.Image.fromarray(noise.transpose(1, 0, 2)))
    assert tall.equal(pixels.transpose(1, 2))


def largest_difference(pixels, image):
    """Returns the largest difference of any pixel."""
    return np.abs(pixels.permute(1, 2, 0).numpy() - np.array(image, int)).max()


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((50, 30), (8, 5)),
        ((30, 50), (5, 8)),
        ((5, 3), (8, 5)),
        ((400, 250), (8, 5)),
        ((801, 800), (8, 8)),
        ((8, 5), (8, 5)),
        ((8, 8), (8, 8)),
    ],
)
def test_an_image_is_fitted_into_the_square(size, fitted):
    noise = np.random.default_rng(0).integers(1, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = PIL.Image.fromarray(noise)
    square = PIL.Image.new("RGB", (8, 8))
    corner = ((8 - fitted[0]) // 2, (8 - fitted[1]) // 2)
    square.paste(image.resize(fitted, PIL.Image.Resampling.BICUBIC), corner)
    assert largest_difference(Pixels(8).one(image), square) <= (0 if size == fitted else 1)


def test_a_batch_of_pixels():
    pixels = Pixels(8)([Painted("red", (8, 8)), Painted("red", (5, 9))])
    assert pixels.shape == (2, 3, 8, 8) and pixels.dtype == torch.uint8
    assert pixels[0].amin((1, 2)).tolist() == [255, 0, 0]
    assert Pixels(8)([]).shape == (0, 3, 8, 8)


def test_fitting_equals_padding_to_a_square_and_resizing():
    """Frozen describes it so. Pixels at the border of the padding are left out, since interpolation mixes them."""
    random = np.random.default_rng(0)
    photograph = PIL.Image.fromarray(random.integers(1, 256, (6, 8, 3), dtype=np.uint8)).resize((320, 240))
    padded = PIL.ImageOps.pad(photograph, (320, 320)).resize((64, 64), PIL.Image.Resampling.BICUBIC)
    assert largest_difference(Pixels(64).one(photograph)[:, 10:-10], padded.crop((0, 10, 64, 54))) <= 1


@pytest.mark.parametrize("size", [(40_000, 10), (10, 40_000)])
def test_a_banner_is_fitted_without_a_square_of_its_length(size):
    pixels = Pixels(8).one(PIL.Image.new("RGB", size, (9, 9, 9)))
    assert pixels.sum() == 8 * 9 * 3


def photograph(folder):
    random = np.random.default_rng(0)
    image = PIL.Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    image.resize((320, 240)).save(folder / "a.jpg")
    return ImageFile(folder / "a.jpg")


def test_scaled_decoding_is_optional_and_part_of_the_version(tmp_path):
    image = photograph(tmp_path)
    scaled, full = Pixels(8), Pixels(8, scaled=False)
    assert full([image])[0].equal(full.one(image.read()))
    assert scaled([image])[0].equal(full.one(image.read(8)))
    assert not scaled([image]).equal(full([image]))
    assert scaled.version != full.version and scaled.version == Pixels(99).version
    assert "scaled" in scaled.version and PIL.__version__ in full.version
    assert full.version.endswith("on white"), "what transparent pixels become"


def test_the_error_of_an_unreadable_image_holds_its_name_and_the_image(tmp_path):
    bad = ImageFile(tmp_path / "none.jpg")
    with pytest.raises(UnreadableImage, match=r"none\.jpg: no such image") as error:
        Pixels(8)([photograph(tmp_path), bad])
    assert error.value.image is bad
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.image) == (str(error.value), bad)


def test_batches_of_remainders_record_their_first_texts(make, red):
    processor = make("byte_level_with_start")
    assert processor([(red,), ("a",)]).openings == ()
    rests = processor([(red, "is"), ("a", red)], start=False)
    assert rests.openings == ("", "a")
    assert processor.start and not rests.tokens.eq(processor.start[0]).any()


@pytest.fixture
def processor(tiny_language):
    return Processor(str(tiny_language), 2, Pixels(64))


@pytest.mark.parametrize("text", ["a sign that says <end> of road", "<end>", "<end><end> a", "old <end>"])
def test_texts_that_spell_a_special_token_are_letters(processor, text):
    """Only the processor itself ends a text. What is learned reads as it was written."""
    batch = processor([Sample("s", ("Question?",), text), Sample("t", (text,), " a")])
    labels = [token for token in batch.labels[0].tolist() if token >= 0]
    assert labels.count(processor.end) == 1 and labels[-1] == processor.end
    assert processor.decode(labels) == text
    assert processor.end not in batch.tokens[1, : batch.lengths[1]].tolist()


@pytest.mark.parametrize("name", TOKENISERS)
def test_an_empty_prompt_is_a_start_token_only_where_texts_have_no_prompt(make, name, red):
    """The start token of a tokeniser without BOS is the end token."""
    processor = make(name)
    first = processor.tokenizer.bos_token_id
    first = processor.end if first is None else first
    batch = processor.for_texts()([(), ("a dog",), (red,)])
    assert batch.tokens[0][: batch.lengths[0]].tolist() == [first] and batch.slots[0, 0] == -1
    assert batch.lengths.tolist()[1:] == processor([("a dog",), (red,)]).lengths.tolist()
    if not processor.start:
        with pytest.raises(UserError, match="its prompt is empty"):
            processor([()])


def test_markers_take_one_position_and_end_the_text(tiny_language):
    made = Processor(str(tiny_language), 2, Pixels(64), markers=("[A]", "[B]"))
    batch = made([("two stars", Marker("[B]"), " red"), (BlackImage(64), Marker("[A]"))])
    first, second = len(made.encode("two stars")), len(made.encode(" red"))
    assert batch.markers[0].tolist() == [-1] * first + [1] + [-1] * second
    assert batch.markers[1].tolist()[:3] == [-1, -1, 0] and batch.lengths.tolist() == [first + 1 + second, 3]
    assert batch.tokens[0, first + 1 :].tolist() == made.encode(" red") and batch.slots[0].max() == -1
    assert batch.texts == ("two stars red", "") and batch.image_keys == ("black",)


def test_a_batch_of_a_model_without_markers_has_none(tiny_language):
    made = Processor(str(tiny_language), 2, Pixels(64))
    assert not made([("two stars",)]).markers.numel()
    with pytest.raises(UserError, match=r"the marker '\[A\]', the model has none"):
        made([("two stars", Marker("[A]"))])


def test_the_box_of_an_image_is_where_its_pixels_are_in_the_square():
    for size in ((40, 10), (7, 64), (30, 30), (400, 123)):
        pixels = Pixels(64)
        white = PIL.Image.new("RGB", size, "white")
        left, top, right, bottom = pixels.box(white)
        square = pixels.one(white)
        assert square[:, top:bottom, left:right].eq(255).all()
        assert int(square.eq(255).sum()) == 3 * (right - left) * (bottom - top)
