"""An installation of our own to measure, in this process, and none of it left to the next part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.house import forget_settings


@contextmanager
def installation(home: Path, url: str | None = None, **settings: str) -> Iterator[None]:
    """The service's settings for a store at *url*, or the embedded one; others by their names.

    What the process kept of another installation, engines among it, is forgotten before and after.
    """
    home.mkdir(exist_ok=True)
    forget_settings()
    os.environ["NEWSLETTER_HOME"] = str(home)
    if url is not None:
        os.environ["NEWSLETTER_DATABASE_URL"] = url
    os.environ |= {f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()}
    try:
        yield
    finally:
        forget_settings()
