"""What a browser calls itself, in words that its owner recognises."""

import re
from typing import Final

_PROGRAMS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_MACHINES: Final = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
)


def browser(agent: str) -> str:
    """``Firefox on a Mac``; what is not known is called by its own first word."""
    program = next((name for mark, name in _PROGRAMS if mark in agent), "")
    machine = next((name for mark, name in _MACHINES if mark in agent), "")
    if not program:
        first = re.match(r"[\w.-]{1,40}", agent)
        program = first.group() if first else "A browser without a name"
    return f"{program} on {machine}" if machine else program
