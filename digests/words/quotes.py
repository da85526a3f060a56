"""A panel's paragraphs -> the sentences worth quoting: whole, in the reviewer's own words, best first."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from digests.edition import Quote
from digests.facts import ComparisonFacts, ReviewFacts, ToolFacts, Verdict

#: Characters: a shorter sentence is an exclamation, a longer one a paragraph.
SHORTEST: Final = 25
LONGEST: Final = 220

# What it is worth, in the points used below, to hear of the other tool and from another reviewer.
_OTHER_TOOL: Final = 1.8
_OTHER_VOICE: Final = 0.3

# A sentence ends at . ! or ? (and whatever closes after it) when something that can begin one follows.
_END: Final = re.compile(
    r"""(?<=[.!?])(['"\u2019\u201d)\]`]*)\s+(?=["'\u201c\u2018(\[`]?[A-Z0-9])"""
)
_WHOLE: Final = re.compile(r"""[.!?]['"\u2019\u201d)\]`]*$""")
# ... unless the dot only shortens a word, or an initial.
_SHORTENED: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|no|vol|fig|dr|mr|mrs|ms|st|inc|ltd|co|corp|jr|sr|al)"
    r"|(?:^|[\s(])[A-Z](?:\.[A-Z])*)\.$",
    re.IGNORECASE,
)

# What makes a sentence an opinion that stands by itself...
_OPINION: Final = (
    (re.compile(r"\b(?:ship(?:s|ping|ped)?|skip(?:s|ping|ped)?)\b", re.IGNORECASE), 2.0),
    (
        re.compile(
            r"\bnot (?:a|an|the|just|merely)\b|\b(?:isn|aren|doesn|don|can)['\u2019]t\b",
            re.IGNORECASE,
        ),
        1.2,
    ),
    (re.compile(r"\bno \w+[^,.;]{0,24}, no \w+", re.IGNORECASE), 1.6),
    (re.compile(r"\bbecause\b|\bthe right (?:call|bet)\b|\bcorrect\b", re.IGNORECASE), 0.8),
    (
        re.compile(
            r"\b(?:genuine(?:ly)?|brutal|rare|actually|clean|clear|default|wins?|earns?|beats?)\b",
            re.IGNORECASE,
        ),
        0.6,
    ),
    (
        re.compile(
            r"\b(?:moat|friction|overnight|theat(?:er|re)|give-?away|playbook|margin)\b",
            re.IGNORECASE,
        ),
        0.6,
    ),
    (
        re.compile(r"\bmeans zero\b|\bjust works\b|\bday one\b|\bwithout asking\b", re.IGNORECASE),
        0.8,
    ),
    (re.compile(r"\bthe [A-Z]\w+ of [A-Z]"), 1.8),  # the SQLite of LLMs
    (re.compile(r"—"), 0.3),
)
# ... and what makes it lean on its neighbours, list names, or hedge.
_LEANING: Final = (
    (re.compile(r"^(?:That|This|It|They|These|Those|He|She|We|Both|Either|Neither)\b"), -3.0),
    (
        re.compile(r"^(?:But|And|So|Or|Yet|Which|Also|However|Still|Then|Here|There|Instead)\b"),
        -2.0,
    ),
    (re.compile(r"^(?:Yes|No|Can|Does|Is|Will|Would)\b"), -1.5),
    (
        re.compile(r"\bthis (?:is|where|specific)\b|\bthe same\b|\bthis\b.{0,30}:", re.IGNORECASE),
        -0.4,
    ),
    (
        re.compile(
            r"^(?:Direct competitors?|Category|The category|The buyer|My one gripe|What (?:has to|would))",
            re.IGNORECASE,
        ),
        -2.5,
    ),
    (
        re.compile(
            r"^(?:The dependency|The scenario|The specific scenario|The stress test)", re.IGNORECASE
        ),
        -0.8,
    ),
    (re.compile(r"^(?:The thesis|The second-order effect)\b", re.IGNORECASE), -1.2),
    (re.compile(r"^(?:The moment of truth|The primitive)\b", re.IGNORECASE), -0.5),
    (
        re.compile(
            r"\bI['\u2019]d want\b|\bI want to see\b|\bcautiously\b|\bplausible\b", re.IGNORECASE
        ),
        -1.5,
    ),
    (re.compile(r"`|\bhttps?://"), -2.5),
    (re.compile(r"\([^)]*\)"), -0.7),
    (re.compile(r";"), -0.4),
    (re.compile(r":$|\?$"), -2.0),
)
# A conclusion is worth more than an observation; so is one with the right sign.
_FOR: Final = re.compile(
    r"\b(?:earn(?:s|ed) the ship|i['\u2019]m (?:shipping|calling)|ships? (?:now )?because|right call|"
    r"right bet|clean|genuine|rare|correct|advantage|zero friction|just works|default|infrastructure|wins?|"
    r"credible|composable|viable|real (?:buyer|differentiator|technical|product)|actual moat|"
    r"survives|pays off)\b",
    re.IGNORECASE,
)
_AGAINST: Final = re.compile(
    r"\b(?:skips?|not (?:a|an) (?:\w+ )?(?:business|product|moat|company)|problem|brutal|kills?|breaks?|"
    r"no (?:data|moat|workflow|standalone)|give-?away|cannibali[sz]es|commoditi[sz]es|loses?|terrible|"
    r"cannot|can['\u2019]t|degrade|zero of|wall|risk|expensive|marketing|gripe|leaky|archival|disappears)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    quote: Quote
    worth: float


def sentences(text: str) -> list[str]:
    """*text* as whole sentences, white space made plain; nothing is dropped and nothing cut."""
    return list(_sentences(text))


# A page of the desk asks about each review several times, and its words never change.
@lru_cache(maxsize=2048)
def _sentences(text: str) -> tuple[str, ...]:
    found: list[str] = []
    start = 0
    plain = " ".join(text.split())
    for end in _END.finditer(plain):
        piece = plain[start : end.end(1)]
        if _SHORTENED.search(piece):
            continue
        found.append(piece)
        start = end.end()
    return (*found, plain[start:]) if plain[start:] else tuple(found)


def cases_for(facts: ComparisonFacts) -> tuple[Quote, ...]:
    """What speaks for either tool, strongest first; empty when nobody said anything quotable.

    From reviewers who ship. Where the page names no verdicts, from sentences
    that say it themselves.
    """
    return tuple(dict.fromkeys(found.quote for found in _ranked(facts, wanted=Verdict.ship)))


def dissents_from(facts: ComparisonFacts) -> tuple[Quote, ...]:
    """What speaks against either tool, strongest first; empty when nobody said anything quotable.

    From reviewers who skip. Where none does, or the page names no verdicts,
    the sharpest doubts: a quote's own verdict tells which it is.
    """
    return tuple(dict.fromkeys(found.quote for found in _ranked(facts, wanted=Verdict.skip)))


def voices(
    facts: ComparisonFacts, *, said: Collection[str] = ()
) -> tuple[Quote | None, Quote | None]:
    """The case for and the dissent that read best side by side; None where there is none.

    Texts in *said* stand elsewhere in the edition and are taken only when
    nothing else is left. The case is about the other tool, if it can be, so
    that both sides of the comparison are heard.
    """
    against = _unsaid(_ranked(facts, wanted=Verdict.skip), said)
    dissent = against[0].quote if against else None
    taken = {dissent.text} if dissent else set()
    favour = [c for c in _ranked(facts, wanted=Verdict.ship) if c.quote.text not in taken]
    favour = _unsaid(favour, said)
    if not favour or dissent is None:
        return (favour[0].quote if favour else None), dissent
    best = max(
        favour,
        key=lambda c: (
            c.worth
            + (_OTHER_TOOL if c.quote.tool != dissent.tool else 0.0)
            + (_OTHER_VOICE if c.quote.reviewer != dissent.reviewer else 0.0)
        ),
    )
    return best.quote, dissent


def best_of(tool: ToolFacts, review: ReviewFacts) -> Quote | None:
    """The one sentence of *review* that reads best by itself; None when it has none that does."""
    wanted = review.verdict or Verdict.ship
    found = list(_candidates(tool, review, wanted=wanted, must_say_so=False))
    return max(found, key=lambda candidate: candidate.worth).quote if found else None


def _unsaid(candidates: list[_Candidate], said: Collection[str]) -> list[_Candidate]:
    return [c for c in candidates if c.quote.text not in said] or candidates


def _ranked(facts: ComparisonFacts, *, wanted: Verdict) -> list[_Candidate]:
    sides = [(tool, review) for tool in facts.tools for review in tool.reviews]
    chosen = [(tool, review) for tool, review in sides if review.verdict is wanted]
    must_say_so = not chosen
    if must_say_so:
        # A shipping reviewer's doubt is still a doubt; a skipping one's faint praise is no case.
        chosen = [
            (tool, review)
            for tool, review in sides
            if review.verdict is None or wanted is Verdict.skip
        ]
    found = [
        candidate
        for tool, review in chosen
        for candidate in _candidates(tool, review, wanted=wanted, must_say_so=must_say_so)
    ]
    # Sorting is stable: among equals the page's own order decides, on every machine.
    return sorted(found, key=lambda candidate: -candidate.worth)


def _candidates(
    tool: ToolFacts, review: ReviewFacts, *, wanted: Verdict, must_say_so: bool
) -> Iterator[_Candidate]:
    said = sentences(review.text)
    for place, sentence in enumerate(said):
        if not SHORTEST <= len(sentence) <= LONGEST or not _WHOLE.search(sentence):
            continue
        leaning = _leaning(sentence, wanted)
        if must_say_so and leaning <= 0:
            continue
        worth = 1.2 * max(-2.0, min(2.0, leaning)) + _quotability(sentence)
        worth += _conviction(review, wanted=wanted)
        worth += 0.5 if place == len(said) - 1 else 0.0  # reviewers end on their verdict
        quote = Quote(
            text=sentence,
            tool=tool.name,
            reviewer=review.reviewer,
            score=review.score,
            verdict=review.verdict,
        )
        yield _Candidate(quote, worth)


@lru_cache(maxsize=8192)
def _leaning(sentence: str, wanted: Verdict) -> float:
    sign, other = (_FOR, _AGAINST) if wanted is Verdict.ship else (_AGAINST, _FOR)
    return len(sign.findall(sentence)) - 0.8 * len(other.findall(sentence))


@lru_cache(maxsize=8192)
def _quotability(sentence: str) -> float:
    opinion = sum(weight for sign, weight in _OPINION if sign.search(sentence))
    leaning = sum(weight for sign, weight in _LEANING if sign.search(sentence))
    # Best at 60 to 130 characters; beyond, each further line of a phone costs.
    length = len(sentence)
    too_much = max(0, length - 130) / 45
    too_little = max(0, 60 - length) / 15
    names = len(re.findall(r"\b[A-Z]\w*[0-9][\w.]*", sentence))  # GPT4o, Qwen2.5: a list of models
    return min(opinion, 4.0) + leaning - too_much - too_little - 0.5 * max(0, names - 1)


def _conviction(review: ReviewFacts, *, wanted: Verdict) -> float:
    """How far the score goes the wanted way: 90 for a ship, 20 for a skip, are about one point."""
    if review.score is None:
        return 0.0
    distance = review.score - 50 if wanted is Verdict.ship else 50 - review.score
    return distance / 40
