"""Facts of any kind for the property tests: what a site could print, awkward as it may be."""

from hypothesis import strategies as st

from digests.facts import (
    ComparisonFacts,
    DetailFacts,
    PanelFacts,
    ReviewFacts,
    ToolFacts,
    Verdict,
    slug_of,
)

REVIEWERS = ("Builder", "Skeptic", "Futurist", "Founder", "Creator", "Red-Teamer", "Dr. No")
_LETTERS = st.characters(
    codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="\u2028"
)
_SPICE = (
    "\u201cquoted\u201d",
    "'so'",
    '"x"',
    "100%",
    "$20/mo",
    "\u2014",
    "vs",
    "na\u00efve",
    "C++",
)
_WORDS = st.one_of(st.text(_LETTERS, min_size=1, max_size=8), st.sampled_from(_SPICE))


def sentences() -> st.SearchStrategy[str]:
    """A paragraph as reviewers write them."""
    return st.lists(_WORDS, min_size=4, max_size=12).map(lambda words: f"It {' '.join(words)}.")


def prose() -> st.SearchStrategy[str]:
    return st.lists(sentences(), min_size=1, max_size=3).map("\n\n".join)


def names() -> st.SearchStrategy[str]:
    """Tools' names, some with the word that also parts them in a title."""
    words = st.lists(
        st.one_of(
            st.text("abcXYZ019", min_size=1, max_size=6),
            st.sampled_from(["Mistral", "vs", "v3.5", "C++", "AI", "\u6587\u5fc3", "-2B", "&"]),
        ),
        min_size=1,
        max_size=4,
    )
    return words.map(lambda some: f"T{' '.join(some)}")


def percents() -> st.SearchStrategy[float]:
    return st.one_of(st.integers(0, 100), st.sampled_from([66.7, 33.3, 12.5]))


@st.composite
def tools(draw: st.DrawFn) -> ToolFacts:
    name = draw(names())
    tagline = draw(st.one_of(st.none(), st.just(name), sentences()))
    panel = st.integers(0, 9)
    known_split = draw(st.booleans())
    reviewers = draw(st.lists(st.sampled_from(REVIEWERS), unique=True, max_size=5))
    return ToolFacts(
        name=name,
        category=draw(
            st.sampled_from(["Developer Tools", "AI", "Community", "Design & Art", name])
        ),
        tagline=tagline,
        entry=draw(st.sampled_from([None, "Free", "Paid", "Freemium", "$20/mo", "From \u20ac9"])),
        description=draw(prose()),
        pricing=draw(
            st.one_of(st.none(), sentences(), st.sampled_from(["Free", "$20/mo | $200/mo"]))
        ),
        best_for=draw(st.one_of(st.none(), st.just(tagline), sentences())),
        community=draw(st.sampled_from([None, "No community votes yet"])),
        panel=PanelFacts(
            verdict=draw(st.sampled_from(list(Verdict))),
            ship_percent=draw(st.one_of(st.none(), percents())),
            ships=draw(panel) if known_split else None,
            skips=draw(panel) if known_split else None,
        ),
        details=tuple(
            DetailFacts(label=label, text=draw(sentences()))
            for label in draw(st.sampled_from([(), ("Licence",), ("Licence", "Context window")]))
        ),
        reviews=tuple(
            ReviewFacts(
                reviewer=reviewer,
                score=draw(st.one_of(st.none(), st.integers(0, 100))),
                verdict=draw(st.one_of(st.none(), st.sampled_from(list(Verdict)))),
                text=draw(prose()),
            )
            for reviewer in reviewers
        ),
    )


@st.composite
def comparisons(draw: st.DrawFn) -> ComparisonFacts:
    left = draw(tools())
    right = draw(tools().filter(lambda tool: tool.slug != left.slug))
    title = f"{left.name} vs {right.name}"
    return ComparisonFacts(
        slug=slug_of(title),
        title=title,
        summary=draw(st.one_of(st.none(), sentences().map(lambda s: f"{s} {'And so on.' * 6}"))),
        tools=(left, right),
    )
