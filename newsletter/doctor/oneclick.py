"""Whether one click can reach us: the address, its certificate, and what it answers (RFC 8058)."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from newsletter.doctor.dns import Names, Silence
from newsletter.esp.checks import Check

_PATIENCE: Final = 8.0  # seconds
#: A link that nobody can have got: what answers it changes nothing.
_NOBODYS: Final = "/u/doctor"
_BODY: Final = {"List-Unsubscribe": "One-Click"}


def examine_address(
    names: Names, url: str, *, expiry: timedelta, now: datetime, trust: ssl.SSLContext | None = None
) -> Iterator[Check]:
    """The public address *url*. *trust* stands in for the machine's own authorities in tests."""
    address = httpx.URL(url)
    if address.scheme != "https":
        yield Check(
            "https",
            good=False,
            says="The public address is not https, and no mail program leaves by one click there.",
            fix="Set `NEWSLETTER_PUBLIC_URL` to an https address.",
        )
        return
    try:
        if not _is_number(address.host) and not names.resolves(address.host):
            yield Check(
                "address",
                good=False,
                says=f"{address.host} has no address in DNS: no link in any mail works.",
                fix="Publish an A or AAAA record for it.",
            )
            return
    except Silence as silence:
        yield Check("address", good=None, says=str(silence), fix="Look again later.")
        return
    context = trust or ssl.create_default_context()
    certificate, is_trusted = _certificate(address, context, expiry=expiry, now=now)
    yield certificate
    if is_trusted:
        yield _answer(url, context)


def _certificate(
    address: httpx.URL, context: ssl.SSLContext, *, expiry: timedelta, now: datetime
) -> tuple[Check, bool]:
    """What is to be said of it, and whether a connection under it stands."""
    host, port = address.host, address.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as shown,
        ):
            ends = str((shown.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLCertVerificationError as error:
        return _said(
            f"The certificate of {host} is not valid: {error.verify_message}.",
            "Renew it, with its whole chain.",
        ), False
    except (OSError, ssl.SSLError) as error:
        return Check(
            "certificate",
            good=None,
            says=f"{host} could not be reached from here ({type(error).__name__}).",
            fix="If it can be from outside, nothing is wrong; otherwise look at the proxy.",
        ), False
    moment = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)
    says = f"The certificate of {host} ends on {moment.day} {moment:%B %Y}"
    if moment - now < expiry:
        renew = "Renew it, and see why that did not happen by itself."
        return _said(f"{says}, and then no one-click works.", renew), True
    return Check("certificate", good=True, says=f"{says}."), True


def _said(says: str, fix: str) -> Check:
    return Check("certificate", good=False, says=says, fix=fix)


def _answer(url: str, context: ssl.SSLContext) -> Check:
    """Post as a mail program does, to a link of nobody's."""
    try:
        with httpx.Client(verify=context, timeout=_PATIENCE, follow_redirects=False) as http:
            status = http.post(f"{url}{_NOBODYS}", data=_BODY).status_code
    except httpx.HTTPError as error:
        return Check(
            "one click",
            good=False,
            says=f"A post as mail programs send it got no answer ({type(error).__name__}).",
            fix="See that the proxy leads to the web processes, and that they run.",
        )
    if httpx.codes.is_redirect(status):
        return Check(
            "one click",
            good=False,
            says=f"A post as mail programs send it is redirected ({status}), which they do not follow.",
            fix="Set `NEWSLETTER_PUBLIC_URL` to the address that is redirected to.",
        )
    if status != httpx.codes.NOT_FOUND:  # ours, for a link that is nobody's
        return Check(
            "one click",
            good=False,
            says=f"A post as mail programs send it was answered {status}, and not by us.",
            fix="See that nothing before the web processes turns posts to /u/ away.",
        )
    return Check("one click", good=True, says="A post as mail programs send it reaches us.")


def _is_number(host: str) -> bool:
    return host.replace(".", "").isdecimal() or ":" in host
