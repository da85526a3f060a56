"""What an answer means that is no acceptance and names no copies; and how a provider is quoted."""

import re
from collections.abc import Sequence
from typing import Final

import httpx
import orjson

from newsletter.esp import NotTaken, Unknown
from newsletter.esp.http import retry_after

_ADDRESS: Final = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")
_USUAL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]+"
)
_LONGEST: Final = 300  # characters of a provider's own words that are worth keeping

_FINAL: Final = {
    401: "does not know our credentials",
    402: "wants to be paid first",
    403: "does not allow this account to send",
    404: "has nothing at this address",
    413: "finds the request too large",
}
_ABOUT_THE_CALL: Final = frozenset({400, 413, 422})
_NEVER_REACHED_MAIL: Final = range(300, 400)


def judged(
    response: httpx.Response, provider: str, words: str = "", *, of_account: bool = False
) -> NotTaken | Unknown:
    """The answer as far as its status tells.

    Only a 4xx promises that nothing was taken. After a 5xx mail has been seen
    to go out, 503 included, so nobody knows; the same for a 2xx that is not
    the one the contract calls acceptance, and for 408, where the provider
    gave up reading but may have read enough.

    *of_account*: the provider says that the account may not send, although its status would
    be about the call. Then no other call fares better, and parting this one would only turn
    readers away one by one.
    """
    status = response.status_code
    said = f": {quoted(words)}" if words else ""
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return NotTaken(f"{provider} asks us to slow down (429){said}", retry_after(response))
    if status in _NEVER_REACHED_MAIL:
        return NotTaken(f"{provider} redirects ({status}); its URL is wrong", final=True)
    if status == httpx.codes.REQUEST_TIMEOUT or not httpx.codes.is_client_error(status):
        return Unknown(f"{provider} answered {status}{said}")
    why = _FINAL[403] if of_account else _FINAL.get(status, "refuses the request as it stands")
    of_call = status in _ABOUT_THE_CALL and not of_account
    return NotTaken(f"{provider} {why} ({status}){said}", final=True, of_call=of_call)


def quoted(words: str) -> str:
    """The provider's own words on one line, shortened, and without anybody's address."""
    return _ADDRESS.sub("[address]", " ".join(words.split()))[:_LONGEST]


def positions_named(words: str, addresses: Sequence[str]) -> dict[int, str]:
    """The positions of *addresses* that *words* name, each with the words as they may be kept."""
    named = {found.strip(".").lower() for found in _ADDRESS.findall(words)}
    kept = quoted(words)
    return {i: kept for i, address in enumerate(addresses) if address.lower() in named}


def odd_positions(addresses: Sequence[str]) -> dict[int, str]:
    """Whose address a strict reader may refuse; asked only when a provider found one and named none."""
    why = "the provider refused an address of the call, and this is an unusual one"
    return {i: why for i, address in enumerate(addresses) if not _USUAL.fullmatch(address)}


def body_of(response: httpx.Response) -> object:
    """The body as JSON, or None when it is none."""
    try:
        return orjson.loads(response.content)
    except ValueError:
        return None


def text_in(value: object, *names: str) -> str:
    """The first of *names* that *value*, if it is an object, has as a text; else an empty one."""
    if isinstance(value, dict):
        for name in names:
            if isinstance(found := value.get(name), str):
                return found
    return ""
