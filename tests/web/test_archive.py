"""The archive: what was approved, without what was a reader's own."""

import io
import re
from datetime import datetime, time, timedelta
from email.utils import format_datetime
from typing import Final
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Digest, DigestStatus, Rendition
from newsletter.archive.picture import Row, picture
from newsletter.archive.public import html_of, text_of
from newsletter.database import reading, unit_of_work
from newsletter.settings import settings
from tests.web.scene import Sent, a_draft, on_both

_OURS: Final = re.compile(r"<!--archive-->.*?<!--/archive-->", re.DOTALL)
_ATOM: Final = "{http://www.w3.org/2005/Atom}"


def approved() -> Rendition:
    with reading() as session:
        return session.exec(select(Rendition)).one()


def feed_of(web: TestClient) -> ET.Element:
    answer = web.get("/archive.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    return ET.fromstring(answer.content)  # noqa: S314 - our own


@on_both
def test_the_page_is_what_was_approved_but_for_what_was_a_readers_own(
    web: TestClient, sent: Sent
) -> None:
    page = web.get(f"/archive/{sent.issue}")

    assert page.status_code == 200
    # Only where a placeholder stood does anything differ, and our own two insertions are marked.
    theirs, ours = _OURS.sub("", page.text), approved().html
    pixel = re.search(r"<img\b[^>]*/o/\[%open%\][^>]*>", ours)
    assert pixel is not None
    steady = re.split(
        r"https?://[^\s\"']*/[a-z]/\[%\w+%\][^\s\"']*|\[%\w+%\]", ours.replace(pixel[0], "")
    )
    assert len(steady) > 20
    at = 0
    for piece in steady:
        found = theirs.index(piece, at)
        assert found - at < 80  # what stands in the gap
        at = found + len(piece)
    assert at == len(theirs)


def test_nothing_in_it_belongs_to_a_reader(web: TestClient, sent: Sent) -> None:
    html, text = web.get(f"/archive/{sent.issue}").text, web.get(f"/archive/{sent.issue}.txt").text

    for part in (html, text):
        assert "[%" not in part
        for token in (sent.unsubscribe, sent.preferences, sent.view, sent.open, sent.verdict):
            assert token not in part
    assert "/archive/personal" in html
    assert web.get("/archive/personal").status_code == 200


def test_counted_links_lead_where_they_led(now: datetime) -> None:
    html = '<a href="https://news.example/r/[%click%]/1">It</a><p>On [%joined%]: [%kept%].</p>'

    public = html_of(html, ["https://a.example/", "https://b.example/?a=1&b=2"], issue="1", base="")
    plain = text_of(
        "https://news.example/v/[%view%]", [], issue="2026-W48", base="https://n.example/"
    )

    assert public == '<a href="https://b.example/?a=1&amp;b=2">It</a><p>On an earlier day: .</p>'
    assert plain == "https://n.example/archive/2026-W48"


def test_what_has_not_gone_out_is_nobodys_to_read(
    web: TestClient, database: str, now: datetime
) -> None:
    with unit_of_work() as session:
        a_draft(session, now=now)

    refused = web.get("/archive/2026-W48")
    assert refused.status_code == 404
    assert "No edition 2026-W48 has gone out" in refused.text
    assert "newsletter digests" not in refused.text
    assert '<a href="/archive">' in refused.text
    assert web.get("/archive/2026-W48.png").status_code == 404
    assert "None has gone out yet" in web.get("/archive").text
    assert feed_of(web).find(f"{_ATOM}entry") is None


@pytest.mark.parametrize("ending", ["", ".png", ".txt"])
def test_who_has_it_is_not_sent_it_again(web: TestClient, sent: Sent, ending: str) -> None:
    first = web.get(f"/archive/{sent.issue}{ending}")
    tag, date = first.headers["etag"], first.headers["last-modified"]

    by_tag = web.get(f"/archive/{sent.issue}{ending}", headers={"if-none-match": f'"x", W/{tag}'})
    by_date = web.get(f"/archive/{sent.issue}{ending}", headers={"if-modified-since": date})
    by_neither = web.get(f"/archive/{sent.issue}{ending}", headers={"if-none-match": '"x"'})

    assert "public" in first.headers["cache-control"]
    assert (by_tag.status_code, by_tag.content) == (304, b"")
    assert by_date.status_code == 304
    assert by_date.headers["etag"] == tag
    assert by_neither.status_code == 200
    garbled = {"if-modified-since": "yesterday"}
    assert web.get(f"/archive/{sent.issue}{ending}", headers=garbled).status_code == 200


def test_a_link_to_it_shows_a_picture_of_the_edition(web: TestClient, sent: Sent) -> None:
    page = web.get(f"/archive/{sent.issue}").text
    named = re.search(r'property="og:image" content="([^"]+)"', page)
    assert named is not None
    assert named[1] == f"{settings().web_url}/archive/{sent.issue}.png"

    answer = web.get(f"/archive/{sent.issue}.png")

    drawn = Image.open(io.BytesIO(answer.content))
    assert (drawn.format, drawn.size) == ("PNG", (1200, 630))
    colours = {colour for _, colour in drawn.convert("RGB").getcolors(1 << 20) or []}
    assert {(11, 122, 75), (180, 35, 24)} <= colours  # ship and skip
    assert len(answer.content) < 60_000


@pytest.mark.parametrize(
    ("subject", "as_if"),
    [
        ("🚀 Who pays\u200d for a 2B model?", "Who pays for a 2B model?"),
        ("日本語の件名", "Weekly AI Tool Verdicts"),
        ("Cafe\u0301", "Café"),
    ],
)
def test_what_the_pictures_fonts_have_no_shape_for_is_left_out(subject: str, as_if: str) -> None:
    rows = (Row("Ada vs Grace 🤖", ()),)
    drawn = picture("Weekly AI Tool Verdicts", "No. 48", subject, rows)

    assert drawn == picture("Weekly AI Tool Verdicts", "No. 48", as_if, (Row("Ada vs Grace", ()),))


def test_a_word_longer_than_the_picture_stays_in_it() -> None:
    drawn = Image.open(io.BytesIO(picture("Weekly", "No. 48", "x" * 90, ()))).convert("RGB")

    edge = drawn.crop((1200 - 60, 120, 1200, 560)).getcolors(1 << 20) or []
    assert [colour for _, colour in edge] == [(245, 242, 234)]


@on_both
def test_the_index_and_the_feed_have_the_newest_first_and_lead_on(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        frozen = session.exec(select(Rendition)).one()
        last = session.exec(select(Digest).where(col(Digest.issue) == sent.issue)).one()
        for week in range(1, 61):
            at = now - timedelta(weeks=week)
            values = last.model_dump(exclude={"id", "issue", "finished_at", "occurrence_id"})
            old = Digest(**values, issue=f"old-{week}", finished_at=at)
            old.status = DigestStatus.sent
            session.add(old)
            session.flush()
            copied = frozen.model_dump(exclude={"id", "digest_id"})
            session.add(Rendition(**copied, digest_id=old.id or 0))

    first = web.get("/archive").text
    issues = re.findall(r'class="pair" href="/archive/([^"]+)"', first)
    assert issues == [sent.issue, *(f"old-{week}" for week in range(1, 52))]
    assert 'href="/archive?before=old-51"' in first
    rest = re.findall(
        r'class="pair" href="/archive/([^"]+)"', web.get("/archive?before=old-51").text
    )
    assert rest == [f"old-{week}" for week in range(52, 61)]

    feed = feed_of(web)
    entries = feed.findall(f"{_ATOM}entry")
    assert len(entries) == 13
    links = [one.find(f"{_ATOM}link") for one in entries]
    assert links[0] is not None
    assert links[0].attrib["href"].endswith(f"/archive/{sent.issue}")
    content = entries[0].find(f"{_ATOM}content")
    assert content is not None
    assert "SmolVLM2 vs Mistral 3 Small" in (content.text or "")
    assert 'rel="prev" href="' in web.get(f"/archive/{sent.issue}").text
    assert 'rel="next"' in web.get("/archive/old-1").text
    # Whoever kept it before there was a next one does not keep it for ever.
    then = format_datetime(now - timedelta(days=3), usegmt=True)
    kept = web.get("/archive/old-1", headers={"if-modified-since": then})
    assert kept.status_code == 200
    assert kept.headers["last-modified"] == format_datetime(now, usegmt=True)


@on_both
def test_its_day_is_the_one_in_the_mail_however_late_its_books_were_closed(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with unit_of_work() as session:
        digest = session.exec(select(Digest)).one()
        digest.finished_at = digest.send_at + timedelta(days=2)
    assert "No. 48 · 23 November 2026" in web.get(f"/archive/{sent.issue}").text
    assert ">23 November 2026</time>" in web.get("/archive").text

    with (
        unit_of_work() as session
    ):  # where everyone gets it by their own clocks, the first do so early
        digest = session.exec(select(Digest)).one()
        digest.local_day, digest.local_at = now.date() + timedelta(days=1), time(9)
    assert "No. 48 · 24 November 2026" in web.get(f"/archive/{sent.issue}").text


@on_both
def test_two_whose_books_were_closed_at_the_same_moment_follow_each_other(
    web: TestClient, sent: Sent
) -> None:
    with unit_of_work() as session:
        frozen = session.exec(select(Rendition)).one()
        last = session.exec(select(Digest)).one()
        twin = Digest(**last.model_dump(exclude={"id", "issue", "occurrence_id"}), issue="twin")
        session.add(twin)
        session.flush()
        copied = frozen.model_dump(exclude={"id", "digest_id"})
        session.add(Rendition(**copied, digest_id=twin.id or 0))

    later, earlier = web.get("/archive/twin").text, web.get(f"/archive/{sent.issue}").text
    assert re.findall(r'rel="(?:prev|next)" href="[^"]*/([^"/]+)"', later) == [sent.issue]
    assert re.findall(r'rel="(?:prev|next)" href="[^"]*/([^"/]+)"', earlier) == ["twin"]
    assert f"/archive/{sent.issue}" in web.get("/archive?before=twin").text
