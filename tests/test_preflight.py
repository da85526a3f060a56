"""Preflight: each check finds what it is for and leaves a sound edition alone; errors refuse approval."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select
from typer.testing import CliRunner

from digests.making import versions
from digests.models import DigestStatus
from digests.store import intake
from digests.store.comparisons import latest_revision
from newsletter import links, preflight
from newsletter.cli import app
from newsletter.database import unit_of_work
from newsletter.editions import production
from newsletter.preflight import markup, wording
from newsletter.preflight.contrast import colour_of, contrast, ratio
from newsletter.preflight.drift import Pair, drift
from newsletter.preflight.findings import Check, Severity
from newsletter.preflight.leading import nowhere
from newsletter.preflight.mail import Mail, Shape
from newsletter.preflight.parts import text_part
from newsletter.preflight.weight import weigh, weight
from subscribers.models import Subscriber
from tests.conftest import Configure
from tests.support.preflight_cases import HOUSE, a_mail, an_edition, facts, only
from tests.web.scene import a_draft, a_reader

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

PAGE = "<html lang=en><head><title>x</title>{head}</head><body>{body}</body></html>"


def page(body: str, head: str = "") -> Mail:
    return a_mail(html=PAGE.format(body=body, head=head))


class TestASoundEdition:
    def test_its_mail_has_nothing_to_find(self) -> None:
        mail = a_mail()

        checks: tuple[Callable[[Mail], Any], ...] = (
            markup.alternatives,
            markup.features,
            markup.values,
            contrast,
            text_part,
        )
        assert [one for check in checks for one in check(mail)] == []
        assert list(markup.leaving(mail, postal_address=HOUSE.postal_address)) == []

    def test_its_words_have_nothing_to_find(self) -> None:
        edition = an_edition()

        for check in (wording.subject, wording.phrasing, wording.left_behind, wording.duplicates):
            assert list(check(edition)) == []


class TestWords:
    @pytest.mark.parametrize(
        ("subject", "severity", "says"),
        [
            ("x" * 70 + " y", "note", "a desktop shows about 60"),
            ("x" * 70 + " y" * 10, "warning", "a desktop shows about 60"),
            ("Verdicts", "warning", "too few"),
        ],
    )
    def test_a_subject_of_the_wrong_length(self, subject: str, severity: str, says: str) -> None:
        found = only(wording.subject(an_edition(subject=subject)))

        assert found.severity == severity
        assert says in found.says

    @pytest.mark.parametrize(
        ("preheader", "severity", "says"),
        [
            ("", "warning", "no preheader"),
            ("Free weights, two dissents: who pays for a 2B model?", "warning", "repeats"),
            ("x" * 91, "note", "a phone shows about 90"),
            ("Short.", "note", "empty"),
        ],
    )
    def test_a_preheader_that_wastes_its_room(
        self, preheader: str, severity: str, says: str
    ) -> None:
        found = only(wording.subject(an_edition(preheader=preheader)))

        assert found.severity == severity
        assert says in found.says

    @pytest.mark.parametrize(
        "subject",
        [
            "Act now: two dissents this week",
            "Two dissents this week!!",
            "Re: two dissents this week",
            "TWO DISSENTS THIS WEEK, ONE PRICE",
        ],
    )
    def test_phrases_that_filters_take_for_advertising(self, subject: str) -> None:
        assert only(wording.phrasing(an_edition(subject=subject))).severity is Severity.warning

    def test_all_of_them_are_named_in_one_look(self) -> None:
        pitched = an_edition(
            opening="Act now!! A limited-time offer, so ACT NOW. Buy now, act now."
        )
        gaps = an_edition(opening="Hello [name], see TK and TK.", subject="TODO: a subject")

        assert only(wording.phrasing(pitched)).says == (
            "“Act now”, “!!”, “limited-time” and “Buy now” read like advertising, "
            "to filters as to people."
        )
        subject, opening = wording.left_behind(gaps)
        assert subject.says == "“TODO” was meant to be filled in."
        assert opening.says == "“[name]” and “TK” were meant to be filled in."

    def test_a_reviewer_may_call_a_tool_free(self) -> None:
        subject = "Free weights, guaranteed dissents"

        assert "guaranteed" in only(wording.phrasing(an_edition(subject=subject))).says
        assert list(wording.phrasing(an_edition(subject="Free weights, two dissents"))) == []

    @pytest.mark.parametrize("opening", ["TODO", "Hello [name],", "{{first_name}}", "See TK."])
    def test_what_was_meant_to_be_filled_in_refuses(self, opening: str) -> None:
        found = only(wording.left_behind(an_edition(opening=opening)))

        assert (found.severity, found.place) == (Severity.error, "introduction")

    @pytest.mark.parametrize(
        "address",
        ["www.benchmarks.example", "mailto:ada@a.example", "https://ada:pw@a.example/", "/here"],
    )
    def test_a_link_that_the_mail_shows_as_mere_words_is_named(self, address: str) -> None:
        opening = f"Our [**source**]({address}), and [another](https://benchmarks.example/)."
        found = only(nowhere(an_edition(opening=opening)))

        assert (found.severity, found.place) == (Severity.warning, "introduction")
        assert f"“source” is no link in the mail: “{address}”" in found.says

    @pytest.mark.parametrize("words", ["Linkerd and its figures", "link", "dates and prices"])
    def test_a_links_own_words_are_no_gap(self, words: str) -> None:
        opening = f"Our source: [{words}](https://benchmarks.example/)."

        assert list(wording.left_behind(an_edition(opening=opening))) == []

    def test_a_comparison_that_stands_twice_refuses(self) -> None:
        entries = an_edition().entries

        found = only(
            one
            for one in wording.duplicates(an_edition(entries=(*entries, entries[0])))
            if one.severity is Severity.error
        )

        assert "twice" in found.says

    def test_last_weeks_subject_is_noticed(self) -> None:
        edition = an_edition()

        found = only(
            wording.duplicates(edition, earlier=[("2026-W47", edition.subject.upper(), "Other.")])
        )

        assert found.says == "2026-W47 had the same subject."


class TestMarkup:
    @pytest.mark.parametrize(
        ("body", "severity", "says"),
        [
            ("<img src=x>", "error", "no alternative"),
            ("<a href=https://x.example><img src=x alt=''></a>", "error", "no words"),
            ("<a href=https://x.example>Click here</a>", "warning", "does not say"),
        ],
    )
    def test_alternatives(self, body: str, severity: str, says: str) -> None:
        found = only(markup.alternatives(page(body)))

        assert found.severity == severity
        assert says in found.says

    def test_a_finding_names_the_heading_it_stands_under(self) -> None:
        found = only(markup.alternatives(page("<h2>Ada vs Bob</h2><table><tr><td><img src=x>")))

        assert found.place == "Ada vs Bob"

    @pytest.mark.parametrize(
        ("body", "head"),
        [
            ("<form></form>", ""),
            ("<script>1</script>", ""),
            ("<div style='display:flex'>x</div>", ""),
            ("", "<style>@import 'x'</style>"),
            ("<img alt='' src='data:image/png;base64,x'>", ""),
            ("", f"<style>{'a{color:red}' * 800}</style>"),
        ],
    )
    def test_what_big_clients_drop_is_named(self, body: str, head: str) -> None:
        assert only(markup.features(page(body, head))).severity is Severity.warning

    def test_a_mail_without_a_way_out_or_an_address_refuses(self) -> None:
        mail = a_mail(html=PAGE.format(body="Hello", head=""), text="Hello", headers=())

        found = list(markup.leaving(mail, postal_address=HOUSE.postal_address))

        assert {one.severity for one in found} == {Severity.error}
        assert [one.place for one in found] == ["HTML", "text part"] * 2 + ["headers"] * 2

    def test_a_gap_that_nothing_fills_refuses(self) -> None:
        assert "[%name%]" in only(markup.values(page("Hello [%name%]"))).says

    def test_a_text_part_that_says_less_is_found(self) -> None:
        without_voices = "\n".join(
            line for line in a_mail().text.splitlines() if not line.startswith("  “")
        )

        assert only(text_part(a_mail(text=without_voices))).severity is Severity.warning
        assert only(text_part(a_mail(text="Hello"))).severity is Severity.error
        assert only(text_part(a_mail(text=""))).severity is Severity.error


class TestContrast:
    def test_colours_are_read_and_compared_as_wcag_does(self) -> None:
        assert ratio((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
        assert colour_of("#abc") == (0xAA, 0xBB, 0xCC)
        assert colour_of("rgba(0, 0, 0, .5)") == (128, 128, 128)
        assert colour_of("transparent") is None

    @pytest.mark.parametrize(
        ("body", "head", "mode"),
        [
            ("<p style='color:#999'>Grey on white</p>", "", "by day"),
            ("<td bgcolor=#777777 style='color:#888'>x</td>", "", "by day"),
            (
                "<p class=m>Words</p>",
                (
                    "<style>body{background:#fff;color:#000}@media (prefers-color-scheme:dark)"
                    "{body{background:#111!important}.m{color:#333!important}}</style>"
                ),
                "by night",
            ),
        ],
    )
    def test_words_too_close_to_their_ground(self, body: str, head: str, mode: str) -> None:
        # What is black by itself is read on the light ground that the mail sets.
        found = [one for one in contrast(page(body, head)) if mode in one.says]

        assert found

    def test_large_words_need_less(self) -> None:
        small = page("<div style='background:#fff'><p style='color:#888'>x</p></div>")
        large = page(
            "<div style='background:#fff'><p style='color:#888;font-size:24px'>x</p></div>"
        )

        assert _day(small) != []
        assert _day(large) == []

    def test_the_cascade_decides_and_not_the_order_alone(self) -> None:
        css = "<style>.c .x{color:#000}.x{color:#eee}p.x{color:#ddd}</style>"

        assert _day(page("<div class=c><p class=x>Words</p></div>", css)) == []
        assert _day(page("<div><p class=x>Words</p></div>", css)) != []

    def test_a_child_selector_reaches_no_grandchild(self) -> None:
        css = "<style>.c>b{color:#eee}</style>"

        assert _day(page("<div class=c><p><b>Words</b></p></div>", css)) == []
        assert _day(page("<div class=c><b>Words</b></div>", css)) != []

    def test_what_is_hidden_is_not_read(self) -> None:
        assert _day(page("<div style='display:none;color:#fff'>Words</div>")) == []

    def test_a_colour_that_the_template_loses_is_found(self) -> None:
        mail = a_mail()

        night = [one.says for one in contrast(a_mail(html=mail.html.replace("#a7aebb", "#333")))]

        assert any("by night" in one for one in night)


def _day(mail: Mail) -> list[str]:
    return [one.says for one in contrast(mail) if "by day" in one.says]


class TestDrift:
    def test_a_price_that_moved_refuses_and_offers_the_newer_one(self) -> None:
        mailed = facts()[0]
        left = mailed.tools[0].model_copy(update={"pricing": "Paid, from $9"})
        stored = mailed.model_copy(update={"tools": (left, mailed.tools[1])})

        found = only(drift([Pair(7, 9, mailed, stored)]))

        assert (found.severity, found.revision_id, found.refresh) == (Severity.error, 7, 9)
        assert f"{left.name}\u2019s price was" in found.says
        assert "and is Paid, from $9" in found.says

    def test_a_score_that_moved_is_named_with_its_reviewer(self) -> None:
        mailed = facts()[0]
        first, *rest = mailed.tools[0].reviews
        changed = first.model_copy(update={"score": 1})
        left = mailed.tools[0].model_copy(update={"reviews": (changed, *rest)})
        stored = mailed.model_copy(update={"tools": (left, mailed.tools[1])})

        assert f"the score of {first.reviewer}" in only(drift([Pair(7, 9, mailed, stored)])).says

    def test_what_became_known_is_only_a_note(self) -> None:
        stored = facts()[0]
        left = stored.tools[0].model_copy(update={"pricing": None, "entry": None})
        mailed = stored.model_copy(update={"tools": (left, stored.tools[1])})

        found = only(drift([Pair(7, 9, mailed, stored)]))

        assert (found.severity, found.refresh) == (Severity.note, 9)

    def test_the_same_revision_has_not_moved(self) -> None:
        one = facts()[0]

        assert list(drift([Pair(7, 7, one, one)])) == []


class TestWeight:
    def test_every_copy_counts_and_the_worst_is_somebodys(self) -> None:
        mail = a_mail(html="<a href=/u/[%unsubscribe%]>[%joined%]</a>")
        shapes = [Shape("all", "1 May 2026", 3, 11), Shape("all", "30 September 2026", 2, 12)]

        weighed = weigh({"all": mail}, shapes, lengths={"unsubscribe": 28})

        assert (weighed.copies, weighed.worst_reader) == (5, 12)
        assert weighed.worst_bytes == len("<a href=/u/></a>") + 28 + len("30 September 2026")

    @pytest.mark.parametrize(
        ("size", "severity"), [(79_999, None), (80_000, "warning"), (90_000, "error")]
    )
    def test_the_limits(self, size: int, severity: str | None) -> None:
        weighed = weigh({"all": a_mail(html="x" * size)}, [], lengths={"unsubscribe": 28})

        found = list(weight(weighed, heavy=80_000, too_heavy=90_000))

        assert [one.severity for one in found] == ([severity] if severity else [])


def test_the_worst_copy_measured_is_the_copy_that_is_made(session: Session, now: datetime) -> None:
    digest = a_draft(session, now=now)
    for n, days in enumerate((0, 60, 200)):
        a_reader(session, f"reader{n}@readers.example", now=now - timedelta(days=days))

    found = preflight.examine(session, digest, now=now)

    assert found.copies == 3
    content = production.preview(session, digest).rendered.content
    sizes = {}
    for person in session.exec(select(Subscriber)):
        [(_, *tokens)] = links.signer().seal(digest.id or 0, [person.id or 0])
        [verdict] = links.signer().verdicts(digest.id or 0, [person.id or 0])
        day = person.joined_at.date()
        html = content.html
        for name, value in zip(
            content.fields, (*tokens, f"{day.day} {day:%B %Y}", verdict, ""), strict=True
        ):
            html = html.replace(f"[%{name}%]", value)
        sizes[person.id] = len(html.encode())
    assert found.worst_bytes == max(sizes.values())
    assert found.worst_reader is not None
    assert sizes[found.worst_reader] == found.worst_bytes


@on_sqlite
class TestApproval:
    def test_an_error_refuses_it_whoever_asks(self, session: Session, now: datetime) -> None:
        digest = a_draft(session, now=now)
        draft = versions.read(session, digest).reworded(opening="TODO")
        versions.save(session, digest, draft, seen=1, by="Ada", now=now)

        with pytest.raises(preflight.NotFit, match="one error"):
            production.approve(session, digest, by="Ada", word="I know.", now=now)
        assert digest.status is DigestStatus.draft

    def test_a_warning_asks_for_a_word_which_is_kept(self, session: Session, now: datetime) -> None:
        digest = a_draft(session, now=now)
        draft = versions.read(session, digest).reworded(preheader="")
        versions.save(session, digest, draft, seen=1, by="Ada", now=now)

        with pytest.raises(preflight.AsksForAWord, match="one warning"):
            production.approve(session, digest, by="Ada", word="  ", now=now)
        production.approve(session, digest, by="Ada", word="Meant so.", now=now)

        assert (digest.status, digest.approval_word) == (DigestStatus.approved, "Meant so.")

    def test_a_changed_price_refuses_until_the_comparison_is_brought_up_to_date(
        self, session: Session, now: datetime
    ) -> None:
        digest = a_draft(session, now=now)
        one = next(each for each in facts() if each.tools[0].pricing)
        left = one.tools[0].model_copy(update={"pricing": "Paid, from $9"})
        changed = one.model_copy(update={"tools": (left, one.tools[1])})
        intake.take_in(session, changed, source="again", now=now)

        found = preflight.examine(session, digest, now=now)
        drifted = [each for each in found.errors if each.check is Check.drift]
        assert drifted

        draft = versions.read(session, digest)
        for each in drifted:
            assert each.revision_id is not None
            assert each.refresh is not None
            draft = draft.refreshed(each.revision_id, to=each.refresh)
        versions.save(session, digest, draft, seen=1, by="Ada", now=now)
        assert preflight.examine(session, digest, now=now).errors == ()
        newest = latest_revision(session, one.slug)
        assert newest is not None
        assert newest.id in {place.revision_id for place in draft.places}


@on_sqlite
def test_the_command_tells_programs_and_people_and_fails_on_an_error(
    database: str, now: datetime, configure: Configure
) -> None:
    with unit_of_work() as session:
        digest = a_draft(session, now=now)
        versions.save(
            session,
            digest,
            versions.read(session, digest).reworded(opening="TODO"),
            seen=1,
            by="Ada",
            now=now,
        )

    as_json = CliRunner().invoke(app, ["preflight", "latest", "--json"])
    for_people = CliRunner().invoke(app, ["preflight", "latest"])

    assert as_json.exit_code == for_people.exit_code == 1
    said = json.loads(as_json.output)
    assert (said["digest"], said["errors"]) == ("2026-W48", 1)
    assert said["findings"][0]["place"] == "introduction"
    assert "was meant to be filled in" in " ".join(for_people.output.split())
