"""Sentences and captions in many languages and scripts, for comparisons with other tokenizers and scores."""

from __future__ import annotations

import random


def _split(words: str) -> list[str]:
    return words.split()


_ELIDED = [
    f"{before}'{after}"
    for before in _split("c d j l m n s t qu jusqu lorsqu aujourd all dell un nell O D L")
    for after in _split("est un une eau il elle ai a homme école acqua altro hui Connor arc")
]

WORDS: dict[str, list[str]] = {
    "French and Italian elisions": _ELIDED + [word.replace("'", "’") for word in _ELIDED],
    **{
        language: _split(words)
        for language, words in {
            "German": (
                "Straße Mädchen z.B. usw. d.h. z. B. 3. Gleis Haus-Tür Müller's 1.000,50 € „Ja“ »nein« Bahn- und "
                "Busfahrer ca. 5 Std. Nr. 7 Dr. Weiß GmbH & Co. KG läuft's"
            ),
            "Spanish": "¿Qué es? ¡Hola! niño año 3º 1ª Sr. Sra. «sí» EE.UU. perro-lobo",
            "Japanese": (
                "犬が砂浜を走っている。 猫、犬、鳥！ 「はい」 ３匹の犬 ﾊﾝｶｸ カタカナ・中点 〜 100円 ＡＢＣ"
            ),
            "Chinese": (
                "一只狗在沙滩上奔跑。 你好，世界！ 《书》 “引号” 3只狗 １０％ 北京/上海 A座 （括号） …… ——"
            ),
            "Korean": "개가 모래사장을 달린다. 두 사람이 벤치에 앉아 있다! 3마리 “따옴표” 한국-일본",
            "Arabic": "كلب يجري، على الشاطئ؟ ٣ كلاب «نعم» لا. ال\u200dشاطئ 5٪ م.م",
            "Hebrew": "כלב רץ על החול. ארה\"ב צה״ל 3 כלבים ג'ירפה",
            "Hindi": "कुत्ता रेत पर दौड़ रहा है। दो लोग, ३ कुत्ते ॥ श्री-राम",
            "Thai": "สุนัขวิ่งบนหาดทราย ๓ ตัว ฯลฯ เด็กๆ",
            "Russian": "собака бежит, по песку. 3-й т.д. «да» — нет! кто-то г. Москва ё",
            "Vietnamese": "Một con chó chạy trên cát. Đường, phố! TP.HCM",
            "Turkish": "İstanbul'da köpek IŞIK ığdır Ankara'nın 3'te",
            "emoji": ("🐕 😀😀 👨\u200d👩\u200d👧 🇩🇪 ❤️ ☕️ :) :-( ;-) <3 xD ¯\\_(ツ)_/¯ 👍🏽 #tag @user 1️⃣"),
            "numbers": (
                "1,000 1.000,5 1/2 ½ 3½ 5:30 5:30pm 5'10\" 10% $4.99 €5 £3 #1 No.5 1st 2nd 3x4 10-12 1990s '90s "
                "90's 2,5 km² m³ 1e5 0x1F 555-1234 (555) 12/05/2020"
            ),
        }.items()
    },
}
"""Language → words and phrases. Those of texts without spaces are whole sentences."""


def sentences(language: str, count: int, seed: int = 1) -> list[str]:
    """Draws `count` sentences of one to six words of a language; the words themselves follow, each alone."""
    draw = random.Random(f"{language} {seed}")
    words = WORDS[language]
    return [" ".join(draw.choices(words, k=draw.randint(1, 6))) for _ in range(count)] + words


CAPTIONS: dict[str, list[tuple[str, list[str]]]] = {
    "English": [
        ("a dog runs on the sand", ["A brown dog runs over wet sand.", "the dog is running on a beach"]),
        ("two people sit on a bench", ["Two people are sitting on a bench.", "people on a bench"]),
    ],
    "German": [
        (
            "Ein Hund läuft am Strand",
            ["Ein brauner Hund läuft am Strand entlang.", "Der Hund rennt über Sand"],
        ),
        (
            "Zwei Leute sitzen auf einer Bank",
            ["Zwei Menschen sitzen auf einer Bank.", "Leute auf einer Bank"],
        ),
    ],
    "French": [
        ("Un chien court sur l'herbe", ["Un chien brun court sur l’herbe mouillée.", "le chien d'un enfant"]),
        ("c'est un banc", ["Deux personnes sont assises aujourd'hui.", "c'est un banc rouge"]),
    ],
    "Chinese": [
        ("一只狗在沙滩上奔跑", ["一只棕色的狗在沙滩上奔跑", "狗在湿沙上跑"]),
        ("两个人坐在长椅上", ["两个人坐在红色的长椅上", "公园里有两个人"]),
        ("一列火车停在车站", ["一列火车停在小站", "红色的火车"]),
    ],
    "Chinese, segmented": [
        ("一 只 狗 在 沙滩 上 奔跑", ["一 只 棕色 的 狗 在 沙滩 上 奔跑", "狗 在 湿沙 上 跑"]),
        ("两 个 人 坐 在 长椅 上", ["两 个 人 坐 在 红色 的 长椅 上", "公园 里 有 两 个 人"]),
        ("一 列 火车 停 在 车站", ["一 列 火车 停 在 小站", "红色 的 火车"]),
    ],
    "Japanese": [
        ("犬が砂浜を走っている", ["茶色い犬が砂浜を走っている", "砂浜で犬が走る"]),
        ("二人がベンチに座っている", ["赤いベンチに二人が座っている", "公園の二人"]),
        ("電車が駅に止まっている", ["小さな駅に電車が止まっている", "電車"]),
    ],
    "Thai": [
        ("สุนัขวิ่งบนหาดทราย", ["สุนัขสีน้ำตาลวิ่งบนหาดทราย", "หมาวิ่ง"]),
        ("คนสองคนนั่งบนม้านั่ง", ["คนสองคนนั่งบนม้านั่งสีแดง", "คนในสวน"]),
    ],
    "Arabic": [
        ("كلب يجري على الشاطئ", ["كلب بني يجري على الرمال المبللة", "كلب يجري على الشاطئ."]),
        ("شخصان يجلسان على مقعد", ["شخصان يجلسان على مقعد أحمر، في الحديقة", "ناس على مقعد؟"]),
    ],
    "Hindi": [
        ("एक कुत्ता रेत पर दौड़ रहा है", ["एक भूरा कुत्ता गीली रेत पर दौड़ रहा है।", "कुत्ता समुद्र तट पर है"]),
        ("दो लोग बेंच पर बैठे हैं", ["दो लोग लाल बेंच पर बैठे हैं।", "पार्क में लोग"]),
    ],
    "Russian": [
        ("Собака бежит по песку", ["Коричневая собака бежит по мокрому песку.", "собака на пляже"]),
        ("Два человека сидят на скамейке", ["Два человека сидят на красной скамейке.", "люди в парке"]),
    ],
    "emoji": [
        ("a dog 🐕 runs 😀😀 on sand", ["a dog 🐕 runs on sand 😀", "dog 🐶!!!"]),
        ("👨\u200d👩\u200d👧 a family 🇩🇪 walks", ["a family walks 👨\u200d👩\u200d👧", "🇩🇪 family"]),
    ],
    "numbers": [
        (
            "3 dogs and 1,000 birds at 5:30 p.m.",
            ["three dogs and 1000 birds", "3 dogs , 1,000 birds at 5:30 pm"],
        ),
        ("it costs $4.99 (50% off)", ["costs $ 4.99 50 % off", "it's 4,99 € with 50% off"]),
    ],
}
"""Language → captions with their references, one pair for each image."""


def candidates_and_references(language: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Returns the captions of a language as image id → caption, and image id → references."""
    rows = {str(number): row for number, row in enumerate(CAPTIONS[language])}
    return {image: said for image, (said, _) in rows.items()}, {image: r for image, (_, r) in rows.items()}
