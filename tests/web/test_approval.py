"""The page of an approval: exactly what was seen, by those who may, and what happens when it cannot be."""

import re
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.ledger import claims
from digests.making import versions
from digests.models import Delivery, Digest, DigestStatus
from digests.schedules.schedule import OccurrenceStatus, Schedule, plan_turn
from newsletter import seeds
from newsletter.accounts.models import AuditEntry, Role
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.delivery import dispatch
from newsletter.editions import deadlines, production
from newsletter.posting.composing import Composed, compose
from newsletter.service_mail import Kind, ServiceMail
from subscribers.engagement import Engagement
from tests.conftest import Configure
from tests.web.scene import Sent, a_draft, a_reader, dearer, on_both
from tests.web.staffing import Staff, signed_in

PAGE = "/desk/2026-W48/approval"


@pytest.fixture
def ada(web: TestClient, database: str, now: datetime) -> Staff:
    """An editor before a draft that goes in two hours."""
    with unit_of_work() as session:
        digest = a_draft(session, now=now)
        digest.send_at = now + timedelta(hours=2)
        a_reader(session, now=now)
    return signed_in(web, roles={Role.editor}, now=now)


def seen(web: TestClient) -> str:
    found = re.search(r'name="hash" value="([0-9a-f]{64})"', web.get(PAGE).text)
    assert found is not None
    return found[1]


def status() -> DigestStatus:
    with reading() as session:
        return production.by_issue(session, "2026-W48").status


def reworded(now: datetime, **words: str) -> None:
    with unit_of_work() as session:
        digest = production.by_issue(session, "2026-W48")
        draft = versions.read(session, digest).reworded(**words)
        versions.save(session, digest, draft, seen=digest.version, by="Grace", now=now)


@on_both
def test_an_editor_approves_what_the_page_shows_and_undoes_it(web: TestClient, ada: Staff) -> None:
    page = web.get(PAGE).text
    assert "not left, each in the topics and at the pace they chose: 1 copy as of now" in page

    done = web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})
    approved = web.get(done.headers["location"]).text
    undone = web.post(f"{PAGE}/undo", data={"csrf": ada.csrf})

    assert "Approved by Ada, Mon 23 Nov, 09:00 Europe/Berlin" in approved
    assert "It goes in" in approved
    assert "2 h" in approved
    assert undone.headers["location"].endswith("done=undone")
    assert "Ada took the approval back" in web.get(PAGE).text
    assert status() is DigestStatus.draft


def test_what_has_changed_since_it_was_seen_is_not_approved(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    form = {"csrf": ada.csrf, "hash": seen(web)}
    reworded(now, subject="Another subject altogether")

    refused = web.post(PAGE, data=form)

    assert refused.status_code == 409
    assert "has changed since you looked at it" in refused.text
    assert status() is DigestStatus.draft


def test_a_warning_asks_for_a_word_and_an_error_takes_the_button_away(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    reworded(now, preheader="")
    assert 'name="word"' in web.get(PAGE).text
    silent = web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web), "word": " "})
    said = web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web), "word": "Meant so."})
    assert (silent.status_code, said.status_code) == (409, 303)
    assert "Meant so." in web.get(PAGE).text

    web.post(f"{PAGE}/undo", data={"csrf": ada.csrf})
    reworded(now, opening="TODO")
    page = web.get(PAGE).text
    assert "word lets it go like this" in page
    assert "Approve 2026-W48</button>" not in page


def test_two_names_where_two_are_asked_for(
    web: TestClient, ada: Staff, configure: Configure, now: datetime
) -> None:
    configure(approval_people=2)
    content = seen(web)

    first = web.post(PAGE, data={"csrf": ada.csrf, "hash": content})
    page = web.get(first.headers["location"]).text
    grace = signed_in(web, roles={Role.editor}, name="Grace", now=now)
    second = web.post(PAGE, data={"csrf": grace.csrf, "hash": content})

    assert "It goes once another person has approved the same" in page
    assert "Yours stands there" in page
    assert "Approve 2026-W48</button>" not in page
    assert "Ada, of 2" in page
    assert second.headers["location"].endswith("done=approved")
    assert "Approved by Ada and Grace" in web.get(PAGE).text


def test_it_is_sent_back_with_a_reason_that_stands_on_the_page(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    content = seen(web)
    web.post("/desk/2026-W48/refusal", data={"csrf": ada.csrf, "reason": "The lead is stale"})
    grace = signed_in(web, roles={Role.editor}, name="Grace", now=now)
    form = {"csrf": grace.csrf, "hash": content}

    said = "Ada has sent it back:</strong> The lead is stale."
    page = web.get(PAGE).text
    assert said in page
    assert "Approve 2026-W48</button>" not in page
    assert said in web.get("/desk/2026-W48").text
    assert "Ada has sent it back: The lead is stale." in web.get("/desk").text
    refused = web.post(PAGE, data=form)
    assert refused.status_code == 409
    assert "Ada has refused" in refused.text
    assert web.post("/desk/2026-W48/refusal", data={**form, "reason": ""}).status_code == 409

    reworded(now + timedelta(minutes=1), subject="Who pays?")
    assert "has sent it back" not in web.get(PAGE).text + web.get("/desk/2026-W48").text
    assert "has sent it back" not in web.get("/desk").text


def test_what_is_due_at_once_waits_a_minute_for_second_thoughts(
    app: FastAPI, web: TestClient, ada: Staff, now: datetime
) -> None:
    late = now + timedelta(hours=3)
    app.dependency_overrides[utc_now] = lambda: late

    web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})

    page = web.get(PAGE).text
    assert "1 min" in page
    assert "data-live" in page
    with reading() as session:
        assert production.by_issue(session, "latest").send_at == late + timedelta(minutes=1)


def test_of_one_that_can_go_no_more_it_says_so_instead_of_offering_a_button(
    app: FastAPI, web: TestClient, ada: Staff, now: datetime
) -> None:
    assert "May still go until Mon 23 Nov, 21:00 Europe/Berlin" in web.get(PAGE).text
    app.dependency_overrides[utc_now] = lambda: now + timedelta(hours=13)

    page = web.get(PAGE).text

    assert "Too late since Mon 23 Nov, 21:00 Europe/Berlin" in page
    assert "An operator gives it another one" in page
    assert "Approve 2026-W48</button>" not in page


@on_both
def test_one_that_is_still_there_on_the_next_day_bears_that_one_and_is_approved_as_the_page_shows_it(
    app: FastAPI, web: TestClient, ada: Staff, now: datetime
) -> None:
    tomorrow = now + timedelta(days=1)
    with unit_of_work() as session:
        production.by_issue(session, "2026-W48").late_after = tomorrow + timedelta(hours=1)
    assert deadlines.redate(now=now + timedelta(hours=3)) == []
    assert deadlines.redate(now=tomorrow) == ["2026-W48"]
    assert deadlines.redate(now=tomorrow) == []
    app.dependency_overrides[utc_now] = lambda: tomorrow

    done = web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})

    assert done.headers["location"].endswith("done=approved")
    assert "1 min" in web.get(PAGE).text
    with reading() as session:
        digest = production.by_issue(session, "2026-W48")
        assert "24 November 2026" in production.preview(session, digest).rendered.content.text


def test_a_name_under_yesterdays_date_counts_for_nothing_and_the_page_says_so(
    app: FastAPI, web: TestClient, ada: Staff, configure: Configure, now: datetime
) -> None:
    configure(approval_people=2)
    web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})
    with unit_of_work() as session:
        production.by_issue(session, "2026-W48").late_after = now + timedelta(days=2)

    deadlines.redate(now=now + timedelta(days=1))

    assert "Ada approved it with the date of 23 November" in web.get(PAGE).text


def test_just_before_midnight_it_still_goes_on_the_day_that_it_bears(
    app: FastAPI, web: TestClient, ada: Staff, now: datetime
) -> None:
    late = now.replace(hour=22, minute=59, second=20)  # a minute before midnight in Berlin
    with unit_of_work() as session:
        production.by_issue(session, "2026-W48").late_after = late + timedelta(hours=1)
    app.dependency_overrides[utc_now] = lambda: late

    done = web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})

    assert done.headers["location"].endswith("done=approved")
    with reading() as session:
        send_at = production.by_issue(session, "2026-W48").send_at
        assert send_at == late.replace(second=59)


@on_both
def test_during_the_send_the_receipt_and_undo_until_the_first_claim(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    at = now + timedelta(hours=2)
    web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})
    with unit_of_work(snapshot=True) as session:
        [digest_id] = dispatch.start_due(session, now=at)
    before = web.get(PAGE).text
    with unit_of_work() as session:
        claims.claim(
            session, digest_id, worker="one", lease_until=at + timedelta(minutes=5), now=at
        )

    after = web.get(PAGE).text
    refused = web.post(f"{PAGE}/undo", data={"csrf": ada.csrf})

    assert "Undo the approval" in before
    assert "On its way" in before
    assert "Undo the approval" not in after
    assert refused.status_code == 409
    assert "first copies of 2026-W48 are on their way" in refused.text


def test_after_it_the_books_stand_beside_those_of_the_weeks_before(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    signed_in(web, roles={Role.editor}, now=now)
    with unit_of_work() as session:
        earlier = Digest(
            issue="2026-W47",
            number=47,
            zone="UTC",
            window_start=now - timedelta(days=14),
            window_end=now - timedelta(days=7),
            send_at=now - timedelta(days=7),
            late_after=now,
            subject="The week before",
            preheader="",
            opening="",
            assembled_at=now - timedelta(days=8),
            status=DigestStatus.sent,
            audience=50,
            books={"accepted": 48, "rejected": 1, "excluded": 1},
        )
        session.add(earlier)

    page = web.get(f"/desk/{sent.issue}/approval").text

    assert "The books are closed" in page
    assert re.search(r"2026-W48.*?>3</td><td class=\"number\">3</td>", page, re.DOTALL)
    assert re.search(r"The week before</td><td class=\"number\">50.*?96\.0&#160;%", page, re.DOTALL)
    assert "Approve 2026-W48</button>" not in page
    assert 'href="/archive/2026-W48"' in page

    with unit_of_work() as session:  # while it goes, the receipt alone counts it
        production.by_issue(session, sent.issue).status = DigestStatus.paused
    stopped = web.get(f"/desk/{sent.issue}/approval").text
    assert "The week before" in stopped
    assert 'scope="row"><a href="/desk/2026-W48' not in stopped
    assert 'href="/archive/2026-W48"' not in stopped


def test_of_an_approved_one_it_says_when_the_store_has_moved_on(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    web.post(PAGE, data={"csrf": ada.csrf, "hash": seen(web)})
    assert "The store has moved on" not in web.get(PAGE).text

    dearer(now=now)

    page = web.get(PAGE).text
    assert "The store has moved on since" in page
    assert "price was Free / Open weights (Apache 2.0) and is $40 a month" in page
    assert status() is DigestStatus.approved


@on_both
def test_of_one_that_was_cancelled_it_says_why_and_what_had_gone(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    with unit_of_work() as session:
        schedule = Schedule(name="weekly", installed_at=now)
        session.add(schedule)
        session.flush()
        turn = plan_turn(session, schedule, send_at=now, cutoff_at=now)
        turn.status, turn.reason = OccurrenceStatus.skipped, "left out by Grace"
        digest = production.by_issue(session, "2026-W48")
        digest.occurrence_id = turn.id
        production.cancel(session, digest, now=now)

    led = web.get("/desk/2026-W48")
    page = web.get(led.headers["location"]).text

    assert led.headers["location"] == PAGE
    assert "Nothing of 2026-W48 went out. Left out by Grace." in page
    assert "Was to go Mon 23 Nov, 11:00" in page
    assert "Approve 2026-W48</button>" not in page


def test_of_one_that_was_cancelled_on_its_way_the_books_stand(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    signed_in(web, roles={Role.editor}, now=now)
    with unit_of_work() as session:
        production.by_issue(session, sent.issue).status = DigestStatus.cancelled

    page = web.get(PAGE).text

    assert "What had gone by then stands below" in page
    assert "<dt>Accepted</dt><dd>3</dd>" in page


class TestTestCopies:
    def test_it_is_marked_as_one_shows_a_readers_own_values_and_counts_nowhere(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        form = {"csrf": ada.csrf, "find": "ada@readers.example", "to": "me"}

        done = web.post("/desk/2026-W48/test", data=form)

        assert done.headers["location"].endswith("done=me")
        with reading() as session:
            letter = session.exec(select(ServiceMail)).one()
            composed = compose(session, letter, now=now)
            assert session.exec(select(Delivery)).all() == []
            assert session.exec(select(Engagement)).all() == []
            noted = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()[-1]
        assert isinstance(composed, Composed)
        content = composed.mailing.content
        assert (letter.kind, composed.to.address) == (Kind.test_copy, "ada@shiporskip.example")
        assert content.subject.startswith("[Test] Free weights")
        assert "Test copy of 2026-W48 (draft), as a…@readers.example" in content.html
        assert content.text.startswith("Test copy of 2026-W48")
        joined = now - timedelta(weeks=7)
        assert f"{joined.day} {joined:%B %Y}" in content.html
        assert "/o/" not in content.html  # no pixel
        assert (noted.action, noted.by) == ("digest.tested", "Ada")
        assert "@" not in str(noted.after).replace("a…@readers.example", "")

    def test_its_links_say_that_they_are_nobodys(self, web: TestClient, ada: Staff) -> None:
        web.post("/desk/2026-W48/test", data={"csrf": ada.csrf, "to": "me"})
        with reading() as session:
            html = str((session.exec(select(ServiceMail)).one().values or {})["html"])
        addresses = set(re.findall(r"/[upvb]/[A-Za-z0-9_-]{28}[a-z0-9/.-]*", html))
        assert {one[1] for one in addresses} == set("upvb")

        for one in addresses:
            page = web.get(one)
            assert page.status_code == 404
            assert "acts for nobody: nothing has been changed" in page.text
            if one.startswith("/u/"):
                assert web.post(one).status_code == 404

    def test_the_seed_list_gets_one_each_and_only_while_it_is_on_it(
        self, web: TestClient, ada: Staff, now: datetime
    ) -> None:
        form = {"csrf": ada.csrf, "to": "seeds"}
        assert web.post("/desk/2026-W48/test", data=form).status_code == 409
        for address in ("one@big.example", "two@big.example"):
            web.post("/desk/2026-W48/seeds", data={"csrf": ada.csrf, "address": address})
        assert "Mail it to the seed list (2)" in web.get(PAGE).text

        web.post("/desk/2026-W48/test", data=form)
        with reading() as session:
            [first, second] = seeds.everyone(session)
        web.post(f"/desk/2026-W48/seeds/{second.id}/end", data={"csrf": ada.csrf})

        with reading() as session:
            composed = [compose(session, one, now=now) for one in session.exec(select(ServiceMail))]
        reached = [one.to.address for one in composed if isinstance(one, Composed)]
        assert reached == [first.address]

    @pytest.mark.parametrize("find", ["nobody@readers.example", "999"])
    def test_as_nobody_it_is_not_sent(self, web: TestClient, ada: Staff, find: str) -> None:
        refused = web.post("/desk/2026-W48/test", data={"csrf": ada.csrf, "find": find})

        assert refused.status_code == 409
        assert "Nobody who gets mail" in refused.text


@pytest.mark.parametrize("roles", [{Role.reader}, {Role.operator}])
def test_as_someone_without_the_role_refused(
    web: TestClient, ada: Staff, now: datetime, roles: set[Role]
) -> None:
    content = seen(web)
    other = signed_in(web, roles=roles, name="Olga", now=now)

    assert web.get(PAGE).status_code == 403
    for path in (PAGE, f"{PAGE}/undo", "/desk/2026-W48/refusal", "/desk/2026-W48/test"):
        form = {"csrf": other.csrf, "hash": content, "reason": "No.", "to": "me"}
        assert web.post(path, data=form).status_code == 403, path
    assert status() is DigestStatus.draft


def test_of_two_editors_who_press_at_once_one_approves_and_the_other_is_told(
    web: TestClient, ada: Staff, now: datetime
) -> None:
    form = {"csrf": ada.csrf, "hash": seen(web)}

    first, second = web.post(PAGE, data=form), web.post(PAGE, data=form)

    assert (first.status_code, second.status_code) == (303, 409)
    assert "cannot become approved" in second.text
