"""Penn Treebank tokenisation of captions, token for token as pycocoevalcap's Java tokeniser does it."""

from __future__ import annotations

import re

from frozenvl.metrics.ptb_characters import LETTERS, MARKS, SYMBOLS, character_class
from frozenvl.metrics.ptb_words import ABBREVIATIONS, CAPITAL_ABBREVIATIONS, NUMBER_ABBREVIATIONS, SPLIT

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


def cased(words, *cases):
    return "|".join(sorted({case(word) for word in words for case in cases}, key=len, reverse=True))


NUM = r"(?:[0-9]*(?:[.,:\u066b\u066c][0-9]+)+|[0-9]+)"
APOS = rf"(?:[dlnoDLNOJ]{Q}[{L}{M}][{L}{M}0-9\xad]+|[A-Za-z]+[{V}]{Q}[aeiouA-Z][A-Za-z]*|[nN]e{Q}er|e{Q}er|[Ee]v{Q}ry|[Ll]i{Q}l|[oO]{Q}[oO])"
PH = rf"[0-9]{{3,4}}[- \xa0]?[0-9]{{3,5}}"
U = r"[^\s\"<>|(){}]"
UE = r"[^\s\"<>|.!?,(){}\-]"
EYES = r"[-=<>^~'x]"
ABB = f"(?:{cased(ABBREVIATIONS, str.lower, str.capitalize, str.upper)}|{cased(CAPITAL_ABBREVIATIONS, str.capitalize, str.upper)})"
ACR = r"(?:[A-Za-z]\.(?:[A-Za-z]\.)*)"
RULES = [
    (rf"{W}", None),
    (rf"({W})[nN]['`\x91\x92\u2018\u2019\u201b][tT]", None),
    (rf"({W}|{APOS}){Q}(?:[sSdDmM](?:[^A-Za-z]|$)|(?:ll|LL|re|RE|ve|VE)[^A-Za-z])", None),
    (rf"[nN]['`\x91\x92\u2018\u2019\u201b][tT]", "n't"),
    (rf"({Q}(?:[sSdDmM]))(?:[^A-Za-z]|$)", "'"),
    (rf"({Q}(?:ll|LL|re|RE|ve|VE))[^A-Za-z]", "'"),
    (rf"({Q}[tT])(?:[iI][sS]|[wW][aA][sS])", None),
    (rf"{Q}(?:em|EM|[0-9]0[sS]?|[nN]{Q}|cause|[nN](?=\s|$)|till?)", None),
    (rf"([dDjJlL]{Q})", None),
    (rf"([yY]{Q})[A-Za-z]", None),
    (rf"[oO]l{Q}", None),
    (APOS, None),
    (rf"(?:{AN}|{APOS}|{ACR}|{NUM})(?:[{HY}](?:{ACR}|{APOS}|{AN}))*", None),
    (rf"{AN}(?:/{AN}){{1,2}}", None),
    (rf"{W}(?:[.!?]{W})+", None),
    (rf"[-+]?{NUM}", None),
    (ACR, None),
    (rf"{ABB}\.", None),
    (rf"((?:{cased(NUMBER_ABBREVIATIONS, str.lower, str.capitalize, str.upper)})\.){SP}?[0-9]", None),
    (rf"((?:{AN}|{APOS})(?:[{HY}]{AN})*\.)[,;:]", None),
    (r"[A-Z]+(?:(?:&|&amp;)[A-Z]+)+", None),
    (rf"[A-Z]*\$", None),
    (r"[\x80\u20ac\xa4\u20a0]", "$"),
    (r"\xa3", "#"), (r"\xa2", "cents"),
    (rf"(?:\([0-9]{{2,3}}\)[ \xa0]?|\+{{0,2}}(?:[0-9]{{2,4}}[- \xa0])?[0-9]{{2,4}}[- \xa0]){PH}", None),
    (rf"[0-9]{{1,4}}(?:[ \xa0][0-9]{{1,4}})?[/\u2044][0-9]{{1,4}}", None),
    (rf"([<>]?[:;=][-o*']?[()\[\]{{|\\@DdPpO])[^A-Za-z0-9]", None),
    (rf"{EYES}_{EYES}|\({EYES}[_.]?{EYES}\)", None),
    (rf"https?://{U}+{UE}", None), (rf"HTTPS?://{U}+{UE}", None),
    (rf"(?:[wW]{{3}}\.(?:{UE}+\.)+[A-Za-z]{{2,4}}|(?:{UE}+\.)+(?:com|net|org|edu))(?:/{U}+{UE})?", None),
    (rf"<?[A-Za-z0-9][^\s\"<>|(){{}}.]*(?:\.[^\s\"<>|(){{}}.]+)*@[^\s\"<>|(){{}}.]+(?:\.[^\s\"<>|(){{}}.]+)*>?", None),
    (r"@[A-Za-z_][A-Za-z0-9_]*", None),
    (rf"#[{L}]+", None),
    (r"[cC]\+\+|[cCfF]#", None),
    (r"\(", "-lrb-"), (r"\)", "-rrb-"), (r"\[", "-lsb-"), (r"\]", "-rsb-"), (r"\{", "-lcb-"), (r"\}", "-rcb-"),
    (rf"[{character_class(SYMBOLS)}]", None),
    (r"\*+|<<|>>|#+|_+|\\\*|[!?]+|[@\\%^~|=/+&<>\u2044]", None),
    (r"&(?:amp|AMP);?", "&"), (r"&(?:lt|LT);?", "<"), (r"&(?:gt|GT);?", ">"),
    (r"&(?:mdash|ndash|MD);?", "--"), (r"&(?:quot|apos|nbsp);?", ""),
    (r"&(?:HT|TL|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+|frac[0-9]+);", None),
    ("\xbc", "1/4"), ("\xbd", "1/2"), ("\xbe", "3/4"), ("\u2153", "1/3"), ("\u2154", "2/3"),
    (r"</?[A-Za-z!?][A-Za-z0-9:._?-]*(?:\s+[A-Za-z][A-Za-z0-9:.-]*(?:=(?:\"[^\"]*\"|'[^']*'))?)*\s*/?>|<!--[^>]*-->", None),
    (r"[\u2018\u201b\u2039\x91]+", None),
    (r"[.,:;'`\"-]|[\u2013-\u2015\x96\x97\u201c\u201d\u2026\xab\xbb\u203a\x92-\x94\u2019]", ""),
]
RULES = [(re.compile(p), a) for p, a in RULES]
_EMOT = str.maketrans({"(": "-lrb-", ")": "-rrb-", "[": "[", "]": "]", " ": "\xa0", "\xad": None})


def scan(text, at):
    best, end, token = at, at + 1, ""
    for rule, action in RULES:
        m = rule.match(text, at)
        if m and m.end() > best:
            best = m.end()
            end = m.end(1) if rule.groups else best
            token = text[at:end] if action is None else ("'" + text[at + 1 : end] if action == "'" else action)
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
