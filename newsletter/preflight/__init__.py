"""What is wrong with an edition before anybody receives it: pure checks over values."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session, col, select

from digests.edition import Edition
from digests.facts import ComparisonFacts
from digests.making import assembly
from digests.models import Digest, DigestItem, DigestStatus
from digests.store.comparisons import Revision
from newsletter import links as signed
from newsletter import reach
from newsletter.copies import choices, galley, kept
from newsletter.copies.galley import Preview
from newsletter.preflight import markup, readers, wording
from newsletter.preflight.contrast import contrast
from newsletter.preflight.drift import Pair, drift
from newsletter.preflight.findings import (
    AsksForAWord,
    Check,
    Finding,
    NotFit,
    Preflight,
    Severity,
    worst_first,
)
from newsletter.preflight.leading import leading, nowhere
from newsletter.preflight.mail import Mail
from newsletter.preflight.parts import text_part
from newsletter.preflight.shapes import measured
from newsletter.preflight.weight import weigh, weight
from newsletter.settings import settings

__all__ = [
    "AsksForAWord",
    "Check",
    "Finding",
    "NotFit",
    "Preflight",
    "Severity",
    "enforce",
    "examine",
    "overtaken",
]

_LOOKED_BACK: Final = 12  # editions whose subject and introduction are compared


def examine(session: Session, digest: Digest, *, now: datetime, exact: bool = True) -> Preflight:
    """Everything there is to say about *digest* as it stands at this moment.

    Measures every real reader's copy: at this moment, or unless *exact* a long list as
    it was measured last. Asks nobody on the network: what links answered is kept by
    ``newsletter.reach``. Raises NothingInIt.
    """
    shown = galley.fresh(session, digest)
    edition = assembly.edition(session, digest, address=galley.comparison_address())
    readership = measured(session, digest, exact=exact, now=now)
    wanted = choices.wanted(session, digest, readership.by_wish)
    shapes = readership.shapes(wanted)
    others = [key for key in wanted.readers if key != shown.topics]
    made = galley.fresh_each(session, digest, others) if others else ()
    mails = {one.topics: mail_of(one) for one in (shown, *made)}
    weighed = weigh(mails, shapes, lengths=_lengths(session, digest, edition))
    limits = settings().preflight
    findings = [
        *weight(weighed, heavy=limits.heavy, too_heavy=limits.too_heavy),
        *readers.copies(shapes, mails.keys()),
        *readers.nothing_for(wanted.nothing),
        *_of_the_edition(session, digest, edition),
    ]
    for mail in mails.values():
        findings += [one for one in _of_the_mail(mail) if one not in findings]
    links = reach.asked_about([link for mail in mails.values() for link in mail.links])
    findings += leading(links, reach.answers(session, links), now=now)
    return Preflight(
        findings=worst_first(findings),
        copies=weighed.copies,
        renditions=len(mails),
        worst_bytes=weighed.worst_bytes,
        worst_reader=weighed.worst_reader,
        content_hash=shown.content_hash,
        examined_at=now,
        copies_at=readership.at,
        readers={key: (wanted.stock.words(key), count) for key, count in wanted.readers.items()},
    )


def enforce(found: Preflight, *, issue: str, word: str | None) -> str | None:
    """Let it pass, or not: errors refuse (NotFit), warnings ask for a *word* (AsksForAWord).

    Returns the word to keep with the approval; None where none was needed.
    """
    if found.errors:
        raise NotFit(issue, found)
    if found.warnings and not (word or "").strip():
        raise AsksForAWord(issue, found)
    return (word or "").strip()[:500] or None


def overtaken(session: Session, digest: Digest) -> list[Finding]:
    """What *digest* says and the store no longer does: it may have been approved before that."""
    return [one for one in drift(_pairs(session, digest)) if one.severity is Severity.error]


def mail_of(shown: Preview) -> Mail:
    """What the checks look at of one rendition."""
    content = shown.rendered.content
    return Mail(
        topics=shown.topics,
        subject=content.subject,
        preheader=shown.digest.preheader,
        html=content.html,
        text=content.text,
        fields=content.fields,
        headers=content.headers,
        links=shown.rendered.links,
    )


def _of_the_edition(session: Session, digest: Digest, edition: Edition) -> Iterator[Finding]:
    yield from drift(_pairs(session, digest))
    yield from wording.left_behind(edition)
    yield from wording.subject(edition)
    yield from wording.phrasing(edition)
    yield from wording.duplicates(edition, earlier=_earlier(session, digest))
    yield from nowhere(edition)


def _of_the_mail(mail: Mail) -> Iterator[Finding]:
    yield from markup.leaving(mail, postal_address=settings().postal_address)
    yield from markup.values(mail)
    yield from text_part(mail)
    yield from markup.alternatives(mail)
    yield from contrast(mail)
    yield from markup.features(mail)


def _pairs(session: Session, digest: Digest) -> list[Pair]:
    """Each comparison of *digest*, with the store's newest revision of it. A correction is always new."""
    if digest.corrects_id is not None:
        return []
    rows = session.exec(
        select(Revision)
        .join(DigestItem, col(DigestItem.revision_id) == col(Revision.id))
        .where(col(DigestItem.digest_id) == digest.id)
        .order_by(col(DigestItem.position))
    ).all()
    pairs: list[Pair] = []
    for mailed in rows:
        stored = assembly.newest(session, mailed)
        if stored.id != mailed.id:
            facts = [ComparisonFacts.model_validate(one.facts) for one in (mailed, stored)]
            pairs.append(Pair(mailed.id or 0, stored.id or 0, facts[0], facts[1]))
    return pairs


def _earlier(session: Session, digest: Digest) -> Sequence[tuple[str, str, str]]:
    """The editions before *digest* that went out, without those it corrects."""
    rows = session.exec(
        select(Digest.issue, Digest.subject, Digest.opening)
        .where(
            col(Digest.status).in_((DigestStatus.sent, DigestStatus.sending, DigestStatus.paused)),
            col(Digest.id) != digest.id,
            col(Digest.id) != (digest.corrects_id or 0),
        )
        .order_by(col(Digest.send_at).desc())
        .limit(_LOOKED_BACK)
    )
    return list(rows)


def _lengths(session: Session, digest: Digest, edition: Edition) -> dict[str, int]:
    """Bytes of what is filled in for a reader, apart from the day they joined."""
    signer = signed.signer()
    token = len(signed.token(signer.all_for(1, 1), signed.Purpose.unsubscribe))
    [verdict] = signer.verdicts(1, [1])
    tools = [tool.name for entry in edition.entries for tool in entry.facts.tools]
    line = kept.longest(session, digest.id or 0, tools)
    return {
        **{purpose.name: token for purpose in signed.Purpose},
        "verdict": len(verdict),
        "kept": len(line.encode()),
    }
