"""What a compare page says arrives, exactly; what it does not say stays unknown."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digests.facts import ComparisonFacts, DetailFacts, PanelFacts, ReviewFacts, Verdict, slug_of
from digests.reading.page_lines import PageRefused
from digests.reading.pages import MOST_LINES, read_page
from tests.support.effort import examples
from tests.support.facts_strategies import comparisons
from tests.support.page_printer import Manner, as_extract_says, extract, full_page

EXAMPLES: Final = Path(__file__).parent.parent / "newsletter" / "examples"
DATA: Final = Path(__file__).parent / "data" / "pages"
FULL: Final = (EXAMPLES / "smolvlm2-2b-vs-mistral-8b-instruct-v3.txt").read_text()
OTHER_FULL: Final = (EXAMPLES / "smolvlm2-vs-mistral-3-small.txt").read_text()
EXTRACT: Final = (EXAMPLES / "smolvlm2-2b-vs-mistral-large-3.txt").read_text()

#: Generated pages are long; what counts is that each comes back.
THOROUGH: Final = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

Edit = Callable[[str], str]


@pytest.mark.parametrize("page", [FULL, OTHER_FULL])
def test_a_full_page_can_be_written_again_from_its_facts_to_the_letter(page: str) -> None:
    facts = read_page(page)

    assert full_page(facts) == page


def test_an_extract_can_be_written_again_from_its_facts_to_the_letter() -> None:
    facts = read_page(EXTRACT)

    manner = Manner(gap="\n", dash="\u2014")
    assert extract(facts, manner) == EXTRACT


def test_both_tools_of_a_full_page_arrive() -> None:
    facts = read_page(FULL)
    left, right = facts.tools

    assert facts.slug == "smolvlm2-2b-vs-mistral-8b-instruct-v3"
    assert facts.title == "SmolVLM2-2B vs Mistral 8B Instruct v3"
    assert left.model_dump(exclude={"description", "reviews"}) == {
        "name": "SmolVLM2-2B",
        "category": "Developer Tools",
        "tagline": "2B-parameter vision-language model that runs on your device, not theirs",
        "entry": "Free",
        "pricing": "Free / Open weights (Apache 2.0)",
        "best_for": "2B-parameter vision-language model that runs on your device, not theirs",
        "community": "No community votes yet",
        "community_percent": None,
        "panel": {"verdict": "ship", "ship_percent": 75, "ships": 3, "skips": 1},
        "details": (),
    }
    assert right.name == "Mistral 8B Instruct v3"
    assert right.panel == PanelFacts(verdict=Verdict.ship, ship_percent=100, ships=4, skips=0)
    assert right.pricing == (
        "Free (Apache 2.0 open weights) / Hosted inference via Mistral API on paid tiers"
    )


def test_each_reviewer_of_a_full_page_arrives_with_score_verdict_and_whole_text() -> None:
    left, right = read_page(FULL).tools

    assert [(r.reviewer, r.score, r.verdict) for r in left.reviews] == [
        ("Builder", 88, "ship"),
        ("Skeptic", 78, "ship"),
        ("Futurist", 82, "ship"),
        ("Founder", 52, "skip"),
    ]
    assert [r.score for r in right.reviews] == [88, 82, 85, 74]
    assert left.reviews[3].text.startswith("The buyer here is a developer who integrates this")
    assert left.reviews[3].text.endswith(
        "Ships as a technical artifact, skips as a business foundation."
    )


def test_an_extract_has_no_names_scores_or_prices_and_none_are_invented() -> None:
    left, right = read_page(EXTRACT).tools

    assert {r.reviewer for t in (left, right) for r in t.reviews} == {None}
    assert {r.score for t in (left, right) for r in t.reviews} == {None}
    assert (left.pricing, left.best_for, left.community) == (None, None, None)
    assert left.panel == PanelFacts(ship_percent=75)
    assert (left.entry, right.entry) == ("Free", "Paid")


def test_an_extracts_reviews_stand_left_and_right_in_turn_without_their_quotation_marks() -> None:
    left, right = read_page(EXTRACT).tools

    assert [r.text[:20] for r in left.reviews] == [
        "The primitive is cle",
        "Direct competitors a",
        "The thesis this mode",
        "The buyer here is a ",
    ]
    assert right.reviews[1].text.startswith("Category: frontier LLM API")
    assert right.reviews[3].text.endswith("to keep blowing.")


def test_a_page_with_every_oddity_at_once_arrives_whole() -> None:
    facts = read_page((DATA / "divided-panel.txt").read_text())
    left, right = facts.tools

    assert (left.name, right.name) == ("Kirk vs Spock", "C++ Copilot")
    assert left.panel == PanelFacts(verdict=Verdict.mixed, ship_percent=66.7, ships=2, skips=1)
    assert right.panel == PanelFacts(verdict=Verdict.skip, ship_percent=33, ships=1, skips=2)
    assert (left.community, left.community_percent) == ("62% ship \u00b7 13 votes", 62)
    assert (right.community, right.community_percent) == ("No community votes yet", None)
    assert (left.entry, right.entry) == ("Freemium", "$20/mo")
    assert (left.pricing, right.pricing) == ("Free tier / $12/mo Pro", "$20/mo - $200/yr")
    assert (right.tagline, right.best_for) == ("C++ Copilot", "C++ Copilot")
    assert left.details == (DetailFacts(label="Licence", text="MIT"),)
    assert left.description == (
        "Kirk vs Spock stages a debate between two agents and keeps whatever survives.\n\n"
        "It runs in a terminal, and \u201clogs everything\u201d to a file."
    )
    assert left.reviews == (
        ReviewFacts(
            reviewer="Builder",
            score=81,
            verdict=Verdict.ship,
            text="The debate is a real primitive.\n\n"
            'The second paragraph says "why": it caught a race that I had missed.',
        ),
        ReviewFacts(
            reviewer="Dr. No",
            score=39,
            verdict=Verdict.skip,
            text="\u201cTwo agents, one invoice,\u201d as my accountant says.",
        ),
        ReviewFacts(
            reviewer="Futurist",
            score=77,
            verdict=Verdict.ship,
            text="By 2027 every pull request is an argument.",
        ),
    )
    assert [r.reviewer for r in right.reviews] == ["Builder", "Futurist", "Red-Teamer"]


SAME_FACTS: Final[dict[str, Edit]] = {
    "Windows line ends": lambda page: page.replace("\n", "\r\n"),
    "old Macintosh line ends": lambda page: page.replace("\n", "\r"),
    "a byte order mark": lambda page: "\ufeff" + page,
    "blank lines at both ends": lambda page: f"\n\n \t\n{page}\n\n\u00a0\n",
    "blank space at the ends of lines": lambda page: page.replace("\n", " \u00a0\t\n"),
    "doubled blank lines": lambda page: page.replace("\n\n", "\n\n\n"),
    "no breadcrumb": lambda page: page.partition("\n\n")[2],
    "a breadcrumb with spaces": lambda page: page.replace("Compare/", "Compare / ", 1),
    "no heading": lambda page: page.replace("AI tool comparison\n\n", "", 1),
    "no logos": lambda page: page.replace("\n\nS\n\n", "\n\n", 1).replace("\n\nM\n\n", "\n\n", 1),
    "longer logos": lambda page: page.replace("\nS\n", "\nSm\n", 1).replace("\nM\n", "\nM8I\n", 1),
    "pictures for logos": lambda page: page.replace("\nS\n", "\n\U0001f917\n", 1).replace(
        "\nM\n", "\nXYZ\n", 1
    ),
    "a count of bookmarks": lambda page: page.replace("\nBookmarks\n", "\nBookmarks (0)\n"),
    "bars for dots": lambda page: page.replace(" \u00b7 ", " | "),
    "hyphens for dots": lambda page: page.replace(" \u00b7 ", " - "),
    "capital verdicts": lambda page: page.replace("/100 \u00b7 s", "/100 \u00b7 S"),
    "spaced scores": lambda page: page.replace("/100", " / 100"),
    "dashes for what the top does not say": lambda page: page.replace(
        "Panel ship\n\nCommunity", "Panel ship\n\n\u2014\n\nCommunity"
    ),
    "no signup and no bookmarks": lambda page: page.partition("\n\nWeekly AI Tool")[0],
    "no bookmarks": lambda page: page.partition("\n\nBookmarks")[0],
    "bookmarks that somebody kept": lambda page: page.replace(
        "No bookmarks yet\n\nBookmark tools to save them for later", "Cursor\n\nFree\n\n75%"
    ),
}


@pytest.mark.parametrize("edit", SAME_FACTS.values(), ids=SAME_FACTS)
def test_a_page_set_differently_says_the_same(edit: Edit) -> None:
    edited = edit(FULL)

    assert edited != FULL
    assert read_page(edited) == read_page(FULL)


def test_a_page_that_has_lost_its_blank_lines_says_the_same() -> None:
    assert read_page(FULL.replace("\n\n", "\n")) == read_page(FULL)


def test_an_extract_with_blank_lines_says_the_same() -> None:
    assert read_page(EXTRACT.replace("\n", "\n\n")) == read_page(EXTRACT)


def test_an_extract_in_straight_quotation_marks_says_the_same() -> None:
    straight = EXTRACT.replace("\u201c", '"').replace("\u201d", '"')

    assert read_page(straight) == read_page(EXTRACT)


def test_a_review_of_an_extract_may_have_paragraphs_and_quotations() -> None:
    first = "The primitive is clean:"
    edited = EXTRACT.replace(
        first, f"They say \u201cship\u201d.\n\u201cWhy?\u201d asks nobody. {first}", 1
    )

    review = read_page(edited).tools[0].reviews[0]

    assert review.text.startswith(
        "They say \u201cship\u201d.\n\u201cWhy?\u201d asks nobody. The primitive"
    )
    assert len(read_page(edited).tools[0].reviews) == 4


def test_nonbreaking_spaces_within_a_line_stay_and_names_are_still_found() -> None:
    edited = FULL.replace(
        "\n\nMistral 8B Instruct v3\n\nOpen", "\n\nMistral\u00a08B Instruct v3\n\nOpen"
    )

    facts = read_page(edited)

    assert facts.tools[1].name == "Mistral\u00a08B Instruct v3"
    assert facts.tools[1].slug == "mistral-8b-instruct-v3"


def test_rows_of_the_decision_table_may_come_in_any_order_and_number() -> None:
    head, _, rest = FULL.partition("Panel verdict\n")
    table, _, tail = rest.partition("\n\nReviewer scorecard")
    lines = ["Panel verdict", *table.split("\n")]
    rows = [lines[at : at + 3] for at in range(0, len(lines), 3)]
    fewer = [row for row in reversed(rows) if row[0] != "Pricing"]
    edited = (
        head + "\n".join(line for row in fewer for line in row) + "\n\nReviewer scorecard" + tail
    )

    left, right = read_page(edited).tools

    assert left.pricing is None
    assert (
        left.model_copy(update={"pricing": read_page(FULL).tools[0].pricing})
        == (read_page(FULL).tools[0])
    )
    assert right.best_for == read_page(FULL).tools[1].best_for


def test_a_row_whose_cells_both_lost_their_dash_is_unknown() -> None:
    edited = FULL.replace(
        "Free / Open weights (Apache 2.0)\nFree (Apache 2.0 open weights) "
        "/ Hosted inference via Mistral API on paid tiers\n",
        "",
    )

    left, right = read_page(edited).tools

    assert (left.pricing, right.pricing) == (None, None)
    assert left.best_for == left.tagline


def test_a_category_may_have_the_name_of_a_row() -> None:
    edited = FULL.replace("Developer Tools", "Community")

    left, right = read_page(edited).tools

    assert (left.category, right.category) == ("Community", "Community")
    assert left.community == "No community votes yet"


def test_a_missing_cell_goes_to_the_tool_whose_panel_lacks_it() -> None:
    """The right tool's panel of three holds no skip: the Founder's lone skip is the left one's."""
    start = FULL.index("74/100")
    end = FULL.index("Weekly AI")
    edited = (FULL[:start] + FULL[end:]).replace("4 ship / 0 skip", "3 ship / 0 skip")

    left, right = read_page(edited).tools

    assert [r.score for r in left.reviews] == [88, 78, 82, 52]
    assert [r.reviewer for r in right.reviews] == ["Builder", "Skeptic", "Futurist"]


def test_a_reviewer_may_have_no_review_yet() -> None:
    edited = FULL[: FULL.index("74/100")] + "No review yet\n\n" + FULL[FULL.index("Weekly AI") :]

    left, right = read_page(edited).tools

    assert len(left.reviews) == 4
    assert [r.reviewer for r in right.reviews] == ["Builder", "Skeptic", "Futurist"]


def test_a_page_without_a_tagline_does_not_borrow_one() -> None:
    edited = FULL.replace(
        "SmolVLM2-2B\n\n2B-parameter vision-language model that runs on your device, not theirs\n\n",
        "SmolVLM2-2B\n\n",
        1,
    )

    left = read_page(edited).tools[0]

    assert left.tagline is None
    assert left.category == "Developer Tools"
    assert left.panel.verdict is Verdict.ship


def test_category_name_and_tagline_may_be_the_same_words() -> None:
    edited = EXTRACT.replace("Developer Tools", "SmolVLM2-2B", 1).replace(
        "2B-parameter vision-language model that runs on your device, not theirs", "SmolVLM2-2B", 1
    )

    left = read_page(edited).tools[0]

    assert (left.category, left.name, left.tagline) == ("SmolVLM2-2B",) * 3


REFUSED: Final[dict[str, tuple[str, int, str]]] = {
    "an empty text": ("", 1, "found nothing"),
    "only blank lines": (" \n\u00a0\n\t", 1, "found nothing"),
    "a shopping list": (
        "Milk\nBread\n",
        1,
        "expected a title such as \u201cX vs Y\u201d, found \u201cMilk\u201d",
    ),
    "a title and nothing else": ("AI tool comparison\nX vs Y", 2, "expected the two tools"),
    "a breadcrumb that names others": (
        FULL.replace("Compare/SmolVLM2-2B", "Compare/Cursor"),
        5,
        "expected \u201cCursor vs Mistral 8B Instruct v3\u201d, as on line 1",
    ),
    "a page cut off in the second tool": (
        FULL.partition("Open-source 8B")[0],
        29,
        "expected the right tool",
    ),
    "an unknown verdict": (FULL.replace("\n\nShip\n", "\n\nMaybe\n", 1), 17, "Ship, Skip or Mixed"),
    "a share beyond the whole": (FULL.replace("75%", "175%", 1), 19, "is more than 100"),
    "a score beyond the whole": (FULL.replace("88/100", "188/100", 1), 75, "a score from 0 to 100"),
    "a verdict that is none": (
        FULL.replace("88/100 \u00b7 ship", "88/100 \u00b7 nope", 1),
        75,
        "ship, skip or mixed",
    ),
    "a score without a text": (
        FULL.partition("The primitive is clean")[0] + "88/100 \u00b7 ship\n\nMore.\n",
        75,
        "a score with the review's text under it",
    ),
    "a third score": (
        FULL.replace("\nSkeptic\n", "\n80/100 \u00b7 ship\n\nHm.\n\nSkeptic\n"),
        83,
        "before a third score",
    ),
    "a reviewer who speaks twice": (
        FULL.replace("\nSkeptic\n", "\nBuilder\n"),
        83,
        "another reviewer than \u201cBuilder\u201d of line 74",
    ),
    "a lone review that could be either's": (
        FULL[: FULL.index("78/100")] + FULL[FULL.index("82/100") : FULL.index("Futurist")],
        84,
        "it cannot be told which one this is",
    ),
    "a table that contradicts the top's verdict": (
        FULL.replace("Ship \u00b7 3 ship / 1 skip", "Skip \u00b7 3 ship / 1 skip"),
        57,
        "expected \u201cShip\u201d, as on line 17",
    ),
    "a table that contradicts the top's category": (
        FULL[::-1].replace("Developer Tools"[::-1], "Toys"[::-1], 1)[::-1],
        70,
        "expected \u201cDeveloper Tools\u201d, as on line 33, found \u201cToys\u201d",
    ),
    "a community that contradicts itself": (
        FULL.replace("Panel ship\n\nCommunity", "Panel ship\n\n80%\n\nCommunity", 1).replace(
            "No community votes yet", "60% ship (5 votes)", 1
        ),
        62,
        "expected \u201c80%\u201d, as on line 23",
    ),
    "a table about others": (
        FULL.replace("Decision\nSmolVLM2-2B", "Decision\nCursor"),
        54,
        "at the head of the decision table",
    ),
    "a row with one value": (
        FULL.replace("Free / Open weights (Apache 2.0)\n", ""),
        62,
        "expected two values under \u201cPricing\u201d",
    ),
    "a row twice": (
        FULL.replace("Best for\n", "Pricing\n"),
        65,
        "another row than \u201cPricing\u201d of line 62",
    ),
    "a figure that belongs nowhere": (
        FULL.replace("Free\n\nEntry\n", "Free\n\nEntry\n\n12k\n\nStars\n", 1),
        29,
        "expected the description of \u201cSmolVLM2-2B\u201d, found \u201c12k\u201d",
    ),
    "a figure without its label": (FULL.replace("Free\n\nEntry", "Free", 1), 25, "the word Entry"),
    "a scorecard without its heading": (
        FULL.replace("\nReviewer scorecard\n", "\n"),
        73,
        "a row of the decision table",
    ),
    "an extract's reviews without their heading": (
        EXTRACT.replace("Reviewer scorecard\n", ""),
        24,
        "the heading Reviewer scorecard",
    ),
    "an extract's odd review": (
        EXTRACT.replace("Weekly AI", "\u201cOne more.\u201d\nWeekly AI", 1),
        33,
        "reviews in pairs, left and right",
    ),
    "an extract's review that never ends": (
        EXTRACT.replace("keep blowing.\u201d", "keep blowing."),
        32,
        "a closing \u201d",
    ),
    "a review outside quotation marks": (
        EXTRACT.replace("Reviewer scorecard\n", "Reviewer scorecard\nShip it.\n"),
        25,
        "a reviewer's name and, under it, a score",
    ),
    "a line under the end": (f"{EXTRACT}\nAnd one more thing", 36, "expected the end of the page"),
    "a line under no bookmarks": (f"{FULL}\nOops", 123, "expected the end of the page"),
    "two pages in one file": (f"{FULL}\n{EXTRACT}", 123, "a file holds one page"),
    "a section nobody knows": (
        FULL.replace("\nWeekly AI", "\nRelated comparisons\n\nA vs B\n\nWeekly AI", 1),
        110,
        "a review, or the end of the page",
    ),
    "a tool against itself": (
        FULL.replace("Mistral 8B Instruct v3", "SmolVLM2 2B"),
        5,
        "expected two different tools",
    ),
    "a control character": (
        FULL.replace("privacy-sensitive", "privacy\x07sensitive", 1),
        29,
        "control",
    ),
    "an endless line": (FULL.replace("Free / Open", "x" * 3000, 1), 63, "longer than 2,000"),
    "an endless page": (FULL + "\nWeekly" * MOST_LINES, 0, "expected the end of the page within"),
}


@pytest.mark.parametrize(("page", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_a_page_that_cannot_be_read_is_refused_at_its_line(
    page: str, line: int, words: str
) -> None:
    with pytest.raises(PageRefused) as refusal:
        read_page(page)

    assert words in refusal.value.reason
    assert line in (0, refusal.value.line)


@pytest.mark.parametrize("page", [FULL, OTHER_FULL, EXTRACT])
@pytest.mark.parametrize(
    "stray",
    ["Zorp blat", "17%", "Skip", "42", "88/100 \u00b7 ship", "A stray sentence, quite long."],
)
def test_a_stray_line_is_either_refused_or_found_in_the_facts(page: str, stray: str) -> None:
    lines = page.split("\n")
    plain = read_page(page)
    for at in range(len(lines)):
        try:
            facts = read_page("\n".join([*lines[:at], "", stray, "", *lines[at:]]))
        except PageRefused:
            continue

        assert facts != plain
        # A stray verdict word is a fact where the page has none; else the words themselves are.
        assert stray in facts.model_dump_json() or stray == "Skip"


@THOROUGH
@given(
    comparisons(),
    st.sampled_from(
        [
            Manner(dash="\u2014"),
            Manner(dash="\u2013", separator=" | ", breadcrumb=False, heading=False),
            Manner(dash="-", line_end="\r\n", gap="\n\n\n", logos=False),
        ]
    ),
)
def test_any_facts_printed_as_a_full_page_come_back(facts: ComparisonFacts, manner: Manner) -> None:
    wanted = _in_the_pages_order(facts)

    assert read_page(full_page(facts, manner)) == wanted


@THOROUGH
@given(comparisons(), st.sampled_from(['""', "\u201c\u201d"]))
def test_any_facts_printed_as_an_extract_come_back(facts: ComparisonFacts, quotes: str) -> None:
    manner = Manner(dash="\u2014", quotes=(quotes[0], quotes[1]))

    assert read_page(extract(facts, manner)) == as_extract_says(facts)


@THOROUGH
@given(comparisons())
def test_a_page_whose_dashes_were_lost_is_read_right_or_refused(facts: ComparisonFacts) -> None:
    try:
        found = read_page(full_page(facts, Manner(dash=None)))
    except PageRefused:
        return

    assert found == _in_the_pages_order(facts)


@THOROUGH
@given(st.text(max_size=400), st.integers(0, 130), st.integers(0, 130))
@example(words="", start=7, length=115)  # nothing under the summary
def test_no_text_whatever_is_more_than_refused(words: str, start: int, length: int) -> None:
    lines = FULL.split("\n")
    lines[start : start + length] = words.split("\n")

    try:
        facts = read_page("\n".join(lines))
    except PageRefused:
        return

    assert facts.slug == slug_of(facts.title)


def _in_the_pages_order(facts: ComparisonFacts) -> ComparisonFacts:
    """A page has one order of reviewers and of rows for both of its tools."""
    reviewers: dict[str | None, None] = {}
    labels: dict[str, None] = {}
    for tool in facts.tools:
        reviewers.update(dict.fromkeys(review.reviewer for review in tool.reviews))
        labels.update(dict.fromkeys(detail.label for detail in tool.details))
    order, rows = list(reviewers), list(labels)
    left, right = (
        tool.model_copy(
            update={
                "reviews": tuple(sorted(tool.reviews, key=lambda r: order.index(r.reviewer))),
                "details": tuple(sorted(tool.details, key=lambda d: rows.index(d.label))),
            }
        )
        for tool in facts.tools
    )
    return facts.model_copy(update={"tools": (left, right)})
