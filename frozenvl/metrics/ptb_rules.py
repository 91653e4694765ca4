"""Token patterns of pycocoevalcap's Stanford PTB tokeniser, determined from its output.

Sources: the Penn Treebank's published conventions, and the tokeniser's output on exhaustively listed short strings,
with pycocoevalcap's options. A rule is a pattern and the token that replaces its match: `KEEP` (the match without soft
hyphens), `VERBATIM`, `QUOTE`, `ADD_PERIOD`, or another text. The rule with the longest match applies; of equally long
ones, the first. If a pattern has a group, the group is the token. The rest of the match is context: it counts in the
length, and is then read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from frozenvl.metrics.ptb_characters import LETTERS, MARKS, SYMBOLS, character_class
from frozenvl.metrics.ptb_words import (
    ABBREVIATIONS,
    CAPITAL_ABBREVIATIONS,
    FILE_EXTENSIONS,
    NUMBER_ABBREVIATIONS,
    SPLIT,
    STARTERS,
    TITLES,
)

KEEP = None
QUOTE = "quote"
VERBATIM = "verbatim"
ADD_PERIOD = "add period"


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


A = "A-Za-z"
L = A + character_class(LETTERS)
M = character_class(MARKS)
SPACE = "[ \t\xa0\u3000\u2000-\u200a]"

# Words. A soft hyphen may occur anywhere in a word; it is dropped later.
ACCENTED = "&(?i:[aeiou](?:acute|grave|uml));"
WORD = rf"(?!\d)(?:[{L}{M}\xad]|{ACCENTED})(?:[{L}{M}0-9\xad]|{ACCENTED})*"
SENTENCE = rf"(?:{WORD})(?:[.!?](?:{WORD}))*"  # foo.bar, and sentences without a space between
PIECE = f"[{L}0-9]+"
JOINED = r"[\-_\u058a\u2010\u2011]"  # hyphens and the underscore

# Words with an apostrophe inside: O'Neil, d'Artagnan, ma'am, s'mores.
APOSTROPHE = "['`\x91\x92\u2018\u2019\u201b]"
RIGHT = "['\x92\u2019]"
CURLY = "[\x92\u2019]"
LONG_SUFFIX = "(?:[lL]{2}|[rR][eE]|[vV][eE])"
NOT = f"[nN]{APOSTROPHE}[tT]"
PREFIXED = f"[dloDLO]{APOSTROPHE}(?!{LONG_SUFFIX}(?![{L}0-9]))[{L}0-9]{{2,}}"
APOSTROPHE_WORD = (
    f"(?:{PREFIXED}|[A-HJ-XZn]{APOSTROPHE}(?!{LONG_SUFFIX}(?![{L}]))[{L}]{{2,}}"
    f"|[{L}]+[aeiouyAEIOUY]{APOSTROPHE}[aeiouA-Z][{L}]*|[nN]?[eE]{APOSTROPHE}[eE][rR]"
    f"|(?i:ev{APOSTROPHE}ry|li{APOSTROPHE}l|o{APOSTROPHE}o|s{APOSTROPHE}mores|cap{APOSTROPHE}n|nat{APOSTROPHE}l))"
)
COMPOUND = f"(?:{PREFIXED}|{PIECE})(?:{JOINED}(?:{PREFIXED}|{PIECE}))*"
ASCII_COMPOUND = rf"[{A}0-9][{A}0-9.,\xad]*(?:-(?:(?:[{A}]\.){{2,}}|[{A}0-9\xad]+))+"

# Abbreviations.
ACRONYM = rf"[{A}]\.(?:[{A}]\.)*"
CAPITALS = r"[A-Z]+(?:(?:[&+]|&(?i:amp);)[A-Z]+)+"
MAY_END = (
    f"(?:(?i:{_either(ABBREVIATIONS)})|(?i:pp?t)[ey](?i:s?)|"
    + "|".join(f"{word[0].upper()}(?i:{word[1:]})" for word in CAPITAL_ABBREVIATIONS)
    + ")"
)
TITLE = f"(?:(?i:{_either(TITLES)})|[mM][ft][gG])"
TAG_NAME = f"[{A}][{A}0-9_:.-]*"
TAG = (
    rf"(?:<{TAG_NAME}(?: +{TAG_NAME}(?: *= *(?:\"[^\"]*\"|'[^']*'))?)* */?>|</{TAG_NAME} *>"
    rf"|<[!?][{A}-][^>]*>)"
)
STARTER = f"(?:{_either({*STARTERS, *map(str.upper, STARTERS)})})"

# Numbers.
DIGIT = rf"(?:[0-9]|(?=[{L}])\d)"
DIGITS = f"{DIGIT}(?:(?:{DIGIT}|\xad)*{DIGIT})?"
NUMBER = f"(?:\xad*(?:{DIGITS})?(?:[.,:\u066b\u066c]{DIGITS})+|\xad*{DIGITS})"
PHONE_END = r"[0-9]{3,4}[- \xa0]?[0-9]{3,5}"

# Addresses.
URL = r"[^ \t\x85\u2028\"<>|(){}]"
URL_END = r"[^ \t\x85\u2028\"<>|.!?,(){}\-]"
PATH = rf"/[^ \t\x85\u2028\"<>|()]+{URL_END}"
SITE = r"[^ \t\x85\u2028\"'`<>|.!?,(){}\-0-9A-Z$/:;=@\[\]\\^_]+"
MAIL = r"[^ \t\xa0\x85\u2028\"<>|(){}.]"
ADDRESS = rf"[{A}0-9]{MAIL[:-2]}]*@{MAIL}+(?:\.{MAIL}+)*(?:>|&gt;)?"
EYE = "[-=<>^~'x]"

Rules = list[tuple[str, str | None]]

_WORD_RULES: Rules = [
    *((f"((?i:{first}))(?i:{second})", KEEP) for first, second in SPLIT.values()),
    (WORD, KEEP),
    (f"([{A}\xad]*[A-MO-Za-mo-z]\xad?){NOT}", KEEP),
    (f"({SENTENCE}|{APOSTROPHE_WORD}){RIGHT}(?:[sSdDmM]|{LONG_SUFFIX})", KEEP),
    (APOSTROPHE_WORD, KEEP),
    (SENTENCE, KEEP),
]

_LETTER_RULES: Rules = [
    (NOT, QUOTE),
    (f"[dDjJlL]{RIGHT}", KEEP),
    (f"c{RIGHT}(?i:est)", KEEP),  # also at the start of a longer word
    (f"([yY]{RIGHT})[{L}]", KEEP),
    (f"[oO][lL]{RIGHT}", KEEP),
    (ACRONYM, KEEP),
    (rf"([{A}])\.{SPACE}+(?:(?:{STARTER}){SPACE}|{TAG}{SPACE})", KEEP),
    (rf"({MAY_END})\.[0-9]$", ADD_PERIOD),  # the period is read again, as part of the number
    (rf"({MAY_END}\.)(?s:..)", KEEP),
    (rf"(?:{MAY_END}|{TITLE})\.", KEEP),
    (rf"((?i:{_either(NUMBER_ABBREVIATIONS)})\.){SPACE}?[0-9]", KEEP),
    (CAPITALS, KEEP),
    (rf"({CAPITALS}\.)[,;:]", KEEP),
    (r"[A-Z]+\$", KEEP),
    (r"[cC]\+\+|[cCfF]#", KEEP),
    (rf"(?:https?|HTTPS?)://{URL}+{URL_END}", VERBATIM),
    (rf"[wW]{{3}}\.(?:{URL_END}+\.)+[{A}]{{2,4}}(?:{PATH})?", VERBATIM),
]

_ADDRESS_RULES: Rules = [(ADDRESS, VERBATIM)]

_NUMBER_RULES: Rules = [
    (r"[0-9]{1,4}(?:[- \xa0][0-9]{1,4})?(?:\\?/|\u2044)[0-9]{1,4}", KEEP),
    (rf"(?:[0-9]{{2,4}}[- \xa0])?[0-9]{{2,4}}[- \xa0]{PHONE_END}", KEEP),
    (NUMBER, KEEP),
]

_LETTER_OR_NUMBER_RULES: Rules = [
    (COMPOUND, KEEP),
    (ASCII_COMPOUND, KEEP),
    (rf"[{A}0-9]+(?:-[{A}]+)*(?:\\?/[{A}0-9]+(?:-[{A}]+)*){{1,2}}", KEEP),
    (rf"((?:{SENTENCE}|{COMPOUND}|{ASCII_COMPOUND})\.)[,;:]", KEEP),
    (rf"([{L}0-9\xad]+(?:\.[{L}0-9\xad]+)*\.(?i:{_either(FILE_EXTENSIONS)}))(?:{SPACE}|[.,?!])", VERBATIM),
]

_SITE_RULES: Rules = [
    (rf"(?:{SITE}\.)+(?i:com|net|org|edu)(?:{PATH})?", VERBATIM),
]

_OTHER_RULES: Rules = [
    (rf"[-+]{NUMBER}|{NUMBER}", KEEP),
    (
        rf"(?:\([0-9]{{2,3}}\)[ \xa0]?|\+{{1,2}}(?:[0-9]{{2,4}}[- \xa0])?[0-9]{{2,4}}[- \xa0]){PHONE_END}",
        KEEP,
    ),
    (f"({RIGHT}[sSdDmM])(?:[^{A}]|$)", QUOTE),
    (f"({RIGHT}{LONG_SUFFIX})[^{A}]", QUOTE),
    (f"{CURLY}(?:[sSdDmM]|{LONG_SUFFIX})", QUOTE),
    ("('[tT])(?i:is|was)", KEEP),
    (rf"{RIGHT}(?:[eE][mM]|[0-9]0[sS]|[nN]{RIGHT}|(?i:cause|till?))", KEEP),
    (f"{CURLY}[nN]", KEEP),
    ("('[nN])(?:[ \t\xa0]|$)", KEEP),
    (f"({RIGHT}[0-9][0-9]){SPACE}", KEEP),
    (rf"(?:<|&lt;){ADDRESS}", VERBATIM),
    (TAG, KEEP),
    (rf"@[{A}_][{A}0-9_]*", KEEP),
    (rf"#(?:(?!\d)[{L}{M}\xad]|{ACCENTED})+", VERBATIM),
    (r"&(?i:amp);", "&"),
    (r"&(?i:lt);", "<"),
    (r"&(?i:gt);", ">"),
    (r"&(?:(?i:mdash|ndash|nbsp)|MD|quot|apos);", "."),
    (r"&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+|(?i:quot));", KEEP),
    (r"([<>]?[:;=][-o*']?[()\[\]{|\\@DdPpO])[^A-Za-z0-9]", KEEP),
    (rf"{EYE}_{EYE}|\({EYE}[_.]?{EYE}\)", KEEP),
    (r"\(", "-lrb-"),
    (r"\)", "-rrb-"),
    (r"\[", "-lsb-"),
    (r"\]", "-rsb-"),
    (r"\{", "-lcb-"),
    (r"\}", "-rcb-"),
    (r"[$\x80\u20ac\xa4\u20a0]", "$"),
    ("\xa3", "#"),
    ("\xa2", "cents"),
    ("\xbc", "1/4"),
    ("\xbd", "1/2"),
    ("\xbe", "3/4"),
    ("\u2153", "1/3"),
    ("\u2154", "2/3"),
    (r"''|[`\x91-\x94\u2018-\u201f\u2039\u203a\xab\xbb]{1,2}", QUOTE),
    (r"-{5,}|\*+|(?:\\\*)+|<<|>>|#+|_+|[!?]+|@+|[\xb2\xb3\xb9]+", KEEP),
    (rf"[{character_class(SYMBOLS)}\\%^~|=/+&<>\u2044]", KEEP),
    (r"-{2,4}|\.{3,5}|\.[ \xa0]\.[ \xa0]\.|[-.,:;'\"\u2013-\u2015\x96\x97\u2026\x85]", "."),
]


def _compiled(rules: Rules) -> list[tuple[re.Pattern[str], str | None]]:
    return [(re.compile(pattern), replacement) for pattern, replacement in rules]


LETTER_RULES = _compiled(_ADDRESS_RULES + _WORD_RULES + _LETTER_RULES + _LETTER_OR_NUMBER_RULES + _SITE_RULES)
"""Rules for a token that begins with an ASCII letter."""
NUMBER_RULES = _compiled(_ADDRESS_RULES + _NUMBER_RULES + _LETTER_OR_NUMBER_RULES)
"""Rules for a token that begins with an ASCII digit."""
OTHER_RULES = _compiled(_WORD_RULES + _LETTER_OR_NUMBER_RULES + _OTHER_RULES + _SITE_RULES)
"""Rules for a token that begins with any other character, including non-ASCII letters."""
