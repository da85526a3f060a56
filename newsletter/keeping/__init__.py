"""Backup and restore: one file that holds the whole store as it was at one moment.

SQLite is copied by its online backup API; PostgreSQL's tables are copied out in
one snapshot. Either way nobody waits. A backup comes back into an empty database
only, is verified before anything is written, and comes back whole or not at all.
"""

import hmac
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from newsletter.database import newest_migration, open_engine
from newsletter.keeping import postgresql, sqlite
from newsletter.keeping.file import KeepingError, Kept, Manifest, Progress, creating, opening
from newsletter.settings import settings

__all__ = [
    "KeepingError",
    "Kept",
    "Manifest",
    "Progress",
    "backup",
    "knows_the_erased",
    "opens_the_links",
    "restore",
]


def backup(target: Path, *, now: datetime, progress: Progress) -> Manifest:
    """Write the service's whole store into *target*, a new file that only its owner may read."""
    store = open_engine(_existing_store())
    try:
        with creating(target) as kept:
            how = postgresql if store.dialect.name == "postgresql" else sqlite
            taken = how.take(store, kept, now=now, progress=progress)
            return kept.close(taken.model_copy(update=_secrets()))
    finally:
        store.dispose()


def restore(source: Path, *, by: str, now: datetime, progress: Progress) -> Manifest:
    """Fill the service's database, which must be empty, with what *source* holds."""
    with opening(source) as (kept, manifest):
        url = settings().database
        kind = make_url(url).get_backend_name()
        if manifest.kind != kind:
            raise KeepingError(
                f"{source.name} is a backup of {manifest.kind}, and the database is {kind}: "
                "a backup comes back where it came from."
            )
        if manifest.revision > newest_migration():
            raise KeepingError(
                f"{source.name} stands at migration {manifest.revision}, which this version does "
                "not know: restore it with a newer one, which does."
            )
        how = postgresql if kind == "postgresql" else sqlite
        how.refuse_unless_empty(url)
        kept.verify(manifest, progress=progress)
        how.bring_back(url, kept, manifest, by=by, now=now, progress=progress)
        return manifest


def knows_the_erased(manifest: Manifest) -> bool:
    """Whether the suppression secret of the settings is the one the backup was made under.

    Under another one nobody who was erased or barred is known any more.
    """
    return manifest.under == _proof(settings().suppression_secret.get_secret_value())


def opens_the_links(manifest: Manifest) -> bool:
    """Whether the settings accept the link secret that the backup was made under.

    Without it the links in mails that are out are dead, and sealed second steps stay sealed.
    """
    now = settings()
    accepted = (
        now.link_secret.get_secret_value(),
        *now.former_link_secrets.get_secret_value().split(","),
    )
    return manifest.signed in {"", *(_proof(secret.strip()) for secret in accepted)}


def _secrets() -> dict[str, str]:
    now = settings()
    return {
        "under": _proof(now.suppression_secret.get_secret_value()),
        "signed": _proof(now.link_secret.get_secret_value().strip()),  # as links are signed
    }


def _proof(secret: str) -> str:
    return hmac.new(secret.encode(), b"the secret of a backup", "sha256").hexdigest()[:16]


def _existing_store() -> str:
    url = make_url(settings().database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise KeepingError(f"there is no store at {url.database}, so there is nothing to keep.")
    return settings().database
