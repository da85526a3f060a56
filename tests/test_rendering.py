"""An edition becomes a mail: everything said in both parts, nothing that content could turn against us."""

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from digests.edition import Edition, Entry, Quote
from digests.facts import ToolFacts, Verdict
from digests.week_said import ToolSaid, WeekSaid
from digests.words.wording import entry
from newsletter.esp import Content
from newsletter.rendering import FIELDS, BadTemplate, House, content_hash, render
from newsletter.rendering.card import card
from newsletter.rendering.inert import BREAK, address, inert, line
from newsletter.rendering.mjml import checked, compiled, minified
from newsletter.rendering.prose import as_html, as_text
from tests.support.effort import examples
from tests.support.mails import (
    HOUSE,
    SKIP,
    Skeleton,
    a_pair,
    a_tool,
    an_edition,
    entries,
    filled,
    the_pages,
)

COMPARE = "https://shiporskip.example/compare/"


def the_edition() -> Edition:
    return an_edition(*entries(*the_pages()))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_a_real_edition_carries_every_fact_of_its_cards_in_both_parts() -> None:
    edition = the_edition()

    content = render(edition, house=HOUSE).content

    html, text = Skeleton(content.html).words, squeezed(content.text)
    for known in edition.entries:
        shown = card(known)
        facts = [shown.category, *(voice.text for voice in shown.voices)]
        facts += [f for voice in shown.voices for f in (voice.label, voice.by, voice.verdict)]
        for side in shown.sides:
            facts += [side.name, side.tagline, side.percent, side.panel, side.price, side.best_for]
        for fact in filter(None, facts):
            assert fact in html
            assert fact in text
        assert shown.title in text


def test_the_text_part_says_everything_the_html_says() -> None:
    content = render(the_edition(), house=HOUSE).content
    only_in_html = {"Also", "Read", "the", "full", "in", "compared", "this", "week", "vs"}

    text = set(re.findall(r"\w+", content.text.casefold()))
    html = set(re.findall(r"\w+", Skeleton(content.html).words.casefold()))

    preheader_and_chrome = {word.casefold() for word in only_in_html}
    assert html - text - preheader_and_chrome == set()


def test_an_extract_leaves_out_what_it_does_not_say() -> None:
    content = render(an_edition(*entries(the_pages()[2])), house=HOUSE).content

    words = Skeleton(content.html).words
    assert "75% of the panel ships" in words
    for unknown in ("Best for", "None", "Community", "/100", " skip ", "undefined"):
        assert unknown not in words
        assert unknown not in content.text
    assert 'class="v' not in content.html  # no stamp without a verdict
    assert 'bgcolor="#0b7a4b"' not in content.html  # and no pips without a split


def test_a_panel_is_shown_as_one_pip_for_each_reviewer_in_order_with_words_beside_them() -> None:
    html = render(an_edition(*entries(the_pages()[0])), house=HOUSE).content.html

    first, second = re.findall(r"<tr>((?:<td class=\"p p.*?)+)<td class=\"f m w\">(.*?)</td>", html)
    assert re.findall(r"p p([sx])", first[0]) == ["s", "s", "s", "x"]
    assert squeezed(first[1]) == "3 ship, 1 skip"
    assert re.findall(r"p p([sx])", second[0]) == ["s", "s", "s", "s"]
    assert squeezed(second[1]) == "4 ship, 0 skip"


def test_changes_and_an_editors_note_stand_with_their_comparison_in_both_parts() -> None:
    known = entry(
        the_pages()[0],
        address=COMPARE,
        changes=["The entry price of SmolVLM2-2B is $5 now."],
        note="We *tried* it: see [the thread](https://forum.example/t/1).",
    )

    rendered = render(an_edition(known), house=HOUSE)

    html, text = Skeleton(rendered.content.html).words, squeezed(rendered.content.text)
    for said in ("Since last time", "The entry price of SmolVLM2-2B is $5 now.", "see the thread"):
        assert said in html
        assert said in text
    assert "<em>tried</em>" in rendered.content.html
    assert "(https://forum.example/t/1)" in text
    assert "https://forum.example/t/1" in rendered.links


def test_a_long_price_is_cut_at_a_word_and_says_so() -> None:
    pricey = a_tool("A").model_copy(update={"pricing": "from five dollars " * 40})

    (side, _) = card(entry(a_pair(pricey, a_tool("B")), address=COMPARE)).sides

    assert len(side.price) <= 160
    assert side.price.endswith(("dollars …", "five …", "from …"))


def test_one_heading_leads_and_the_others_never_skip_a_level() -> None:
    html = render(the_edition(), house=HOUSE).content.html

    levels = [int(level) for level in re.findall(r"<h([1-6])\b", html)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_mail_names_its_language_and_title_and_every_picture_has_an_alternative() -> None:
    edition = the_edition()

    html = render(edition, house=HOUSE).content.html

    assert re.search(r"<html[^>]* lang=\"en\"", html)
    assert f"<title>{edition.subject}</title>" in html
    pictures = re.findall(r"<img\b[^>]*>", html)
    assert len(pictures) == 1
    assert all(re.search(r"\salt\b", picture) for picture in pictures)


def test_nothing_is_fetched_but_the_pixel() -> None:
    html = render(the_edition(), house=HOUSE).content.html

    assert re.findall(r"src=\"([^\"]*)\"", html) == [f"{HOUSE.public_url}/o/[%open%].gif"]
    for loader in ("@import", "fonts.googleapis", "<link", "url(", "<script", "background="):
        assert loader not in html


def test_without_open_tracking_there_is_no_pixel() -> None:
    content = render(the_edition(), house=HOUSE, track_opens=False).content

    assert "<img" not in content.html
    assert "[%open%]" not in content.html + content.text


def test_the_pixel_and_an_unsubscribe_link_stand_where_no_clipping_can_cut_them() -> None:
    html = render(an_edition(*entries(*the_pages()[:2] * 25)), house=HOUSE).content.html

    assert html.index("[%open%]") < 12_000
    assert html.index("[%unsubscribe%]") < 12_000


def test_each_reader_gets_links_of_their_own_in_both_parts() -> None:
    content = render(the_edition(), house=HOUSE).content

    for part in (content.html, content.text):
        for path in ("/u/[%unsubscribe%]", "/p/[%preferences%]", "/v/[%view%]"):
            assert HOUSE.public_url + path in part
        assert "[%joined%]" in part
    assert content.fields == FIELDS
    assert FIELDS[:6] == ("unsubscribe", "preferences", "view", "open", "click", "joined")
    assert FIELDS[6:] == ("verdict", "kept")


def test_links_lead_straight_to_the_comparisons_unless_clicks_are_counted() -> None:
    direct = render(the_edition(), house=HOUSE)
    counted = render(the_edition(), house=HOUSE, track_clicks=True)

    expected = tuple(COMPARE + page.slug for page in the_pages())
    assert direct.links == counted.links == expected
    for n, target in enumerate(expected):
        for part in (direct.content.html, direct.content.text):
            assert target in part
        for part in (counted.content.html, counted.content.text):
            assert target not in part
            assert f"{HOUSE.public_url}/r/[%click%]/{n}" in part


def test_every_link_of_the_html_stands_in_the_text_too() -> None:
    content = render(the_edition(), house=HOUSE).content

    for link in Skeleton(content.html).links:
        assert link in content.text


def test_a_link_that_stands_twice_is_one_link() -> None:
    known = entries(the_pages()[0])[0]
    opening = f"See [this]({known.address}) and [that](https://other.example/)."

    rendered = render(an_edition(known, opening=opening), house=HOUSE, track_clicks=True)

    assert rendered.links == (known.address, "https://other.example/")
    assert rendered.content.html.count("/r/[%click%]/0") == 2


def test_the_headers_let_a_mail_program_unsubscribe_with_one_post() -> None:
    headers = dict(render(the_edition(), house=HOUSE).content.headers)

    assert headers["List-Unsubscribe"] == f"<{HOUSE.public_url}/u/[%unsubscribe%]>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Id"] == "Weekly AI Tool Verdicts <weekly.shiporskip.example>"
    assert all(len(name) + len(value) < 900 for name, value in headers.items())


@pytest.mark.parametrize(
    ("publication", "expected"),
    [
        ("Verdicts\r\nBcc: all@example.com", "Verdicts Bcc allexamplecom <weekly.a.example>"),
        ("週刊", "<weekly.a.example>"),
        ("Ship, or <skip>", "Ship or skip <weekly.a.example>"),
    ],
)
def test_the_list_keeps_one_plain_name_whatever_the_publication_is_called(
    publication: str, expected: str
) -> None:
    house = House(publication, "https://a.example", "1 Street", "a.example")

    assert dict(render(the_edition(), house=house).content.headers)["List-Id"] == expected


def test_ten_comparisons_weigh_less_than_what_gmail_clips() -> None:
    ten = an_edition(*entries(*the_pages()[:2] * 5))

    content = render(ten, house=HOUSE, track_clicks=True).content

    weight = len(filled(content.html).encode())
    assert weight < 65_000
    assert len(re.findall(r"<style.*?</style>", content.html, re.DOTALL)[-1]) < 8_192


def test_lines_of_the_text_part_are_short_except_for_addresses() -> None:
    text = render(the_edition(), house=HOUSE).content.text

    long = [found for found in text.splitlines() if len(found) > 76]
    assert all("https://" in found for found in long)


def test_the_same_edition_gives_the_same_bytes() -> None:
    first, second = (render(the_edition(), house=HOUSE) for _ in range(2))

    assert first == second
    assert content_hash(first.content) == content_hash(second.content)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "x"},
        {"html": "x"},
        {"text": "x"},
        {"fields": ("view",)},
        {"headers": (("List-Id", "x"),)},
    ],
)
def test_any_change_to_what_a_reader_gets_changes_the_hash(change: dict[str, object]) -> None:
    content = render(the_edition(), house=HOUSE).content

    assert content_hash(replace(content, **change)) != content_hash(content)  # type: ignore[arg-type]  # one of its fields


def test_no_two_contents_share_an_encoding() -> None:
    def hashed(
        text: str, fields: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = ()
    ) -> str:
        return content_hash(Content("s", "h", text, fields, headers))

    assert hashed("ab") != content_hash(Content("s", "ha", "b"))
    assert hashed("t", ("a", "b")) != hashed("t", ("ab",))
    assert hashed("t", ("a", "b")) != hashed("t", (), (("a", "b"),))


# --- content that tries to be something else

HOSTILE = (
    "<script>alert(1)</script>",
    "[%unsubscribe%]",
    "%recipient.x%",
    "{{x}} {% y %} {{{z}}}",
    "-unsubscribe- -name-",
    "<%= x %>",
    "*|EMAIL|*",
    "[unsubscribe]",
    "⟦0⟧ ⟦1⟧",
    "&#91;%open%&#93; &lt;mj-raw&gt;",
    "<mj-text>x</mj-text>",
    "</td></tr></table>",
    "' onmouseover='x\" onclick=\"y",
    "<!--[if mso]><p><![endif]-->",
    "👩‍🚀 مرحبا \u200f\u200e é",
    "\u202eesrever\u202c \u2067x",
    "a\u2060b\ufeffc",
    "\U0001d54f <b>bold</b> & \\ ` ~ | #",
    "{{ config }} {# no #}",
)
MERGE = re.compile(r"\{\{|\{%|\{#|%recipient|<%|\*\||\[unsubscribe\]|-unsubscribe-")
hostile = st.lists(
    st.sampled_from(HOSTILE)
    | st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12),
    min_size=1,
    max_size=4,
).map(" ".join)


def an_edition_saying(words: str) -> Edition:
    """An edition that says *words* wherever content can say anything."""
    tool = a_tool("A", verdicts=(SKIP, SKIP))
    said = ToolFacts.model_construct(
        **{
            **dict(tool),
            "name": words,
            "tagline": f"t {words}",
            "pricing": words,
            "best_for": words,
        }
    )
    page = a_pair(a_tool("A"), a_tool("B"))
    page = page.model_copy(update={"title": words, "tools": (said, page.tools[1])})
    quote = Quote(text=words, tool=words, reviewer=words, score=50, verdict=SKIP)
    known = Entry(
        facts=page,
        address="https://shiporskip.example/x",
        case=quote,
        dissent=replace(quote, score=40),
        changes=(words,),
    )
    return Edition("2026-W48", 48, date(2026, 11, 23), words, words, "Opening.", (known, known))


def test_hostile_words_are_only_words_in_every_part() -> None:
    for words in HOSTILE:
        content = render(an_edition_saying(words), house=HOUSE).content

        assert "<script" not in content.html
        for part in (content.subject, content.html, content.text):
            assert not MERGE.search(part)


def without_tool(link: str) -> str:
    """A ballot's address names its tool, whatever that is called, in letters and hyphens alone."""
    return re.sub(r"/b/\[%verdict%\]/([a-z0-9]|-|%2D)+/", "/b/[%verdict%]/tool/", link)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hostile)
@example("\u202e")
@example("⟦999⟧ =⟦0⟧")
def test_content_cannot_change_what_a_mail_is_made_of(words: str) -> None:
    benign = render(an_edition_saying("benign"), house=HOUSE).content
    content = render(an_edition_saying(f"x{words}"), house=HOUSE).content

    assert Skeleton(content.html).tags == Skeleton(benign.html).tags
    assert list(map(without_tool, Skeleton(content.html).links)) == list(
        map(without_tool, Skeleton(benign.html).links)
    )
    for part, expected in ((content.html, benign.html), (content.text, benign.text)):
        assert re.findall(r"\[%.*?%\]", part) == re.findall(r"\[%.*?%\]", expected)
        assert not MERGE.search(part)
    assert "[%" not in content.subject
    assert content.subject.splitlines() == [content.subject]
    content.html.encode()
    content.text.encode()


@settings(max_examples=examples(60), deadline=None)
@given(hostile)
@example("[a](https://x.example/[%open%]) ![p](https://x.example/p.gif)")
@example("<https://x.example/{{x}}> [j](javascript:alert) [d](data:text/html,x)")
@example("# h\n\n```\ncode\n```\n\n<b>x</b>\n\n[r]: https://x.example/r\n\n[r]")
@example("[a](https://x.example/%recipient.x%/-unsubscribe-/?q={{y}}#[%view%])")
def test_markdown_becomes_a_little_html_and_its_links_only_http(markdown: str) -> None:
    known = entries(the_pages()[0])

    content = render(an_edition(*known, opening=markdown), house=HOUSE).content

    skeleton = Skeleton(content.html)
    assert {tag for tag, _ in skeleton.tags} <= {
        *("html", "head", "title", "meta", "style", "body", "div", "img", "table", "tbody"),
        *("tr", "td", "th", "p", "a", "b", "i", "span", "br", "h1", "h2"),
        *("em", "strong", "ul", "ol", "li", "code", "blockquote"),
    }
    assert [tag for tag, _ in skeleton.tags].count("img") == 1
    assert all(link.startswith("https://") for link in skeleton.links)
    for part in (content.html, content.text):
        assert set(re.findall(r"\[%(.*?)%\]", part)) <= set(FIELDS)
        assert not MERGE.search(part)
    plain_links = [link for link in skeleton.links if not link.startswith(HOUSE.public_url)]
    assert not any("[" in link or "{" in link or "%recipient" in link for link in plain_links)


def test_white_space_between_two_marked_words_survives_minifying() -> None:
    opening = "One *two* **three** [four](https://x.example/) five."

    html = render(an_edition(*entries(the_pages()[0]), opening=opening), house=HOUSE).content.html

    assert re.search(r"<em>two</em> <strong>three</strong> <a href=\"[^\"]+\">four</a> five", html)


def test_markdown_reads_well_as_plain_text() -> None:
    said = as_text(
        "One *two* [three](https://x.example/3).\n\n1. first\n2. second\n\n- dot",
        link=lambda target: target,
    )

    assert said == "One two three (https://x.example/3).\n\n1. first\n\n2. second\n\n- dot"


def test_a_link_that_is_not_http_keeps_its_words_and_loses_its_target() -> None:
    shown = as_html("[words](ftp://x.example/) and [more](mailto:a@b.example)", link=lambda t: t)

    assert shown == "<p>words and more</p>"


@pytest.mark.parametrize(
    ("given_address", "expected"),
    [
        ("https://a.example/x?y=1&z=2#w", "https://a.example/x?y=1&z=2#w"),
        ("HTTPS://a.example", "https://a.example"),
        ("https://a.example/ä b", "https://a.example/%C3%A4%20b"),
        ("https://a.example/100%/%41", "https://a.example/100%25/%41"),
        ("https://a.example/[%open%]", "https://a.example/%5B%25open%25%5D"),
        ("https://a.example/{{x}}", "https://a.example/%7B%7Bx%7D%7D"),
        ("https://a.example/%recipient.x%", "https://a.example/%25recipient.x%25"),
        ("https://a.example/-open-/x-y", "https://a.example/%2Dopen-/x-y"),
        ("https://[%open%].example/", None),
        ("https://a.example\\@b.example/", None),
        ("https://user@a.example/", None),
        ("javascript:alert(1)", None),
        ("//a.example", None),
        ("https://", None),
        ("", None),
    ],
)
def test_an_address_is_one_for_every_program_that_reads_it(
    given_address: str, expected: str | None
) -> None:
    assert address(given_address) == expected


def test_breaking_a_merge_sign_is_invisible_and_ordinary_words_are_left_alone() -> None:
    assert inert("{{x}}").replace(BREAK, "") == "{{x}}"
    assert "{{" not in inert("{{x}}")
    for ordinary in ("50% off, 20% on", "a [link] {here}", "open-source", "one-to-one", "*a* | b"):
        assert inert(ordinary) == ordinary


def test_a_line_is_one_line_without_what_cannot_be_seen() -> None:
    assert line(" a\r\n b\u2028c\x00d\u202ee ⟦1⟧ ") == "a b cde [1]"


# --- templates that are not sound


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<mjml><mj-body><mj-txt>x</mj-txt></mj-body></mjml>", "<mj-txt>, which is not known"),
        ("<mjml><mj-body><mj-text>x</mj-text></mj-body></mjml>", "<mj-text> inside <mj-body>"),
        ("<mjml><mj-body></mjml>", "closes <mjml> where it is not open"),
        ("<mjml><mj-body>", "leaves <mj-body> open"),
        ('<mjml><mj-body id="x"></mj-body></mjml>', "ignores 'id' on <mj-body>"),
        ("<mjml><mj-head><mj-font /></mj-head></mjml>", "<mj-font>, which is not known"),
        ("<MJML><mj-html-attributes /></MJML>", "<mj-html-attributes>, which is not known"),
    ],
)
def test_a_template_with_what_the_compiler_does_not_know_is_refused(
    source: str, complaint: str
) -> None:
    with pytest.raises(BadTemplate, match=re.escape(complaint)):
        checked(source)


def test_a_template_that_does_not_compile_is_refused_with_a_reason() -> None:
    inner = "<mj-section><mj-column><mj-text><p></mj-text></mj-column></mj-section>"
    broken = f"<mjml><mj-body>{inner}</mj-body></mjml>"

    with pytest.raises(BadTemplate, match="does not compile"):
        compiled(broken)


def test_no_mjml_is_left_in_the_mail() -> None:
    assert "<mj-" not in render(the_edition(), house=HOUSE).content.html


def test_minifying_leaves_outlooks_comments_as_they_are_and_values_in_quotes() -> None:
    html = render(the_edition(), house=HOUSE).content.html

    starts = html.count("<!--[if mso | IE]>")
    assert starts > 10
    assert html.count("<!--[if") == html.count("<![endif]-->")
    for tag in re.findall(r"<[a-z][^>]*>", re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)):
        assert not re.search(r"\s[\w-]+=[^\"']", re.sub(r"\"[^\"]*\"|'[^']*'", '""', tag)), tag


def test_a_comment_for_outlook_is_kept_byte_for_byte() -> None:
    comment = '<!--[if mso | IE]><table  width=640 ><tr><td a="b"><![endif]-->'

    assert comment in minified(f"<!doctype html><body><div>  a  {comment}  b  </div></body>")


def test_every_tool_has_a_ballot_in_both_parts_and_the_readers_line_leads() -> None:
    content = render(the_edition(), house=HOUSE).content
    html, text = Skeleton(content.html).links, content.text

    for page in the_pages():
        for tool in page.tools:
            for choice in ("ship", "skip", "keep"):
                ballot = f"{HOUSE.public_url}/b/[%verdict%]/{tool.slug}/{choice}"
                assert ballot in html
                assert ballot in text
    for part in (content.html, content.text):
        assert part.index("[%kept%]") < part.index(the_edition().opening[:24])


def test_what_readers_said_stands_beside_the_panel_with_the_widest_gap() -> None:
    tool = ToolSaid(
        name="One", slug="one", panel=100, panel_verdict=Verdict.ship, community=35, votes=1200
    )
    readers = WeekSaid(
        tools=(tool,), widest=tool, widest_title="One vs Two", widest_slug="one-vs-two"
    )
    house = replace(HOUSE, comparison_address="https://shiporskip.example/compare/{slug}")

    with_votes = render(replace(the_edition(), readers=readers), house=house)
    without = render(the_edition(), house=house)

    skeleton = Skeleton(with_votes.content.html)
    assert "One 100% 35% ship 1,200+ votes" in skeleton.words
    for part in (skeleton.words, " ".join(with_votes.content.text.split())):
        assert "100% of the panel and 35% of readers would ship One." in part
    assert "https://shiporskip.example/compare/one-vs-two" in with_votes.links
    assert "What readers said" not in without.content.html
