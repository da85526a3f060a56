"""Whoever is left looks after everything: a worker while no beat ticks, a beat while no worker hears.

The look is a tick like the others, so without this nobody would be told that ticks have stopped.
"""

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from newsletter import pulse
from newsletter.clock import utc_now
from newsletter.database import reading
from newsletter.pulse import Part
from newsletter.settings import settings
from newsletter.tasks import app

log = structlog.get_logger()

#: What tells people: the look with its calls to the webhook, and the letters it writes.
TELLING: Final = ("newsletter.watch", "newsletter.letters")


def silent_for() -> float:
    """Seconds without a tick after which a worker asks whether there is a beat at all."""
    return max(5.0, settings().tick * 6)


def for_beat() -> None:
    """Send this worker's broker the ticks that tell people; whichever worker is free hears them."""
    log.warning("beat.missed")
    for name in TELLING:
        app.send_task(name, expires=silent_for() * 2)


def for_workers(*, now: datetime) -> bool:
    """Look here, in beat, when the last worker fell silent a while ago; whether that was so.

    Letters wait for a worker: only the webhook can be told.
    """
    try:
        with reading() as session:
            workers = pulse.life(session, Part.worker, now=now)
        if not workers.is_gone or now - (workers.last_seen_at or now) < pulse.silence():
            return False
        # Not before it is needed: beat is small as long as it only ticks.
        from newsletter.watching.calling import tell  # noqa: PLC0415 - the line above
        from newsletter.watching.looking import look_after  # noqa: PLC0415 - the same

        look_after(now=now)
        tell(clock=utc_now)
    except SQLAlchemyError as error:
        log.warning("look.lost", why=type(error).__name__)
        return False
    return True
