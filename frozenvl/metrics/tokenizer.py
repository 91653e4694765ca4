"""Penn Treebank tokenisation of captions, token for token as pycocoevalcap's Java tokeniser does it."""

from __future__ import annotations

import re

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

PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)

L = "A-Za-z" + character_class(LETTERS)
M = character_class(MARKS)
HY = r"\-_\u058a\u2010\u2011"
Q = "['\x92\u2019]"
W = f"(?:[{L}{M}][{L}{M}0-9\xad]*)"
AN = f"(?:[{L}{M}0-9][{L}0-9\xad{M}]*)"
V = "aeiouyAEIOUY"
SP = "[ \t\xa0]"


def either(words):
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


NUM = r"(?:[0-9]*(?:[.,:\xad\u066b\u066c][0-9]+)+|[0-9]+)"
DNUM = r"(?:[0-9]+(?:[.,:\xad\u066b\u066c][0-9]+)*)"
UQ = "[\x92\u2019]"
AQ = "['`\x91\x92\u2018\u2019\u201b]"
NT = f"[nN]{AQ}[tT]"
LL = "(?:[lL]{2}|[rR][eE]|[vV][eE])"
A = "A-Za-z"
APOS = rf"(?:(?:[A-HJ-XZn]|[dlo]){AQ}(?!{LL}(?![{L}{M}0-9]))[{L}{M}0-9][{L}{M}0-9\xad]+|[{L}]+[{V}]{AQ}[aeiouA-Z][{L}]*|[nN]?[eE]{AQ}[eE][rR]|[Ee][vV]{AQ}[rR][yY]|[Ll][iI]{AQ}[lL]|[oO]{AQ}[oO])"
PH = rf"[0-9]{{3,4}}[- \xa0]?[0-9]{{3,5}}"
U = r"[^\s\"<>|(){}]"
UE = r"[^\s\"<>|.!?,(){}\-]"
EYES = r"[-=<>^~'x]"
MAY_END = rf"(?i:{either(ABBREVIATIONS)})|[A-Z](?i:{either(w[1:] for w in CAPITAL_ABBREVIATIONS)})".replace("[A-Z](?i:", "(?:") if 0 else "(?:(?i:" + either(ABBREVIATIONS) + ")|" + "|".join(f"{w[0].upper()}(?i:{w[1:]})" for w in CAPITAL_ABBREVIATIONS) + "|(?i:pp?t)[ey](?i:s?))"
TITLE = f"(?:(?i:{either(TITLES)})|[mM][ft][gG])"
ACR = rf"(?:[{A}]\.(?:[{A}]\.)*)"
ACR2 = rf"(?:[{A}]\.(?:[{A}]\.)+)"
TAG = "[A-Za-z][A-Za-z0-9_:.-]*"
SEG = f"[{A}0-9]+(?:-[{A}]+)*"
RULES = [
    (rf"{W}", None),
    (rf"([{A}]*[A-MO-Za-mo-z]){NT}", None),
    (rf"({W}|{APOS}){Q}[sSdDmM](?:[^{A}]|$)", None),
    (rf"({W}|{APOS}){UQ}(?:[sSdDmM]|{LL})", None),
    (rf"({W}|{APOS}){Q}{LL}[^{A}]", None),
    (NT, "quotes"),
    (rf"({Q}(?:[sSdDmM]))(?:[^{A}]|$)", "'"),
    (rf"({Q}{LL})[^{A}]", "'"),
    (rf"({UQ}(?:[sSdDmM]|{LL}))", "'"),
    (rf"('[tT])(?:[iI][sS]|[wW][aA][sS])", None),
    (rf"{Q}(?:[eE][mM]|[0-9]0[sS]|[nN]{Q}|[cC][aA][uU][sS][eE]|[tT][iI][lL][lL]?)", None),
    (rf"{UQ}[nN]", None),
    (rf"('[nN])(?:\s|$)", None),
    (rf"({Q}[0-9][0-9])\s", None),
    (rf"([dDjJlL]{Q})", None),
    (rf"([yY]{Q})[A-Za-z]", None),
    (rf"[oO][lL]{Q}", None),
    (APOS, None),
    (rf"{W}(?:[.!?]{W})+", None),
    (rf"({MAY_END}\.)(?s:..)", None),
    (rf"(?:{APOS}|{DNUM}|{AN})(?:[{HY}](?:{ACR2}|{APOS}|{AN}))*", None),
    (rf"(?:{APOS}|{AN})(?:[{HY}](?:{ACR2}|{APOS}|{AN}))*", None),
    (rf"[{A}0-9][{A}0-9.,\xad]*(?:-(?:{ACR2}|[{A}0-9\xad]+))+", None),
    (rf"{SEG}(?:/{SEG}){{1,2}}", None),
    (rf"[-+]?{NUM}", None),
    (ACR, None),
    (rf"([A-Za-z])\.\s+(?:{either(STARTERS)}|{either(w.upper() for w in STARTERS)})\s", None),
    (rf"(?:{MAY_END}|{TITLE})\.", None),
    (rf"((?i:{either(NUMBER_ABBREVIATIONS)})\.){SP}?[0-9]", None),
    (rf"((?:{APOS}|{AN})(?:[{HY}](?:{APOS}|{AN}))*\.)[,;:]", None),
    (r"[A-Z]+(?:(?:[&+]|&[aA][mM][pP];)[A-Z]+)+", None),
    (rf"[A-Z]*\$", None),
    (r"[\x80\u20ac\xa4\u20a0]", "$"),
    (r"\xa3", "#"), (r"\xa2", "cents"),
    (rf"(?:\([0-9]{{2,3}}\)[ \xa0]?|\+{{0,2}}(?:[0-9]{{2,4}}[- \xa0])?[0-9]{{2,4}}[- \xa0]){PH}", None),
    (rf"[0-9]{{1,4}}(?:[- \xa0][0-9]{{1,4}})?[/\u2044][0-9]{{1,4}}", None),
    (rf"([<>]?[:;=][-o*']?[()\[\]{{|\\@DdPpO])[^A-Za-z0-9]", None),
    (rf"{EYES}_{EYES}|\({EYES}[_.]?{EYES}\)", None),
    (rf"https?://{U}+{UE}", None), (rf"HTTPS?://{U}+{UE}", None),
    (rf"(?:[wW]{{3}}\.(?:{UE}+\.)+[A-Za-z]{{2,4}}|(?:[{A}0-9]+\.)+(?:com|net|org|edu))/{U}+{UE}", None),
    (rf"<?[A-Za-z0-9][^\s\"<>|(){{}}]*@[^\s\"<>|(){{}}.]+(?:\.[^\s\"<>|(){{}}.]+)*>?", None),
    (rf"([{L}0-9]+(?:\.[{L}0-9]+)*\.(?i:{either(FILE_EXTENSIONS)}))[\s.,?!]", None),
    (r"@[A-Za-z_][A-Za-z0-9_]*", None),
    (rf"#[{L}]+", None),
    (r"[cC]\+\+|[cCfF]#", None),
    (r"\(", "-lrb-"), (r"\)", "-rrb-"), (r"\[", "-lsb-"), (r"\]", "-rsb-"), (r"\{", "-lcb-"), (r"\}", "-rcb-"),
    (rf"[{character_class(SYMBOLS)}]", None),
    (r"\*+|<<|>>|#+|_+|\\\*|[!?]+|@+|[\\%^~|=/+&<>\u2044]", None),
    (r"&[aA][mM][pP];", "&"), (r"&[lL][tT];", "<"), (r"&[gG][tT];", ">"),
    (r"&(?:[mM][dD][aA][sS][hH]|[nN][dD][aA][sS][hH]|MD|quot|apos|(?i:nbsp));", ""),
    (r"&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+|(?i:[aeiou](?:acute|grave|uml)|quot));", None),
    ("\xbc", "1/4"), ("\xbd", "1/2"), ("\xbe", "3/4"), ("\u2153", "1/3"), ("\u2154", "2/3"),
    (rf"<{TAG}(?:\s+{TAG}(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'))?)*\s*/?>|</{TAG}\s*>|<[!?][A-Za-z-][^>\r\n]*>", None),
    (r"[`\x91-\x94\u2018-\u201f\u2039\u203a\xab\xbb]+", "quotes"),
    (r"-+|\.\.\.+|''?|``?|[.,:;'`\"-]|[\u2013-\u2015\x96\x97\u2026]", ""),
]
RULES = [(re.compile(p), a) for p, a in RULES]
_EMOT = str.maketrans({"(": "-lrb-", ")": "-rrb-", " ": "\xa0", "\xad": None})
_QUOTES = {c: "`" for c in "\x91\u2018\u201b\u2039"} | {c: "'" for c in "\x92\u2019\u203a"} | {c: "``" for c in "\x93\u201c\xab"} | {c: "''" for c in "\x94\u201d\xbb"}


def scan(text, at):
    best, end, token = at, at + 1, ""
    for rule, action in RULES:
        m = rule.match(text, at)
        if m and m.end() > best:
            best = m.end()
            end = m.end(1) if rule.groups else best
            token = text[at:end] if action is None else ("'" + text[at + 1 : end] if action == "'" else action)
            if action == "quotes":
                token = "".join(_QUOTES.get(c, c) for c in text[at:end])
    return end, token


def tokenize(caption: str) -> list[str]:
    text = re.sub("[\n\r\v\f\u2028\u2029]", " ", caption)
    tokens = []
    at = 0
    while at < len(text):
        end, token = scan(text, at)
        if token:
            token = token.lower().translate(_EMOT)
            tokens += SPLIT.get(token, [token])
        at = end
    return [t for t in tokens if t not in PUNCTUATION]
