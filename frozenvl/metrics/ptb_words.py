"""Words that the Stanford PTB tokeniser of pycocoevalcap treats apart, as observed by trying all short words."""

from __future__ import annotations

ABBREVIATIONS = """
    adj adm adv al ala alex apr ariz assn asst atty aug ave bhd bldg blvd brig bros calif capt cf cie cmdr co col
    colo conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga gen gov govs hon
    inc ind insp intl invt jan jos jr jul jun kan kans ky lt ltd maj mar md messrs mfg mich minn mlle mme mo mon
    mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph plc ppte ppty pres prof pte ptes pty ptys pvt
    rd rep reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt sys tel tenn thu thurs tue tues univ va
    vs vt wed wis wisc wm wyo
""".split()
"""Keep their period wherever they stand."""

CAPITAL_ABBREVIATIONS = "ark az del ill la mass miss ore pa tex wash".split()
"""Keep it only with a capital letter."""

NUMBER_ABBREVIATIONS = "art ca fig figs no nos op p pp prop".split()
"""Keep it only before a number."""

SPLIT = {
    whole: [whole[:cut], whole[cut:]]
    for whole, cut in {"cannot": 3, "gonna": 3, "gotta": 3, "wanna": 3, "lemme": 3, "gimme": 3}.items()
}
"""Words that become two tokens."""
