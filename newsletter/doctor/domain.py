"""Whether receivers can know our mail for ours: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489)."""

import base64
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.doctor.dns import Names, Silence
from newsletter.esp.checks import Check, joined

#: The most look-ups that evaluating one SPF record may take (RFC 7208, 4.6.4).
_LOOKUPS: Final = 10
#: The shortest DKIM key that Gmail takes, and the one that it asks for.
_SHORTEST, _WISHED = 1024, 2048

#: What SPF records name when they allow a provider that has no return path of its own there.
_INCLUDES: Final = {
    "sendgrid": "sendgrid.net",
    "resend": "amazonses.com",
    "mailgun": "mailgun.org",
    "postmark": "spf.mtasv.net",
    "ses": "amazonses.com",
    "brevo": "spf.brevo.com",
}


def examine_domain(
    names: Names,
    domain: str,
    *,
    dkim: Collection[str],
    selectors: Sequence[str],
    providers: Sequence[str],
) -> Iterator[Check]:
    """SPF, DKIM and DMARC of *domain*.

    *dkim* are the names that providers say their keys stand under, *selectors* those of the
    settings; *providers* are the ones in use.
    """
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "SPF": partial(_spf, names, domain, providers),
        "DKIM": partial(_dkim, names, domain, dkim, selectors),
        "DMARC": partial(_dmarc, names, domain),
    }
    for what, look in looks.items():
        try:
            yield from look()
        except Silence as silence:
            fix = "See that this machine reaches DNS, then look again."
            yield Check(what, good=None, says=str(silence), fix=fix)


def _spf(names: Names, domain: str, providers: Sequence[str]) -> Iterator[Check]:
    records = _records(names.texts(domain), "v=spf1")
    wanted = " ".join(f"include:{one}" for one in dict.fromkeys(_INCLUDES[p] for p in providers))
    if not records:
        yield Check(
            "SPF",
            good=False,
            says=f"{domain} says nothing about who may send its mail.",
            fix=f"Publish one TXT record at {domain}: `v=spf1 {wanted} ~all`.",
        )
        return
    if len(records) > 1:
        yield Check(
            "SPF",
            good=False,
            says=f"{domain} has {len(records)} SPF records; receivers count that as none.",
            fix="Join them into one TXT record.",
        )
        return
    terms = records[0].lower().split()[1:]
    if any(term in {"+all", "all"} for term in terms):
        yield Check(
            "SPF",
            good=False,
            says=f"The SPF record of {domain} lets everybody send its mail.",
            fix="End it with `~all` or `-all`.",
        )
        return
    lookups, includes = _followed(names, terms)
    if lookups > _LOOKUPS:
        yield Check(
            "SPF",
            good=False,
            says=f"The SPF record of {domain} takes {lookups} look-ups; after {_LOOKUPS} "
            "receivers give up.",
            fix="Take out what is not used any more, or name networks instead of includes.",
        )
        return
    missing = [one for one in dict.fromkeys(_INCLUDES[p] for p in providers) if one not in includes]
    if missing:
        yield Check(
            "SPF",
            good=None,
            says=f"The SPF record of {domain} does not name {joined(missing)}: right only while "
            "the provider uses a return path of its own.",
            fix="See that the provider shows the return path as verified, or add "
            f"{' '.join(f'include:{one}' for one in missing)}.",
        )
        return
    yield Check("SPF", good=True, says=f"{domain} says who may send its mail.")


def _followed(names: Names, terms: Sequence[str]) -> tuple[int, set[str]]:
    """How many look-ups the terms cost in all, and the domains that they include."""
    lookups, includes, waiting = 0, set[str](), list(terms)
    while waiting and lookups <= _LOOKUPS:
        term = waiting.pop(0).lstrip("+-~?")
        kind, _, rest = term.partition(":")
        redirect = term.removeprefix("redirect=") if term.startswith("redirect=") else ""
        if kind == "include" or redirect:
            lookups += 1
            target = redirect or rest
            if target and target not in includes and "%" not in target:
                includes.add(target)
                for record in _records(names.texts(target), "v=spf1")[:1]:
                    waiting += record.lower().split()[1:]
        elif kind.partition("/")[0] in {"a", "mx", "ptr", "exists"}:
            lookups += 1
    return lookups, includes


def _dkim(
    names: Names, domain: str, dkim: Collection[str], selectors: Sequence[str]
) -> Iterator[Check]:
    told = [*dkim, *(f"{selector}._domainkey.{domain}" for selector in selectors)]
    if not told:
        yield Check(
            "DKIM",
            good=None,
            says="Nobody says under which selector the provider's signing key stands.",
            fix="Set `NEWSLETTER_DOCTOR_SELECTORS` to it: the `s=` of a mail's DKIM-Signature.",
        )
    for name in dict.fromkeys(told):
        yield _key(f"DKIM {name.partition('.')[0]}", name, names.texts(name))


def _key(what: str, name: str, texts: Sequence[str]) -> Check:
    records = [tags for text in texts if (tags := _tags(text)) and "p" in tags]
    if not records:
        return Check(
            what,
            good=False,
            says=f"There is no signing key at {name}: receivers cannot check a signature, and "
            "without one no mail program offers to leave with one click.",
            fix="Publish the record that the provider shows for it.",
        )
    key = "".join(records[0]["p"].split())
    if not key:
        return Check(
            what,
            good=False,
            says=f"The signing key at {name} has been revoked.",
            fix="Publish the record that the provider shows now.",
        )
    if records[0].get("k", "rsa") == "ed25519":
        return Check(what, good=True, says=f"The signing key stands at {name}.")
    bits = _bits(key)
    if bits is None or bits < _SHORTEST:
        says = "cannot be read" if bits is None else f"has {bits} bits; Gmail takes none that short"
        return Check(
            what,
            good=False,
            says=f"The signing key at {name} {says}.",
            fix="Publish the record that the provider shows, whole: long texts come in parts.",
        )
    short = "" if bits >= _WISHED else f", with {bits} bits where Gmail wishes for {_WISHED}"
    return Check(what, good=True, says=f"The signing key stands at {name}{short}.")


def _bits(key: str) -> int | None:
    try:
        loaded = load_der_public_key(base64.b64decode(key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return loaded.key_size if isinstance(loaded, rsa.RSAPublicKey) else None


def _dmarc(names: Names, domain: str) -> Iterator[Check]:
    at, records = _policies(names, domain)
    if not records:
        yield Check(
            "DMARC",
            good=False,
            says=f"{domain} has no DMARC policy; Gmail, Yahoo and Microsoft refuse bulk mail without.",
            fix=f"Publish a TXT record at _dmarc.{domain}: `v=DMARC1; p=none; rua=mailto:…`.",
        )
        return
    if len(records) > 1:
        yield Check(
            "DMARC",
            good=False,
            says=f"There are {len(records)} DMARC policies at _dmarc.{at}; receivers count that as none.",
            fix="Leave one of them.",
        )
        return
    tags = _tags(records[0])
    policy = tags.get("p", "").lower()
    if policy not in {"none", "quarantine", "reject"}:
        yield Check(
            "DMARC",
            good=False,
            says=f"The DMARC policy at _dmarc.{at} names no policy that receivers know.",
            fix="Give it `p=none`, `p=quarantine` or `p=reject`.",
        )
        return
    quiet = "" if "rua" in tags else ", and nobody gets its reports: add `rua=mailto:…`"
    yield Check("DMARC", good=True, says=f"The DMARC policy at _dmarc.{at} is {policy}{quiet}.")


def _policies(names: Names, domain: str) -> tuple[str, list[str]]:
    """Where the policy for *domain* stands, at itself or above it, and what stands there."""
    labels = domain.split(".")
    for skipped in range(max(1, len(labels) - 1)):
        at = ".".join(labels[skipped:])
        if records := _records(names.texts(f"_dmarc.{at}"), "v=dmarc1"):
            return at, records
    return domain, []


def _records(texts: Sequence[str], version: str) -> list[str]:
    """Those that begin with *version* as a whole word, whatever its case."""
    return [
        text
        for text in texts
        if text.lower().startswith(version)
        and text[len(version) : len(version) + 1].strip(" ;") == ""
    ]


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
