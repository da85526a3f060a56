"""The desk: an editor orders and words an edition; two never overwrite each other; others are refused."""

import re
from datetime import date, datetime, time, timedelta
from html import escape

import pytest
from fastapi import FastAPI
from sqlmodel import select
from starlette.testclient import TestClient

from digests.making import assembly, versions
from digests.making.draft import Draft
from digests.schedules.schedule import Schedule, plan_turn
from digests.store import intake
from digests.words import wording
from newsletter.accounts.models import Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.editions import production
from newsletter.service_mail import ServiceMail
from subscribers.models import Subscriber, SubscriberStatus
from tests.support.mails import a_pair, a_tool
from tests.web.scene import Sent, a_draft, a_reader, on_both
from tests.web.staffing import Staff, signed_in


@pytest.fixture
def ada(web: TestClient, database: str, now: datetime) -> Staff:
    with unit_of_work() as session:
        a_draft(session, now=now)
        a_reader(session, now=now)
    return signed_in(web, roles={Role.editor}, now=now)


def standing() -> Draft:
    with reading() as session:
        return versions.read(session, production.by_issue(session, "latest"))


def test_the_desk_shows_the_words_the_comparisons_and_the_mail(web: TestClient, ada: Staff) -> None:
    shown = web.get("/desk/2026-W48")

    assert shown.status_code == 200
    assert "3 comparisons" in shown.text
    assert "1 copy measured" in shown.text
    assert "sandbox" in shown.text
    assert "/reports/" not in shown.text
    assert web.get("/desk").status_code == 200


def test_no_browser_fills_in_what_was_once_typed_there(web: TestClient, ada: Staff) -> None:
    assert ada

    fields = re.findall(
        r"<(?:textarea|input)(?![^>]*type=\"hidden\")[^>]*>", web.get("/desk/2026-W48").text
    )

    assert len(fields) > 6
    assert [one for one in fields if 'autocomplete="off"' not in one] == []


def test_three_others_are_suggested_for_what_stands_there(web: TestClient, ada: Staff) -> None:
    with unit_of_work() as session:
        digest = production.by_issue(session, "latest")
        entries = assembly.edition(session, digest, address="").entries
        digest.preheader = wording.preheader_of(entries)
        digest.subject = wording.subject_of(entries)

    shown = web.get("/desk/2026-W48").text

    assert shown.count('class="suggestion" name="subject"') == 3
    assert shown.count('class="suggestion" name="preheader"') == 3
    assert ada


def test_it_says_until_when_it_needs_a_name_and_until_when_it_can_go(
    app: FastAPI, web: TestClient, ada: Staff, now: datetime
) -> None:
    send_at = now + timedelta(hours=6)
    with unit_of_work() as session:
        schedule = Schedule(name="weekly", zone="UTC", installed_at=now, deadline_before=120)
        session.add(schedule)
        session.flush()
        turn = plan_turn(session, schedule, send_at=send_at, cutoff_at=now)
        digest = production.by_issue(session, "latest")
        digest.occurrence_id, digest.send_at, digest.zone = turn.id, send_at, "UTC"
        digest.late_after = send_at + timedelta(hours=2)

    def said(hours: float) -> str:
        app.dependency_overrides[utc_now] = lambda: now + timedelta(hours=hours)
        return web.get("/desk/2026-W48").text

    assert "Draft, needs approval by Mon 23 Nov, 12:00" in said(1)
    assert "Draft, may still go until Mon 23 Nov, 16:00" in said(5)
    assert "Draft, too late since Mon 23 Nov, 16:00" in said(9)


def test_where_everyone_gets_it_at_their_own_time_it_says_so(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    assert ada
    with unit_of_work() as session:
        digest = production.by_issue(session, "latest")
        digest.local_day, digest.local_at = now.date(), time(9)

    for page in ("/desk", "/desk/2026-W48", "/desk/2026-W48/approval"):
        assert "Mon 23 Nov, 09:00 by each reader&#39;s own clocks" in web.get(page).text


def test_the_board_names_the_year_of_what_comes_in_another(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    assert ada
    with unit_of_work() as session:
        session.add(Schedule(name="monthly", cron="0 9 1 * *", zone="UTC", installed_at=now))

    assert "Fri 1 Jan, 09:00 UTC, 2027" in web.get("/desk").text


def test_the_menu_shows_the_parts_that_are_served_to_those_who_may_go_there(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    assert '<a href="/desk" aria-current="page">Digests</a>' in web.get("/desk").text

    signed_in(web, roles={Role.operator}, name="Olga", now=now)
    operators = web.get("/accounts")
    assert 'href="/desk"' not in operators.text


def test_a_comparison_moves_down_and_the_log_knows_who(web: TestClient, ada: Staff) -> None:
    first, second, third = (place.revision_id for place in standing().places)

    answer = web.post(
        f"/desk/2026-W48/comparisons/{first}",
        data={"csrf": ada.csrf, "version": "1", "do": "down"},
    )

    assert answer.status_code == 303
    assert [place.revision_id for place in standing().places] == [second, first, third]


def test_the_second_of_two_editors_sees_both_texts_and_nothing_is_overwritten(
    web: TestClient, ada: Staff
) -> None:
    hers = {"csrf": ada.csrf, "version": "1", "subject": "Hers, and two dissents"}
    web.post("/desk/2026-W48/words", data=hers)

    refused = web.post("/desk/2026-W48/words", data=hers | {"subject": "His, and one dissent"})

    assert refused.status_code == 409
    assert "Hers, and two dissents" in refused.text
    assert "His, and one dissent" in refused.text
    assert standing().subject == "Hers, and two dissents"


def test_of_two_notes_on_one_comparison_both_are_shown_and_other_changes_are_no_obstacle(
    web: TestClient, ada: Staff
) -> None:
    [first, second, third] = [place.revision_id for place in standing().places]
    of = "/desk/2026-W48/comparisons/{}".format
    on_the_first = {"csrf": ada.csrf, "version": "1"}
    note = on_the_first | {"do": "note"}

    assert web.post(of(first), data=note | {"note": "Hers"}).status_code == 303
    refused = web.post(of(first), data=note | {"note": "His"})
    answers = [
        web.post(of(second), data=note | {"note": "On another"}),
        web.post(of(first), data=note | {"note": "Hers"}),  # the very same
        web.post(of(third), data=on_the_first | {"do": "down"}),
        web.post(of(third), data=on_the_first | {"do": "pin"}),
        web.post(of(second), data=on_the_first | {"do": "quote", "voice": []}),
    ]

    assert refused.status_code == 409
    assert "Note: theirs, as it stands</dt><dd>Hers</dd>" in refused.text
    assert "Yours, not saved</dt><dd>His</dd>" in refused.text
    assert [answer.status_code for answer in answers] == [303] * 5
    assert [place.note for place in standing().places] == ["Hers", "On another", None]
    # What somebody has seen to since is not left out unread, and not moved where it no longer stands.
    leave = on_the_first | {"do": "leave-out", "reason": "Too much"}
    assert web.post(of(first), data=leave).status_code == 409
    assert web.post(of(second), data=on_the_first | {"do": "up"}).status_code == 409
    assert web.post(of(second), data=on_the_first | {"do": "usual"}).status_code == 409


@on_both
@pytest.mark.parametrize(
    ("do", "said"),
    [
        ({"do": "take-in"}, "There is no such comparison in the store."),
        ({"do": "note", "note": "Hers"}, "That comparison is not in the edition"),
        ({"do": "refresh", "to": "2"}, "That comparison is not in the edition"),
        ({"do": "up"}, "That comparison is not in the edition"),
    ],
)
def test_a_comparison_that_there_is_not_is_refused_in_a_sentence(
    web: TestClient, ada: Staff, do: dict[str, str], said: str
) -> None:
    sent = {"csrf": ada.csrf, "version": "1"} | do

    refused = web.post("/desk/2026-W48/comparisons/99999", data=sent)

    assert refused.status_code == 409
    assert said in refused.text
    assert standing().places[0].revision_id == 1


@on_both
def test_a_number_that_no_row_has_is_no_fault_of_ours(web: TestClient, ada: Staff) -> None:
    most, sent = "9" * 30, {"csrf": ada.csrf, "version": "1", "do": "up"}

    answers = [
        web.get(f"/desk/2026-W48/versions?old={most}"),
        web.post(f"/desk/2026-W48/versions/{most}", data=sent),
        web.post(f"/desk/2026-W48/comparisons/{most}", data=sent),
        web.post(f"/desk/2026-W48/seeds/{most}/end", data=sent),
        web.get("/desk/2026-W48", params={"find": most}),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 200]


def test_a_comparison_is_brought_up_to_date_with_itself_alone(web: TestClient, ada: Staff) -> None:
    other = {"csrf": ada.csrf, "version": "1", "do": "refresh", "to": "2"}

    assert web.post("/desk/2026-W48/comparisons/1", data=other).status_code == 409
    assert [place.revision_id for place in standing().places] == [1, 2, 3]


def test_what_was_sent_is_shown_with_the_way_to_the_archive_and_nothing_to_press(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    signed_in(web, roles={Role.editor}, now=now)

    shown = web.get(f"/desk/{sent.issue}").text

    assert f'href="/archive/{sent.issue}"' in shown
    assert f'href="/reports/{sent.issue}"' in shown
    assert web.get(f"/reports/{sent.issue}").status_code == 200
    assert "copies measured" not in shown
    assert 'name="do"' not in shown
    assert "to 3 readers" in shown


def test_a_corrections_words_are_changed_and_its_comparisons_offer_nothing_to_press(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    signed_in(web, roles={Role.editor}, now=now)
    with unit_of_work() as session:
        original = production.by_issue(session, sent.issue)
        issue = production.correct(session, original, note="Its price was wrong.", now=now).issue

    shown = web.get(f"/desk/{issue}").text

    assert "those of the edition that this one corrects" in shown
    assert 'name="subject"' in shown
    assert not re.findall(r'name="(?:do|note|reason|voice)"|class="grip"', shown)


@on_both
def test_any_two_versions_are_compared_and_any_one_is_restored(web: TestClient, ada: Staff) -> None:
    assert "as it was assembled" in web.get("/desk/2026-W48/versions").text
    for version, subject in (("1", "Free weights, one dissent"), ("2", "Two models, one bill")):
        changed = {"csrf": ada.csrf, "version": version, "subject": subject}
        assert web.post("/desk/2026-W48/words", data=changed).status_code == 303

    shown = web.get("/desk/2026-W48/versions?old=1&new=2").text
    assert "<del>two dissents: who pays for a 2B model?</del>" in shown
    assert "<ins>one dissent</ins>" in shown

    stale = web.post("/desk/2026-W48/versions/1", data={"csrf": ada.csrf, "version": "2"})
    assert stale.status_code == 409
    answer = web.post("/desk/2026-W48/versions/1", data={"csrf": ada.csrf, "version": "3"})
    assert answer.status_code == 303
    assert standing().subject == "Free weights, two dissents: who pays for a 2B model?"
    assert "4 versions" in web.get("/desk/2026-W48/versions").text
    assert web.get("/desk/2026-W48/versions?old=1&new=9").status_code == 404


def test_the_mail_is_seen_as_a_real_reader_with_links_of_nobody(
    web: TestClient, ada: Staff
) -> None:
    shown = web.get("/desk/2026-W48?find=ada@readers.example")

    assert "a…@readers.example" in shown.text
    mail = web.get("/desk/2026-W48/mail.html?reader=reader:1&scheme=dark&images=off")
    assert "img-src 'none'" in mail.headers["content-security-policy"]
    assert "[%" not in mail.text
    assert "(min-width:0)" in mail.text


def test_an_approved_edition_says_what_a_change_would_do(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        production.approve(session, production.by_issue(session, "latest"), by="Grace", now=now)

    said = "Approved by Grace. Whatever is changed here takes the approval back."
    assert said in web.get("/desk/2026-W48").text
    changed = {"csrf": ada.csrf, "version": "1", "subject": "Free weights, one dissent"}
    assert web.post("/desk/2026-W48/words", data=changed).status_code == 303
    assert said not in web.get("/desk/2026-W48").text


def test_a_reader_of_topics_is_called_by_the_topics_names(web: TestClient, ada: Staff) -> None:
    assert ada

    shown = web.get("/desk/2026-W48", params={"reader": "topics:developer-tools"}).text

    assert "as <strong>a reader of Developer Tools alone</strong>" in shown


def test_a_choice_of_topics_that_nobody_has_yet_is_looked_at(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    assert ada
    with unit_of_work() as session:
        facts = a_pair(
            a_tool("Ripcord", category="Research"), a_tool("Needle", category="Research")
        )
        intake.take_in(session, facts, source="site", now=now - timedelta(minutes=9))
    taken_in = {"csrf": ada.csrf, "version": "1", "do": "take-in"}
    assert web.post("/desk/2026-W48/comparisons/4", data=taken_in).status_code == 303

    desk = web.get("/desk/2026-W48", params={"topic": "research", "width": "text"}).text

    assert "as <strong>a reader of Research alone</strong>" in desk
    assert 'value="research" checked' in desk
    assert "Ripcord vs Needle" in desk.partition("<pre")[2]
    assert "Mistral" not in desk.partition("<pre")[2]
    assert "reader=topics%3Aresearch" in desk


def test_a_copy_to_oneself_is_the_mail_that_is_looked_at(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        facts = a_pair(
            a_tool("Ripcord", category="Research"), a_tool("Needle", category="Research")
        )
        intake.take_in(session, facts, source="site", now=now - timedelta(minutes=9))
    taken_in = {"csrf": ada.csrf, "version": "1", "do": "take-in"}
    web.post("/desk/2026-W48/comparisons/4", data=taken_in)
    desk = web.get("/desk/2026-W48", params={"topic": "research"}).text
    [looked_through] = re.findall(r'name="as" value="([^"]+)"', desk)

    sent = {"csrf": ada.csrf, "to": "me", "as": looked_through}
    assert web.post("/desk/2026-W48/test", data=sent).status_code == 303

    with reading() as session:
        html = str((session.exec(select(ServiceMail)).one().values or {})["html"])
    assert "Ripcord" in html
    assert "Mistral" not in html


@on_both
@pytest.mark.parametrize(
    ("until", "said"), [(date(2026, 12, 12), "paused until 12 December 2026"), (None, "")]
)
def test_of_a_reader_whom_the_edition_passes_over_the_desk_says_why(
    web: TestClient, ada: Staff, until: date | None, said: str
) -> None:
    assert ada
    with unit_of_work() as session:
        session.get_one(Subscriber, 1).paused_until = until

    desk = web.get("/desk/2026-W48", params={"reader": "reader:1"}).text

    assert re.findall(r"no copy of this edition: ([^<]*)\.<", desk) == ([said] if said else [])


@pytest.mark.parametrize("width", ["phone", "text"])
def test_of_whom_nothing_is_for_the_desk_says_so_and_stays(
    web: TestClient, ada: Staff, now: datetime, width: str
) -> None:
    assert ada
    with unit_of_work() as session:
        reader = a_reader(session, "linus@readers.example", now=now)
        reader.topics = 1 << 40
        seen = {"reader": f"reader:{reader.id}", "width": width}

    desk = web.get("/desk/2026-W48", params=seen)
    mail = web.get("/desk/2026-W48/mail.html", params=seen)

    said = "Nothing in 2026-W48 is in this reader's topics, so they get no copy of it."
    assert mail.text == said
    assert desk.status_code == 200
    assert ("they get no copy of it" in desk.text) is (width == "text")


class TestFindingAReader:
    @pytest.fixture(autouse=True)
    def readers(self, ada: Staff, now: datetime) -> None:
        assert ada
        with unit_of_work() as session:
            for name in ("adam", "adele", "bo", *(f"carol{n:02}" for n in range(12))):
                a_reader(session, f"{name}@others.example", now=now).name = name.title()
            a_reader(session, "gone@left.example", now=now).status = SubscriberStatus.unsubscribed

    def seen_as(self, web: TestClient, find: str) -> tuple[str, list[str]]:
        """As whom the mail is shown, and who is offered."""
        shown = web.get("/desk/2026-W48", params={"find": find, "scheme": "dark"})
        assert shown.status_code == 200
        typed = f'value="{escape(find)}"'
        assert not re.search(r"\w@\w+\.example", shown.text.replace(typed, ""))
        [through] = re.findall(r'<label for="find">as <strong>([^<]+)', shown.text)
        return through, re.findall(r'reader%3A\d+">([^<]+)</a> <span class="quiet">', shown.text)

    @on_both
    def test_an_operator_finds_by_how_an_address_or_a_name_begins_and_chooses_of_several(
        self, web: TestClient, now: datetime
    ) -> None:
        signed_in(web, roles={Role.editor, Role.operator}, name="Olga", now=now)

        assert self.seen_as(web, "Bo") == ("b…@others.example, reader 4", [])
        assert self.seen_as(web, "adel") == ("a…@others.example, reader 3", [])
        through, offered = self.seen_as(web, "ada")
        assert through == "a reader of everything"
        assert offered == ["a…@readers.example, reader 1", "a…@others.example, reader 2"]
        assert len(self.seen_as(web, "carol")[1]) == 10
        assert "The first ten of more" in web.get("/desk/2026-W48?find=carol").text
        assert 'reader=reader%3A2">' in web.get("/desk/2026-W48?find=ada&scheme=dark").text

    @pytest.mark.parametrize("find", ["ada", "Adele", "carol0", "gone@left.example", "999", "\0"])
    def test_an_editor_alone_learns_nothing_from_beginnings(
        self, web: TestClient, find: str
    ) -> None:
        assert self.seen_as(web, find) == ("a reader of everything", [])
        assert (
            "A whole address finds its reader"
            in web.get("/desk/2026-W48", params={"find": find}).text
        )

    def test_an_editor_finds_by_a_whole_address_a_number_and_a_domain(
        self, web: TestClient
    ) -> None:
        for find in ("ada@readers.example", "ADA@Readers.example ", "1", "@readers", "@Read"):
            assert self.seen_as(web, find) == ("a…@readers.example, reader 1", [])
        assert len(self.seen_as(web, "@others")[1]) == 10

    def test_a_test_copy_needs_one(self, web: TestClient, now: datetime) -> None:
        olga = signed_in(web, roles={Role.editor, Role.operator}, name="Olga", now=now)
        form = {"csrf": olga.csrf, "to": "me"}

        refused = web.post("/desk/2026-W48/test", data=form | {"find": "ada"})
        assert refused.status_code == 409
        assert "Several readers begin like that" in refused.text
        assert web.post("/desk/2026-W48/test", data=form | {"find": "adel"}).status_code == 303


@pytest.mark.parametrize(
    "path", ["/desk", "/desk/2026-W48", "/desk/2026-W48/mail.html", "/desk/2026-W48/versions"]
)
def test_somebody_without_the_role_is_refused(
    web: TestClient, ada: Staff, path: str, now: datetime
) -> None:
    signed_in(web, roles={Role.reader}, name="Linus", now=now)

    assert web.get(path).status_code == 403
