"""Reading in the browser: the reader's own copy, the approved bytes, and no open counted."""

import re

from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Rendition
from newsletter.database import reading, unit_of_work
from tests.web.scene import Sent, erase, on_both, seen


@on_both
def test_the_page_is_the_approved_bytes_with_ones_own_links(web: TestClient, sent: Sent) -> None:
    page = web.get(f"/v/{sent.view}").text

    with reading() as session:
        frozen = session.exec(
            select(Rendition).where(col(Rendition.digest_id) == sent.digest_id)
        ).one()
    personal = {
        "unsubscribe": sent.unsubscribe,
        "preferences": sent.preferences,
        "view": sent.view,
        "click": sent.click,
        "joined": "5 October 2026",
        "verdict": sent.verdict,
        "kept": "",
    }
    expected = re.sub(r"<img[^>]*\[%open%\][^>]*>", "", frozen.html)
    for name, value in personal.items():
        expected = expected.replace(f"[%{name}%]", value)
    assert page == expected
    assert "[%" not in page


def test_it_holds_no_pixel_so_that_looking_is_not_opening(web: TestClient, sent: Sent) -> None:
    page = web.get(f"/v/{sent.view}").text

    assert "/o/" not in page
    assert sent.open not in page
    assert seen(sent.digest_id, "opened") == []


def test_nothing_in_it_may_run_submit_or_be_framed(web: TestClient, sent: Sent) -> None:
    policy = web.get(f"/v/{sent.view}").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy


def test_it_can_still_be_read_by_somebody_who_was_erased(web: TestClient, sent: Sent) -> None:
    erase(sent.ada)

    assert web.get(f"/v/{sent.view}").status_code == 200


def test_an_edition_that_is_no_longer_kept_is_told_calmly(web: TestClient, sent: Sent) -> None:
    with unit_of_work() as session:
        for frozen in session.exec(select(Rendition)):
            frozen.digest_id = sent.digest_id
            frozen.topics = "another choice"
        for table in ("delivery", "batch"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - two names

    answer = web.get(f"/v/{sent.view}")

    assert answer.status_code == 404
    assert "traceback" not in answer.text.lower()
