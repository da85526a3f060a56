"""Pictures of the desk for docs/pictures: ``python -m tests.pictures.desk [FOLDER]``."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import insert
from sqlmodel import Session

from digests.facts import ComparisonFacts, Verdict
from digests.models import Digest, DigestStatus, Rendition
from digests.schedules.schedule_files import install
from digests.store import intake
from newsletter import database
from newsletter.editions import editing
from newsletter.feedback.reporting import EditionFigures, Figures, Range
from newsletter.reach import LinkAnswer, key_of
from newsletter.reach import Verdict as Reached
from subscribers.models import Subscriber, SubscriberStatus
from tests.pictures.camera import Picture, take_all
from tests.pictures.people import a_list, somebody
from tests.support.mails import a_pair, a_tool
from tests.support.processes import ROOT
from tests.web.scene import DATA, a_draft

NOW: Final = datetime(2026, 11, 23, 7, 10, tzinfo=UTC)
READERS: Final = 48_212
_SHIP, _SKIP = Verdict.ship, Verdict.skip
_PRICE: Final = "Free tier, then $0.40 per million tokens"
_LINK: Final = "https://benchmarks.example/ocr-2026"

PICTURES: Final[tuple[Picture, ...]] = (
    ("desk", "/desk/2026-W48", (1360, 1330), "light"),
    ("desk-dark", "/desk/2026-W48?scheme=dark&width=phone", (1360, 1120), "dark"),
    ("desk-phone", "/desk/2026-W48", (390, 1480), "light"),
    ("desk-board", "/desk", (1360, 740), "light"),
    ("approval", "/desk/2026-W48/approval", (1360, 700), "light"),
    ("desk-versions", "/desk/2026-W48/versions?old=1&new=4", (1360, 720), "light"),
    ("reports", "/reports", (1360, 900), "light"),
    ("reports-phone-dark", "/reports", (390, 1100), "dark"),
    ("people", "/people?q=ada", (1360, 560), "light"),
    ("person", "/people/1", (1360, 900), "light"),
    ("person-phone-dark", "/people/1", (390, 1200), "dark"),
    ("people-import", "/people/import/1", (1360, 870), "light"),
    ("people-import-phone-dark", "/people/import/1", (390, 1200), "dark"),
    (
        "people-bulk",
        "/people/bulk?source=the+front&tracking=on&deed=take+off",
        (1360, 560),
        "light",
    ),
    ("report", "/reports/2026-W47", (1360, 1000), "light"),
)


def scene(session: Session) -> None:
    """A Monday morning: a draft that two editors have worked on, and something wrong with it."""
    install(session, ROOT / "celerybeat-schedule", now=NOW - timedelta(days=3))
    _before(session)
    digest = a_draft(session, now=NOW)
    digest.send_at, digest.late_after = NOW + timedelta(minutes=50), NOW + timedelta(hours=5)
    digest.opening = (
        "Three comparisons this week, seven ships and two dissents, both from the Founder: "
        f"*who pays, when the weights are free?* Our source: [the OCR figures]({_LINK})."
    )
    session.flush()
    editing.edit(session, digest, lambda one: one.pinned(1, on=True), seen=1, by="Ada", now=NOW)
    note = "Ask the **Founder** before you build on it."
    editing.edit(session, digest, lambda one: one.noted(3, note), seen=2, by="Grace", now=NOW)
    editing.reword(
        session,
        digest,
        {"subject": "Who pays for a 2B model? Free weights, two dissents"},
        seen=3,
        by="Ada",
        now=NOW,
    )
    changed = ComparisonFacts.model_validate_json(
        (DATA / "smolvlm2-vs-mistral-3-small.json").read_bytes()
    )
    left, right = changed.tools
    dearer = right.model_copy(update={"entry": "Free tier", "pricing": _PRICE})
    intake.take_in(
        session, changed.model_copy(update={"tools": (left, dearer)}), source="site", now=NOW
    )
    session.add(
        LinkAnswer(
            key=key_of(_LINK),
            url=_LINK,
            asked_at=NOW - timedelta(minutes=4),
            verdict=Reached.refuses,
            said="it answers 404",
        )
    )
    _coming(session)
    somebody(session, now=NOW)
    session.execute(
        insert(Subscriber),
        [
            {
                "address": f"reader{n}@readers.example",
                "address_key": n.to_bytes(16),
                "status": SubscriberStatus.active,
                "joined_at": NOW - timedelta(days=n % 700),
                "source": "the front page",
                "zone": "UTC",
                "tracking": True,
            }
            for n in range(READERS)
        ],
    )


def _before(session: Session) -> None:
    """Eight editions that went out, and what their readers did."""
    for week, subject in enumerate(
        (
            "Two code agents, one verdict: ship the quiet one",
            "The panel splits on local search",
            "Vector stores: four ships and a warning",
            "Nobody ships the meeting bot",
            "A terminal that answers back, and one that should not",
            "The cheap model wins, the Founder objects",
            "Two image makers, no agreement",
            "Transcripts: the free one is enough",
        ),
        start=1,
    ):
        at = NOW - timedelta(weeks=week)
        digest = Digest(
            issue=f"2026-W{48 - week}",
            number=48 - week,
            zone="Europe/Berlin",
            window_start=at - timedelta(days=7),
            window_end=at,
            send_at=at,
            late_after=at,
            status=DigestStatus.sent,
            subject=subject,
            preheader="What the panel said, and who dissents.",
            opening="",
            assembled_at=at,
            audience=READERS - 310 * week,
            started_at=at,
            finished_at=at + timedelta(minutes=1),
            books={
                "accepted": READERS - 310 * week - 61,
                "rejected": 40 + week,
                "excluded": 21 - week,
            },
        )
        session.add(digest)
        session.flush()
        session.add(
            Rendition(
                digest_id=digest.id or 0,
                subject=subject,
                preheader=digest.preheader,
                html="<p></p>",
                text="",
                fields=[],
                headers=[],
                links=[],
                content_hash="",
                rendered_at=at,
            )
        )
        session.add(_figures(digest.id or 0, week, digest.audience or 0))


def _figures(digest_id: int, week: int, audience: int) -> EditionFigures:
    share = 0.001 * (7 * week % 5)  # weeks differ a little
    figures = Figures(
        delivered=audience - 61 - 70,
        opened=Range(int(audience * (0.107 + share)), int(audience * (0.42 + 9 * share))),
        clicked=Range(int(audience * (0.101 + share)), int(audience * (0.123 + 2 * share))),
        unsubscribed=38 + 5 * week % 13,
        bounced=70,
        complained=week % 3,
        read=tuple(
            (f"https://shiporskip.example/compare/{pair}", int(audience * part))
            for pair, part in (
                ("smolvlm2-2b-vs-mistral-3-small", 0.052),
                ("ripcord-search-vs-needle", 0.031),
                ("quill-meetings-vs-minutely", 0.018),
            )
        ),
    )
    return EditionFigures(
        digest_id=digest_id, counted_at=NOW - timedelta(minutes=3), figures=asdict(figures)
    )


def _coming(session: Session) -> None:
    """Two comparisons for the next edition."""
    for left, right, seats in (
        ("Ripcord Search", "Needle", (_SHIP, _SHIP, _SKIP, _SHIP)),
        ("Quill Meetings", "Minutely", (_SKIP, _SKIP, _SKIP, _SHIP)),
    ):
        tools = a_tool(left, verdicts=seats), a_tool(right, verdicts=(_SHIP, _SHIP, _SHIP, _SKIP))
        facts = a_pair(*tools)
        intake.take_in(session, facts, source="site", now=NOW - timedelta(minutes=9))


def _store() -> None:
    with database.unit_of_work() as session:
        scene(session)
    a_list()


if __name__ == "__main__":
    take_all(PICTURES, _store, now=NOW)
