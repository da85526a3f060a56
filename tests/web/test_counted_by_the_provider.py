"""Where the provider counts: its opens and clicks are classed as ours are, and reported as ours are."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import col, select
from starlette.testclient import TestClient

from digests.models import Rendition
from newsletter import links
from newsletter.clock import utc_now
from newsletter.database import reading, unit_of_work
from newsletter.esp.sendgrid.events import DELIVERY_ARG
from newsletter.feedback import reclassing, reporting
from newsletter.feedback.reporting import Range
from newsletter.settings import settings
from subscribers.engagement import Reader
from tests.conftest import Configure
from tests.web.scene import Sent, on_both, seen
from tests.web.test_webhooks import signature

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
ONE_LINK = "a browser, one link at a time"


@pytest.fixture(autouse=True)
def _the_provider_counts(configure: Configure, database: str) -> None:
    assert database
    configure(track_by="provider")


def told(web: TestClient, sent: Sent, who: int, *events: dict[str, Any], now: datetime) -> None:
    """SendGrid tells of opens and clicks; *after* are the seconds since it took the copy."""
    app = web.app
    assert isinstance(app, FastAPI)
    later = now + timedelta(hours=3)
    app.dependency_overrides[utc_now] = lambda: later
    entries = [
        {
            "event": event["what"],
            "timestamp": int((now + timedelta(seconds=event.get("after", 600))).timestamp()),
            "useragent": event.get("by", FIREFOX),
            DELIVERY_ARG: links.ref(links.signer().all_for(sent.digest_id, who)),
        }
        | {name: event[name] for name in ("url", "sg_machine_open") if name in event}
        for event in events
    ]
    body = json.dumps(entries).encode()
    headers = {"content-type": "application/json", **signature(body, later)}
    assert web.post("/webhooks/sendgrid", content=body, headers=headers).status_code == 200


def classes(sent: Sent, kind: str) -> set[tuple[str, str]]:
    return {(one.reader, one.why) for one in seen(sent.digest_id, kind)}


@on_both
@pytest.mark.parametrize(
    ("event", "reader", "why"),
    [
        ({"what": "open"}, Reader.unknown, ""),
        ({"what": "open", "after": 3}, Reader.machine, "within seconds of delivery"),
        ({"what": "open", "by": GMAIL}, Reader.machine, "an image proxy"),
        ({"what": "open", "by": "Mozilla/5.0"}, Reader.machine, "an image proxy"),
        ({"what": "open", "sg_machine_open": True}, Reader.machine, "the provider's flag"),
        ({"what": "open", "sg_machine_open": False}, Reader.unknown, "the provider's flag"),
        ({"what": "click"}, Reader.person, ONE_LINK),
        ({"what": "click", "after": 3}, Reader.machine, "within seconds of delivery"),
        ({"what": "click", "by": "Barracuda Sentinel"}, Reader.machine, "a program's name"),
    ],
)
def test_who_it_was_rests_on_what_the_provider_tells(  # noqa: PLR0917 - a table's columns
    web: TestClient, sent: Sent, event: dict[str, Any], reader: Reader, why: str, now: datetime
) -> None:
    told(web, sent, sent.ada, {"url": "https://shiporskip.example/a"} | event, now=now)

    kind = "opened" if event["what"] == "open" else "clicked"
    assert classes(sent, kind) == {(reader, why)}
    assert "Firefox" not in repr(seen(sent.digest_id, kind))


@on_both
def test_several_links_at_once_are_a_scanners_and_the_person_after_it_still_counts(
    web: TestClient, sent: Sent, now: datetime
) -> None:
    with reading() as session:
        rendition = select(Rendition).where(col(Rendition.digest_id) == sent.digest_id)
        mailed = list(session.exec(rendition).one().links)
    own = f"{settings().web_url}/u/{sent.unsubscribe}"
    sweep = [{"what": "click", "url": url, "after": 60} for url in (*mailed[:3], own)]
    told(web, sent, sent.ada, *sweep, now=now)
    assert classes(sent, "clicked") == {(Reader.machine, "several links at once")}

    told(web, sent, sent.ada, {"what": "click", "url": mailed[1], "after": 3600}, now=now)
    told(web, sent, sent.grace, {"what": "click", "url": own}, {"what": "open"}, now=now)

    with unit_of_work() as session:
        assert reclassing.edition(session, sent.digest_id) == 0, "asked again they are the same"
    found = reporting.recount(sent.digest_id, now=now)
    assert (found.opened, found.clicked) == (Range(2, 2), Range(2, 2))
    assert found.read == ((mailed[1], 1),), "a reader's own link stands in no report"
    kept = {one.reason for one in seen(sent.digest_id, "clicked")}
    assert kept == {*mailed[:3], "their own: /u"}, (
        "nor is it kept: whoever holds it may act for them"
    )
