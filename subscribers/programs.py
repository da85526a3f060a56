"""What programs call themselves that fetch a mail's pictures, or follow its links, for people."""

import re
from functools import lru_cache
from typing import Final

from subscribers.classing import NO_NAME, PROGRAM

#: Gmail's and Yahoo's proxies name themselves, and Cubot makes telephones.
_OF_PICTURES: Final = re.compile(
    r"googleimageproxy|yahoomailproxy|(?<!cu)bot\b|crawler|spider|preview|headlesschrome"
    r"|^(curl|wget|python|go-http-client|java|okhttp)\b",
    re.IGNORECASE,
)
#: What calls itself a program, or is one of those that look at mail for people.
_OF_LINKS: Final = re.compile(
    r"(?<!cu)bot\b|crawl|spider|scan|preview|fetch|proxy|barracuda|mimecast|proofpoint|safelinks"
    r"|headless|curl|wget|python|okhttp|java/|go-http|node|axios|libwww|phantom",
    re.IGNORECASE,
)
#: Apple's proxy comes as a browser that names neither itself nor a platform.
_BARE: Final = frozenset({"", "Mozilla/5.0"})


@lru_cache(maxsize=4096)
def loads_pictures(name: str) -> bool:
    """Whether *name* is a program's that loads pictures for people: that says nothing of reading."""
    known = name.strip()
    return known in _BARE or _OF_PICTURES.search(known) is not None


@lru_cache(maxsize=4096)
def follows_links(name: str) -> str:
    """The trait of whoever follows a link under *name*; empty for a browser."""
    known = name.strip()
    if known in _BARE:
        return NO_NAME
    return PROGRAM if _OF_LINKS.search(known) else ""
