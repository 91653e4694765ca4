"""Words that pycocoevalcap's Stanford PTB tokeniser treats specially, determined by trying all short words."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


TITLES = _words("""
    adj adm adv alex asst atty ave brig capt cf cie cmdr col cpl dept det dr drs elec ens ft gen gov govs hon
    insp invt jos lt maj messrs mlle mme mr mrs ms msgr mt natl pfc ph pres prof pvt rep reps rev sen sens sfc
    sgt spc st ste supt vs wm
""")
"""Abbreviations, in upper or lower case, that rarely end a sentence."""

ABBREVIATIONS = _words("""
    al ala apr ariz assn aug bhd bldg blvd bros calif co colo conn corp cos ct dak dec ed.d esq est etc ext
    feb fla fri ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev nov oct
    okla penn ph.d plc rd rt sep sept seq sq sr sys tel tenn thu thurs tue tues univ va vt wed wis wisc wyo
""")
"""Abbreviations, in upper or lower case, that may end a sentence."""

CAPITAL_ABBREVIATIONS = _words("ark az del ill la mass miss ore pa tex wash")
"""Abbreviations that may end a sentence, only with a capital first letter."""

NUMBER_ABBREVIATIONS = _words("art ca fig figs no nos op p pp prop")
"""Abbreviations, in upper or lower case, only before a number."""

STARTERS = _words("""
    A About After An As At But He Her Here However If In It Last Many More Now Once One Other Our She Since So
    Some Such That The Their Then There These They This We What When While Yet You Mr. Ms.
""")
"""Words that begin a sentence. A single letter and a period before such a word are two tokens."""

FILE_EXTENSIONS = _words("""
    bat bmp c cgi class cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl png ppt ps
    py sql tar txt wav x xml zip
""")
"""Extensions of file names."""

SPLIT = {
    "cannot": ["can", "not"],
    "gonna": ["gon", "na"],
    "gotta": ["got", "ta"],
    "wanna": ["wan", "na"],
    "lemme": ["lem", "me"],
    "gimme": ["gim", "me"],
}
"""Words that are split into two tokens."""
