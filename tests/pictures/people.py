"""Four people for the pictures, one of whom has read us for a while, and a list from elsewhere."""

import io
from datetime import UTC, datetime, timedelta

from sqlmodel import Session, col, select

from digests.models import Delivery, Digest, Outcome
from newsletter.database import unit_of_work
from newsletter.esp import EventKind
from newsletter.readers import uploads
from newsletter.settings import settings
from subscribers.engagement import Observation, Reader, record
from subscribers.subscription import add_confirmed


def somebody(session: Session, *, now: datetime) -> None:
    """People with names, and one with a history."""
    for number, (name, domain) in enumerate(
        (
            ("Ada Lovelace", "analytical.example"),
            ("Adam Osborne", "luggable.example"),
            ("Adaeze Obi", "readers.example"),
            ("Adalbert Kern", "readers.example"),
        )
    ):
        ada, _ = add_confirmed(
            session,
            f"{name.split()[0].lower()}@{domain}",
            page="shiporskip.example/compare",
            wording="Weekly AI Tool Verdicts: get the next comparison in your inbox",
            secret=settings().suppression_secret.get_secret_value(),
            now=now - timedelta(weeks=9, hours=5 * number),
        )
        ada.name = name
        if number:
            continue
        session.flush()
        for week, digest in enumerate(
            session.exec(select(Digest).order_by(col(Digest.id))).all()[:4]
        ):
            at = digest.send_at
            session.add(
                Delivery(
                    digest_id=digest.id or 0,
                    subscriber_id=ada.id or 0,
                    outcome=Outcome.excluded if week == 2 else Outcome.accepted,
                    reason="nothing in their topics" if week == 2 else None,
                    decided_at=at,
                )
            )
            for kind, after in (
                (EventKind.delivered, 4),
                (EventKind.opened, 1900),
                (EventKind.clicked, 1960),
            ):
                if week != 2 and (week != 3 or kind is EventKind.delivered):
                    at_then = at + timedelta(seconds=after)
                    seen = Observation(
                        digest_id=digest.id or 0,
                        key=f"{kind}{week}",
                        subscriber_id=ada.id or 0,
                        kind=kind,
                        occurred_at=at_then,
                        reader=Reader.unknown if kind is EventKind.opened else Reader.person,
                    )
                    record(session, [seen], now=at_then)


def a_list() -> None:
    """A list that was loaded up, looked at and rehearsed, with some who stay away and some unreadable."""
    lines = ["Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME"]
    lines += [
        f"reader.{n}@elsewhere.example,Ada,Reader {n},2,2024-05-06 07:08:09" for n in range(900)
    ]
    lines += [f"reader.{n}@elsewhere.example,Ada,Again,2,2024-05-06 07:08:09" for n in range(12)]
    lines += ["ada@analytical.example,Ada,Lovelace,4,2023-01-02 03:04:05", "nobody,,,1,", ",,,1,"]
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    source = io.BytesIO("\n".join(lines).encode())
    number = uploads.receive(source, "subscribed_members_export.csv", by="Olga", now=now)
    with unit_of_work() as session:
        uploads.read_as(
            session,
            number,
            {},
            page="old.example/join",
            wording="Get the weekly verdicts by mail",
            by="Olga",
            now=now,
        )
    uploads.work(clock=lambda: now)
