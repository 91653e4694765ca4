"""Notes on references in writing systems without spaces between words."""

from __future__ import annotations

import pytest

from frozenvl.metrics.spacing import spacing_note

CHINESE = ["一只狗在沙滩上奔跑。", "两个人，坐在长椅上", "狗在跑", "红T恤", "公園裡有兩個人"]
JAPANESE = ["犬が砂浜を走っている", "赤いベンチに二人が座っている。", "カタカナ", "ﾊﾝｶｸ", "電車"]
THAI = ["สุนัขวิ่งบนหาดทราย", "คนสองคนนั่งบนม้านั่งสีแดง ในสวน", "หมา"]
KHMER, LAO, BURMESE = ["ឆ្កែកំពុងរត់លើឆ្នេរ"], ["ໝາແລ່ນຢູ່ຫາດຊາຍ"], ["ခွေးတစ်ကောင်ပြေးနေသည်"]
SPACED = {
    "english": ["a dog runs on the sand", "two people"],
    "german": ["Ein Hund läuft über den Strand", "„Zwei“ Leute"],
    "french": ["c’est un chien…"],
    "russian": ["Собака бежит по песку"],
    "arabic": ["كلب يجري، على الشاطئ؟"],
    "hebrew": ["כלב רץ על החול"],
    "hindi": ["एक कुत्ता रेत पर दौड़ रहा है।"],
    "korean": ["개가 모래사장을 달린다"],
    "vietnamese": ["Một con chó chạy trên cát"],
    "emoji": ["a dog 🐕 runs", "🐕"],
    "chinese, segmented": ["一 只 狗 在 沙滩 上 奔跑", "狗 在 湿沙 上 跑 。", "红色 的 火车"],
    "japanese, segmented": ["犬 が 砂浜 を 走っ て いる", "フリスビー を 投げる 男性"],
    "thai, segmented": ["สุนัข สีน้ำตาล วิ่ง บน หาดทราย", "คน สอง คน นั่ง บน ม้านั่ง"],
    "english with a Chinese word": ["a sign that says 你好", "a 狗 on the sand"],
    "empty": ["", "...", "。"],
    "none": [],
}


@pytest.mark.parametrize(
    "references",
    [CHINESE, JAPANESE, THAI, KHMER, LAO, BURMESE],
    ids=["chinese", "japanese", "thai", "khmer", "lao", "burmese"],
)
def test_references_without_spaces_are_noted_with_their_count(references):
    (note,) = spacing_note([*references, "a dog runs", "birds"])
    assert note.startswith(
        f"{len(references)} of {len(references) + 2} references have no spaces between words"
    )
    assert note.endswith("choose --tokenizer char, or zh for Chinese, ja for Japanese") and "\n" not in note


@pytest.mark.parametrize("language", SPACED)
def test_references_with_spaces_are_not_noted(language):
    assert spacing_note(SPACED[language]) == []


@pytest.mark.parametrize(("chinese", "noted"), [(1, False), (2, True)])
def test_one_of_a_hundred_references_is_not_noted(chinese, noted):
    assert bool(spacing_note(CHINESE[:chinese] + ["a dog"] * (100 - chinese))) == noted


@pytest.mark.parametrize(("words", "noted"), [(1, False), (2, True)])
def test_single_words_among_segmented_references_are_not_noted(words, noted):
    """A reference of one word has no spaces either, and a segmented set has few of them."""
    assert bool(spacing_note(["一 只 狗 在 跑"] * 9 + ["火车"] * words)) == noted


@pytest.mark.parametrize("tokenizer", ["zh", "ja"])
def test_tokenizers_are_noted_for_what_they_do_not_split(tokenizer):
    assert spacing_note(CHINESE, tokenizer) == spacing_note(JAPANESE, tokenizer) == []
    (note,) = spacing_note(THAI, tokenizer)
    assert f"the tokenizer {tokenizer} does not split" in note and note.endswith("choose --tokenizer char")
    assert spacing_note(THAI, "char") == []
