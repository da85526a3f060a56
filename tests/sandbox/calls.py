"""Builders of valid calls, as any customer of the providers could make them."""

from typing import Any, Final

TEXT: Final = "Ship or skip, -name-?\nLeave: http://127.0.0.1:8000/leave/-token-\n"
HTML: Final = (
    '<html><head></head><body><p class="a">Ship or skip, -name-?</p>'
    '<a href="http://127.0.0.1:8000/leave/-token-">Leave</a></body></html>'
)


def a_person(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A SendGrid personalization."""
    person: dict[str, Any] = {
        "to": [{"email": f"reader{number}@example.com"}],
        "substitutions": {"-name-": f"Reader {number}", "-token-": f"t{number}"},
        "headers": {
            "List-Unsubscribe": f"<http://127.0.0.1:8000/leave/t{number}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "custom_args": {"nl_delivery": f"d-{number}", "nl_batch": "b-1"},
    }
    return person | changes


def a_mail(*people: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of a SendGrid call."""
    mail: dict[str, Any] = {
        "from": {"email": "verdicts@shiporskip.example", "name": "Ship or Skip"},
        "subject": "The week of -name-",
        "content": [
            {"type": "text/plain", "value": TEXT},
            {"type": "text/html", "value": HTML},
        ],
        "categories": ["b-1"],
        "personalizations": list(people) or [a_person()],
    }
    return mail | changes


def an_email(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One email of a Resend call."""
    email: dict[str, Any] = {
        "from": "Ship or Skip <verdicts@shiporskip.example>",
        "to": [f"reader{number}@example.com"],
        "subject": f"The week of Reader {number}",
        "html": HTML.replace("-name-", f"Reader {number}").replace("-token-", f"t{number}"),
        "text": TEXT.replace("-name-", f"Reader {number}").replace("-token-", f"t{number}"),
        "headers": {
            "List-Unsubscribe": f"<http://127.0.0.1:8000/leave/t{number}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "tags": [
            {"name": "nl_delivery", "value": f"d-{number}"},
            {"name": "nl_batch", "value": "b-1"},
        ],
    }
    return email | changes
