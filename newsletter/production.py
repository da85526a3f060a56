"""From the store to an approved edition: what the editor sees is what will be sent."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import delete
from sqlmodel import Session, col, select

from digests import assembly, corrections, lifecycle
from digests.lifecycle import NoSuchDigest, NotWhatWasSeen
from digests.models import Digest, DigestItem, DigestStatus, Rendition
from digests.schedule import Approval, OccurrenceStatus, Schedule, due
from newsletter.rendering import House, Rendered, content_hash, render
from newsletter.settings import settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Preview:
    """The bytes that will go, and the hash that an approval is bound to."""

    digest: Digest
    rendered: Rendered
    content_hash: str


def house() -> House:
    """What every edition says about us."""
    known = settings()
    return House(
        publication=known.publication,
        public_url=known.web_url,
        postal_address=known.postal_address,
        sender_domain=known.sender_address.rpartition("@")[2],
    )


def assemble_due(session: Session, *, now: datetime) -> list[Digest]:
    """Take every turn that is due and make its draft; safe from any number of beats."""
    made: list[Digest] = []
    for turn in due(session, now=now):
        digest = assembly.assemble(session, turn, now=now)
        if digest is None:
            if turn.status is not OccurrenceStatus.planned:
                log.info("occurrence.closed", on=str(turn.on_date), status=str(turn.status))
            continue
        log.info("digest.assembled", digest=digest.issue)
        made.append(digest)
        schedule = session.get_one(Schedule, turn.schedule_id)
        if schedule.approval is Approval.policy:
            approve(session, digest, by=f"the policy of schedule {schedule.name}", now=now)
    return made


def preview(session: Session, digest: Digest) -> Preview:
    """The edition as it stands: frozen renditions once approved, rendered afresh before."""
    edition = assembly.edition(session, digest, address=comparison_address())
    rendered = render(
        edition,
        house=house(),
        track_opens=settings().track_opens,
        track_clicks=settings().track_clicks,
    )
    return Preview(digest, rendered, content_hash(rendered.content))


def approve(
    session: Session, digest: Digest, *, by: str, now: datetime, seen_hash: str | None = None
) -> Preview:
    """Freeze the edition and put *by*'s name to its content hash.

    With *seen_hash*, refuses (NotWhatWasSeen) when the content is not what the
    editor looked at. Raises IllegalTransition unless it is a draft.
    """
    shown = preview(session, digest)
    if seen_hash is not None and not shown.content_hash.startswith(seen_hash):
        raise NotWhatWasSeen(digest.issue)
    lifecycle.approve(session, digest, content_hash=shown.content_hash, by=by, now=now)
    session.execute(delete(Rendition).where(col(Rendition.digest_id) == digest.id))
    content = shown.rendered.content
    session.add(
        Rendition(
            digest_id=digest.id or 0,
            topics="all",
            subject=content.subject,
            preheader=digest.preheader,
            html=content.html,
            text=content.text,
            fields=list(content.fields),
            headers=[list(header) for header in content.headers],
            links=list(shown.rendered.links),
            content_hash=shown.content_hash,
            rendered_at=now,
        )
    )
    session.flush()
    log.info("digest.approved", digest=digest.issue, hash=shown.content_hash[:12])
    return shown


def correct(
    session: Session, original: Digest, *, note: str, now: datetime, content_hash: str | None = None
) -> Digest:
    """Draft a correction of *original*: the same comparisons as the store has them now, led by *note*.

    It goes only to those who received *content_hash*, or any rendition of it.
    """
    corrected = corrections.draft(session, original, note=note, content_hash=content_hash, now=now)
    log.info("digest.corrected", digest=original.issue, by=corrected.issue)
    return corrected


def cancel(session: Session, digest: Digest, *, now: datetime) -> None:
    """Never send it. Before anything went out, its comparisons are free for the next edition."""
    unsent = digest.status in {DigestStatus.draft, DigestStatus.approved}
    lifecycle.cancel(session, digest, now=now)
    if unsent:
        session.execute(delete(DigestItem).where(col(DigestItem.digest_id) == digest.id))
    log.info("digest.cancelled", digest=digest.issue)


def by_issue(session: Session, issue: str) -> Digest:
    """The edition called *issue*; ``latest`` means the last one assembled. Raises NoSuchDigest."""
    query = select(Digest).order_by(col(Digest.assembled_at).desc(), col(Digest.id).desc())
    if issue != "latest":
        query = query.where(col(Digest.issue) == issue)
    if (found := session.exec(query).first()) is None:
        raise NoSuchDigest(issue)
    return found


def comparison_address() -> str:
    """Where a full comparison stands, with ``{slug}`` in it."""
    return f"{(settings().site_url or settings().web_url).rstrip('/')}/compare/{{slug}}"
