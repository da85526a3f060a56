"""Whom an edition is for, as SQL: everybody it considers, before anybody is planned."""

from typing import Any

from sqlalchemy import Select
from sqlmodel import col

from digests.corrections import received
from digests.models import Digest
from subscribers.audience import audience
from subscribers.models import Subscriber


def readers_of(digest: Digest) -> Select[Any]:
    """Everybody *digest* considers: for a correction, only those who got what it corrects."""
    everybody = audience()
    if digest.corrects_id is None:
        return everybody
    got_it = received(digest.corrects_id, digest.corrects_hash)
    return everybody.where(col(Subscriber.id).in_(got_it))
