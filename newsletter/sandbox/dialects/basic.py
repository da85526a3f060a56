"""HTTP Basic authentication (RFC 7617), as calls carry it and as webhooks do."""

import base64
import secrets


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def is_same(given: str, wanted: str) -> bool:
    """Whether two credentials are equal, compared in constant time."""
    return secrets.compare_digest(given.encode(), wanted.encode())
