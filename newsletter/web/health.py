"""Whether this process can do its work, for whoever restarts, routes or watches it."""

import threading
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, Response

from newsletter import database, pulse
from newsletter.clock import utc_now
from newsletter.pulse import Life, Part
from newsletter.web.pages import LOOK

router = APIRouter()

_WELL: Final = {"database": "ok", "migrations": "ok"}
_SILENT: Final = {
    "database": "The database does not answer.",
    "migrations": "They cannot be read.",
}
#: Seconds until what does not answer counts as gone: less than a proxy's or a pager's own patience.
PATIENCE: Final = 4.0
#: Looks at a time: each one that hangs keeps a thread until the store is back.
_LOOKING: Final = threading.BoundedSemaphore(4)
_GONE: Final = {
    Part.beat: ("beat", "nothing becomes due until one ticks again (`newsletter beat`)"),
    Part.worker: ("worker", "nothing is sent until one runs again (`newsletter worker`)"),
}


@router.api_route("/health", methods=LOOK)
def health() -> Response:
    """200 when every part answers, else 503 and a sentence for each part that does not."""
    parts = _in_time(checked_parts)
    well = all(said == "ok" for said in parts.values())
    return JSONResponse(
        {"status": "ok" if well else "failing", "parts": parts}, 200 if well else 503
    )


@router.api_route("/ready", methods=LOOK)
def ready() -> Response:
    """Whether this process can serve people, for a proxy; who ticks and who sends is no part of it."""
    well = _in_time(_store) == _WELL
    return JSONResponse({"ready": well}, 200 if well else 503)


def checked_parts() -> dict[str, str]:
    """Each part with ``ok`` or what is wrong with it, in a sentence without addresses or secrets."""
    if (store := _store()) != _WELL:
        return store
    with database.reading() as session:
        return store | {
            "beat": _life(pulse.life(session, Part.beat, now=utc_now())),
            "workers": _life(pulse.life(session, Part.worker, now=utc_now())),
        }


def _in_time(look: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What *look* finds, or that nothing answers: a store that hangs must not hang whoever asks."""
    if not _LOOKING.acquire(timeout=PATIENCE):
        return dict(_SILENT)  # those that asked before still wait
    found: list[dict[str, str]] = []

    def find() -> None:
        try:
            found.append(look())
        finally:
            _LOOKING.release()

    looker = threading.Thread(target=find, name="health", daemon=True)
    looker.start()
    looker.join(PATIENCE)
    return found[0] if found else dict(_SILENT)


def _store() -> dict[str, str]:
    try:
        with database.reading() as session:
            session.connection().execute(text("SELECT 1"))
            is_current = database.is_current(session.connection())
    except (SQLAlchemyError, OSError):
        return dict(_SILENT)
    if is_current:
        return dict(_WELL)
    return {
        "database": "ok",
        "migrations": "The tables are not those of this version; run `newsletter migrate`.",
    }


def _life(known: Life) -> str:
    """One that was never seen is no failure: a first start brings up its processes one by one."""
    if not known.is_gone:
        return "ok"
    what, consequence = _GONE[known.part]
    return (
        f"No {what} has been seen since {known.last_seen_at:%Y-%m-%d %H:%M:%S} UTC; {consequence}."
    )
