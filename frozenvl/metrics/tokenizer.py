"""Penn Treebank tokenisation of captions, token for token as pycocoevalcap's Java tokeniser does it."""

from __future__ import annotations

import re
from functools import lru_cache

from frozenvl.metrics import ptb_characters as characters

PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)

_L = "A-Za-z" + characters.character_class(characters.LETTERS)
_M = characters.character_class(characters.MARKS)
_S = characters.character_class(characters.SYMBOLS)
_Q = "['\x92\u2019]"
W = f"[{_L}{_M}][{_L}{_M}0-9\xad]*"
AN = f"[{_L}0-9][{_L}0-9\xad]*"
V = "aeiouyAEIOUY"
ABBR = """adj adm adv al ala alex apr ariz assn asst atty aug ave bhd bldg blvd brig bros capt cf cie cmdr co col
colo conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga gen gov govs hon inc
ind insp intl invt jan jos jr jul jun kan kans ky lt ltd maj mar md mfg mich minn mlle mme mo mon mont mr mrs ms msgr mt mtg
natl neb nev nov oct okla penn pfc ph plc ppte ppty pres prof pte ptes pty ptys pvt rd rep reps rev rt sen sens sep sept seq sfc
sgt spc sq sr st ste supt sys tel tenn thu tue tues univ va vs vt wed wis wisc wm wyo thurs calif messrs""".split()
CAP = "az la pa ark del ill ore tex wash mass miss".split()
NUMABBR = "ca no op pp art fig figs nos prop p".split()


def cased(ws):
    return "|".join(sorted({f(w) for w in ws for f in (str.lower, str.capitalize, str.upper)}, key=len, reverse=True))


def capped(ws):
    return "|".join(sorted({f(w) for w in ws for f in (str.capitalize, str.upper)}, key=len, reverse=True))


NUM = r"[0-9]*(?:[.,:\xad][0-9]+)+|[0-9]+"
RULES = [
    (rf"{W}", None),
    (rf"({W}?)(?=[nN]['`\x92\u2019][tT])", None),
    (rf"({W})(?={_Q}(?:[sSdDmM]|ll|LL|re|RE|ve|VE)(?![A-Za-z]))", None),
    (rf"[nN]['`\x92\u2019][tT]", None),
    (rf"{_Q}(?:[sSdDmM]|ll|LL|re|RE|ve|VE)(?![A-Za-z])", None),
    (rf"[dlnoDLNOJ]{_Q}[{_L}][{_L}]+", None),
    (rf"[A-Za-z]+[{V}]{_Q}[aeiouA-Z][A-Za-z]*", None),
    (rf"{AN}(?:[-_/]{AN})+", None),
    (rf"{W}(?:[.!?]{W})+", None),
    (rf"{AN}", None),
    (rf"[-+]?(?:{NUM})", None),
    (rf"(?:[A-Za-z]\.)+", None),
    (rf"(?:{cased(ABBR)}|{capped(CAP)})\.", None),
    (rf"((?:{cased(NUMABBR)})\.)(?=\s*[0-9])", None),
    (rf"({W}\.)(?=[,;:])", None),
    (r"[A-Z]+(?:&[A-Z]+)+", None),
    (r"[$\x80\u20ac\xa4\u20a0]", "$"),
    (r"\xa3", "#"),
    (r"\xa2", "cents"),
    (r"\(", "-lrb-"), (r"\)", "-rrb-"), (r"\[", "-lsb-"), (r"\]", "-rsb-"), (r"\{", "-lcb-"), (r"\}", "-rcb-"),
    (rf"[{_S}]", None),
    (r"\*+|<<|>>|#+|_+", None),
    (r"&(?:amp|AMP);?", "&"), (r"&(?:lt|LT);?", "<"), (r"&(?:gt|GT);?", ">"),
    ("\xbc", "1/4"), ("\xbd", "1/2"), ("\xbe", "3/4"), ("\u2153", "1/3"), ("\u2154", "2/3"),
    (r"[@#][A-Za-z]+", None),
    (r"</?[A-Za-z!?][A-Za-z0-9:._-]*(?:\s[A-Za-z]+)*\s*/?>", None),
    (r"[!?]+|[@\\%^~|=/+&]", None),
    (r"[.,:;!?'`\"-]+|[\u2013-\u2015\x96\x97\u2018-\u201d\u2026\xab\xbb\u2039\u203a]+", ""),
]
RULES = [(re.compile(p), a) for p, a in RULES]
SPLITS = {}
for a, b in ("can not", "gon na", "got ta", "wan na", "lem me", "gim me", "d' ye") and [x.split() for x in ("can not", "gon na", "got ta", "wan na", "lem me", "gim me")]:
    SPLITS[a + b] = [a, b]


def tokenize(caption: str) -> list[str]:
    text = re.sub("[\n\r\v\f\u2028\u2029]", " ", caption)
    tokens = []
    at = 0
    while at < len(text):
        best, token, end = 0, None, at + 1
        for rule, action in RULES:
            m = rule.match(text, at)
            if m:
                stop = m.end()
                total = stop
                if stop > best or False:
                    best = stop
                    end = m.end(1) if rule.groups else stop
                    token = text[at:end] if action is None else action
        if token:
            token = token.lower().replace("\xad", "")
            tokens += SPLITS.get(token, [token])
        at = max(end, at + 1)
    return [t for t in tokens if t not in PUNCTUATION]
