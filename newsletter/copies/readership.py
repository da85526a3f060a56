"""Whom an edition is for, as SQL: everybody it considers, before anybody is planned."""

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlmodel import Session, col

from digests.making import missed
from digests.making.corrections import received
from digests.models import Digest
from subscribers.audience import audience
from subscribers.models import Subscriber
from subscribers.pace import Turn


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom an edition goes to: in *words* for an editor, and as the *key* an approval is bound to."""

    words: str
    key: str


def rule_of(session: Session, digest: Digest) -> Rule:
    """The rule by which *digest* finds its readers.

    The key is a hash of the question as the database is asked it, and of what is
    filled in: a service that asks differently since an approval voids it.
    """
    if digest.corrects_id is None:
        words = "everybody who has confirmed and not left, each in the topics and at the pace they chose"
    else:
        original = session.get_one(Digest, digest.corrects_id)
        which = f" with the content {digest.corrects_hash[:12]}" if digest.corrects_hash else ""
        words = f"those who were sent {original.issue}{which}, and have not left since"
    question = str(readers_of(session, digest).compile(dialect=session.get_bind().dialect))
    filled_in = f"{digest.corrects_id} {digest.corrects_hash}"
    key = hashlib.sha256(f"{question}\n{filled_in}\n{words}".encode()).hexdigest()
    return Rule(words, key)


def readers_of(session: Session, digest: Digest) -> Select[Any]:
    """Everybody *digest* considers; for a correction, those who got what it corrects, whatever their pace."""
    if digest.corrects_id is None:
        return audience(turn_of(session, digest))
    got_it = received(digest.corrects_id, digest.corrects_hash)
    return audience().where(col(Subscriber.id).in_(got_it))


def turn_of(session: Session, digest: Digest) -> Turn:
    """What *digest* is by the calendar."""
    return Turn(missed.dated(digest), missed.opens_month(session, digest))
