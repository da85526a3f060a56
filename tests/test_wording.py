"""What an edition says: only what the pages say, in the reviewers' words, as an editor would put it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from digests.edition import Entry
from digests.facts import ComparisonFacts, PanelFacts, ReviewFacts, ToolFacts, Verdict
from digests.words.quotes import LONGEST, cases_for, dissents_from, sentences
from digests.words.wording import (
    entry,
    label_of,
    opening_of,
    preheader_of,
    subject_of,
    suggestions,
    without_repeats,
)
from tests.support.effort import examples
from tests.support.mails import MIXED, SHIP, SKIP, a_pair, a_review, a_tool, entries, the_pages


def told(*pages: ComparisonFacts) -> tuple[str, str, str]:
    known = entries(*pages)
    return subject_of(known), preheader_of(known), opening_of(known)


def test_a_week_of_real_pages_reads_as_if_an_editor_had_written_it() -> None:
    subject, preheader, opening = told(*the_pages())

    assert subject == "Everyone ships SmolVLM2-2B except the Founder"
    assert preheader == (
        "“Ships as a technical artifact, skips as a business foundation.” — the Founder"
    )
    assert opening == (
        "Three comparisons this week, five tools between them, and the panel would ship every one. "
        "Both dissents are the Founder’s, on SmolVLM2-2B and Mistral 3 Small. "  # noqa: RUF001 - as it is printed
        "All but Mistral Large 3 are free to start."
    )
    assert suggestions(entries(*the_pages())) == (
        "SmolVLM2-2B 75%, Mistral 8B Instruct v3 100%",
        "All four reviewers ship Mistral 8B Instruct v3",
        "The Founder says skip, twice. The rest say ship.",
    )


def test_both_sides_of_a_real_comparison_are_heard_in_their_reviewers_own_words() -> None:
    page, *_ = the_pages()

    known = entry(page, address="https://shiporskip.example/compare/x")

    assert known.case is not None
    assert known.dissent is not None
    assert (known.case.tool, known.case.reviewer, known.case.score, known.case.verdict) == (
        "Mistral 8B Instruct v3",
        "Futurist",
        85,
        SHIP,
    )
    assert known.case.text.startswith(
        "The future state where this is infrastructure: it's the SQLite"
    )
    assert known.dissent.text == "Ships as a technical artifact, skips as a business foundation."
    assert (known.dissent.reviewer, known.dissent.score, known.dissent.verdict) == (
        "Founder",
        52,
        SKIP,
    )


def test_every_quote_from_the_real_pages_is_a_whole_sentence_of_the_review_it_names() -> None:
    for page in the_pages():
        for quote in (*cases_for(page), *dissents_from(page)):
            (tool,) = (tool for tool in page.tools if tool.name == quote.tool)
            sources = [
                review
                for review in tool.reviews
                if (review.reviewer, review.score, review.verdict)
                == (quote.reviewer, quote.score, quote.verdict)
            ]
            assert any(quote.text in sentences(review.text) for review in sources)
            assert len(quote.text) <= LONGEST


def test_an_extract_without_verdicts_gives_quotes_without_names_scores_or_verdicts() -> None:
    extract = the_pages()[2]

    known = entry(extract, address="https://shiporskip.example/compare/x")

    assert known.case is not None
    assert known.dissent is not None
    for quote in (known.case, known.dissent):
        assert (quote.reviewer, quote.score, quote.verdict) == (None, None, None)
    assert "I'm shipping because" in known.case.text
    assert "skips as a business foundation" in known.dissent.text


def test_an_extract_by_itself_claims_no_verdict_of_the_panel() -> None:
    subject, preheader, opening = told(the_pages()[2])

    assert subject == "SmolVLM2-2B 75%, Mistral Large 3 100%"
    assert "the" not in preheader.rpartition("”")[2]
    assert opening == (
        "One comparison this week, SmolVLM2-2B against Mistral Large 3. "
        "SmolVLM2-2B is free to start, Mistral Large 3 is not."
    )


def test_a_tool_compared_twice_in_a_week_is_not_quoted_twice_with_the_same_words() -> None:
    page, _, extract = the_pages()
    repeated = [entry(known, address="https://shiporskip.example") for known in (page, extract)]
    assert repeated[0].dissent is not None
    assert repeated[1].dissent is not None
    assert repeated[0].dissent.text == repeated[1].dissent.text

    first, second = without_repeats(repeated)

    assert first == repeated[0]
    assert second.dissent is not None
    assert second.dissent.text.startswith("If you're building on top of SmolVLM2-2B")


def test_a_sentence_that_leans_on_the_one_before_is_passed_over_for_one_that_stands() -> None:
    leaning = "That is the only reason why anybody should ship it and be happy with the result."
    standing = "The licence is the only reason why anybody should ship it and be happy with it."
    page = a_pair(
        a_tool("A").model_copy(update={"reviews": (a_review(text=f"{leaning} {standing}"),)}),
        ToolFacts(name="B"),
    )

    assert [quote.text for quote in cases_for(page)] == [standing, leaning]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apache 2.0 is fine. GPT-4o is not.", ["Apache 2.0 is fine.", "GPT-4o is not."]),
        ("It costs $0.01 vs. $0.02 here. Fair.", ["It costs $0.01 vs. $0.02 here.", "Fair."]),
        ("Is it open? No — it is not.", ["Is it open?", "No — it is not."]),
        (
            "They say 'it must be local.' SmolVLM2 is.",
            ["They say 'it must be local.'", "SmolVLM2 is."],
        ),
        ("Use J. Doe's build, e.g. Qwen.", ["Use J. Doe's build, e.g. Qwen."]),
        ("One\nsentence over\ntwo lines.", ["One sentence over two lines."]),
        ("No end", ["No end"]),
        ("", []),
    ],
)
def test_a_text_is_cut_at_its_sentences_and_nowhere_else(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_page_on_which_nobody_says_anything_quotable_gets_no_quotes() -> None:
    page = a_pair(
        a_tool("A").model_copy(update={"reviews": (a_review(text="Good."),)}), ToolFacts(name="B")
    )

    known = entry(page, address="https://shiporskip.example")

    assert (known.case, known.dissent) == (None, None)


def test_where_everyone_ships_the_other_voice_is_a_doubt_and_not_a_dissent() -> None:
    doubt = "The problem is that nobody can say what any of it will cost in a year."
    page = a_pair(
        a_tool("A"), a_tool("B").model_copy(update={"reviews": (a_review(SHIP, text=doubt),)})
    )

    known = entry(page, address="https://shiporskip.example")

    assert known.dissent is not None
    assert known.dissent.text == doubt
    assert label_of(known, known.dissent) == "The doubt"


def test_a_skip_is_a_dissent_from_a_panel_that_ships_and_the_case_against_from_one_that_skips() -> (
    None
):
    shipped = entry(a_pair(a_tool("A", verdicts=(SHIP, SHIP, SKIP)), a_tool("B")), address="")
    skipped = entry(a_pair(a_tool("A", verdicts=(SKIP, SKIP, SHIP)), a_tool("B")), address="")

    assert shipped.dissent is not None
    assert skipped.dissent is not None
    assert label_of(shipped, shipped.dissent) == "The dissent"
    assert label_of(skipped, skipped.dissent) == "The case against"


def test_a_tool_that_nobody_ships_has_no_case_for_it_unless_its_rival_has() -> None:
    hopeless = a_tool("A", verdicts=(SKIP, SKIP))

    assert entry(a_pair(hopeless, a_tool("B")), address="").case is not None
    assert entry(a_pair(hopeless, a_tool("C", verdicts=(SKIP,))), address="").case is None


def test_a_skip_by_the_panel_is_the_news() -> None:
    subject, _, opening = told(
        a_pair(a_tool("Alpha", verdicts=(SKIP, SKIP, SKIP, SHIP)), a_tool("Beta"))
    )

    assert subject == "Skip Alpha, says the panel, three to one"
    assert opening.startswith(
        "One comparison this week, Alpha against Beta: the panel ships Beta and skips Alpha. "
        "The only dissent is the Founder’s, on Alpha."  # noqa: RUF001 - as it is printed
    )


def test_a_unanimous_week_says_so() -> None:
    subject, _, opening = told(
        a_pair(a_tool("A", entry="Paid"), a_tool("B", entry="Paid")),
        a_pair(a_tool("C", entry="Paid"), a_tool("D", entry="Paid")),
    )

    assert subject == "All four reviewers ship A"
    assert opening == (
        "Two comparisons this week, four tools, and the panel would ship every one. "
        "Not one reviewer dissents. None of them is free to start."
    )


def test_several_dissenters_are_counted_by_name() -> None:
    _, _, opening = told(
        a_pair(a_tool("A", verdicts=(SHIP, SHIP, SHIP, SKIP)), a_tool("B")),
        a_pair(a_tool("C", verdicts=(SHIP, SHIP, SHIP, SKIP)), a_tool("D")),
        a_pair(a_tool("E", verdicts=(SHIP, SKIP, SHIP, SHIP)), a_tool("F")),
    )

    assert "Three dissents: two from the Founder and one from the Skeptic." in opening


def test_a_divided_panel_is_called_divided() -> None:
    subject, _, opening = told(a_pair(a_tool("A", verdicts=(SHIP, SKIP)), a_tool("B")))

    assert subject == "A 50%, B 100%"
    assert "the panel ships B and is divided over A" in opening


def test_dissents_that_a_page_counts_without_naming_anybody_are_counted_and_not_named() -> None:
    tool = ToolFacts(name="A", panel=PanelFacts(verdict=SHIP, ships=3, skips=1))

    subject, _, opening = told(a_pair(tool, a_tool("B")))

    assert subject == "All but one ship A"
    assert "It is not of one mind: one dissent." in opening


def test_a_comparison_that_comes_back_says_what_changed_before_anything_else() -> None:
    page, other, _ = the_pages()
    back = entry(
        page, address="", changes=["The panel now ships SmolVLM2-2B with 75%, up from 50%."]
    )

    known = (back, entry(other, address=""))

    assert preheader_of(known) == "The panel now ships SmolVLM2-2B with 75%, up from 50%."
    assert "SmolVLM2-2B against Mistral 8B Instruct v3 is back: read what changed." in opening_of(
        known
    )


def test_a_name_full_of_markdown_stands_in_the_opening_as_it_is_written() -> None:
    _, _, opening = told(a_pair(a_tool("*snake_case*"), a_tool("[B](https://evil.example)")))

    assert r"\*snake\_case\* against \[B\](https://evil.example)" in opening


def test_names_too_long_for_a_subject_leave_it_to_the_figures() -> None:
    long = "An Exceedingly Long Name For A Tool That Nobody Would Ever Say Aloud"

    subject, _, _ = told(a_pair(a_tool(long, entry=None, pricing=None), a_tool(f"{long} Two")))

    assert subject == "Two tools, and not one dissent"


names = st.text(st.characters(categories=("L", "M", "N", "P", "S")), min_size=1, max_size=60)
verdicts = st.none() | st.sampled_from([SHIP, SKIP])
reviews = st.builds(
    ReviewFacts,
    reviewer=st.none(),
    score=st.none() | st.integers(0, 100),
    verdict=verdicts,
    text=st.text(
        st.characters(categories=("L", "M", "N", "P", "S", "Zs")), min_size=1, max_size=120
    ).filter(str.strip),
)
tools = st.builds(
    ToolFacts,
    name=names,
    entry=st.none() | st.sampled_from(["Free", "Paid", "Free trial", "$20/mo"]),
    pricing=st.none() | st.just("Free (Apache 2.0)"),
    panel=st.builds(
        PanelFacts,
        verdict=st.none() | st.sampled_from([SHIP, SKIP, MIXED]),
        ship_percent=st.none() | st.integers(0, 100),
        ships=st.none() | st.integers(0, 5),
        skips=st.none() | st.integers(0, 5),
    ),
    reviews=st.lists(reviews, max_size=3).map(tuple),
)


pairs = (
    st.tuples(tools, tools)
    .filter(lambda pair: pair[0].slug != pair[1].slug)
    .map(lambda pair: a_pair(*pair))
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(pairs, min_size=1, max_size=4), st.sampled_from([1, 2, 12]))
def test_any_week_of_one_to_fifty_comparisons_gets_lines_that_fit_an_inbox(
    pages: list[ComparisonFacts], times: int
) -> None:
    known: tuple[Entry, ...] = entries(*pages * times)

    subjects = (subject_of(known), *suggestions(known))
    assert len(set(subjects)) == 4
    assert all(0 < len(line) <= 60 and line.splitlines() == [line] for line in subjects)
    assert 0 < len(preheader_of(known)) <= 90
    assert opening_of(known).endswith(".")
    words = opening_of(known).replace("None of them is free", "")
    assert not any(word in words for word in ("None", "no comparison", "one tools"))
    for told_of in known:
        for quote in filter(None, (told_of.case, told_of.dissent)):
            said = [review.text for tool in told_of.facts.tools for review in tool.reviews]
            assert any(quote.text in sentences(text) for text in said)


def test_the_same_week_is_told_in_the_same_words_every_time() -> None:
    assert told(*the_pages()) == told(*the_pages())


def test_a_verdict_is_a_word_of_the_reviewer_and_never_of_ours() -> None:
    assert {quote.verdict for quote in dissents_from(the_pages()[0])} == {Verdict.skip}
    assert {quote.verdict for quote in cases_for(the_pages()[0])} == {Verdict.ship}
