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


def a_form(*numbers: int, **changes: Any) -> dict[str, Any]:
    """The form of a Mailgun call."""
    people = [f"reader{number}@example.com" for number in numbers or (1,)]
    variables = ",".join(
        f'"{address}":{{"token":"t{number}","ref":"d-{number}"}}'
        for number, address in zip(numbers or (1,), people, strict=True)
    )
    form: dict[str, Any] = {
        "from": "Ship or Skip <verdicts@shiporskip.example>",
        "to": ", ".join(people),
        "subject": "The week",
        "text": "Leave: http://127.0.0.1:8000/leave/%recipient.token%",
        "html": '<a href="http://127.0.0.1:8000/leave/%recipient.token%">Leave</a>',
        "h:List-Unsubscribe": "<http://127.0.0.1:8000/leave/%recipient.token%>",
        "o:tag": "b-1",
        "v:nl_delivery": "%recipient.ref%",
        "recipient-variables": "{" + variables + "}",
    }
    return form | changes


def a_message(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One message of a Postmark call."""
    message: dict[str, Any] = {
        "From": "Ship or Skip <verdicts@shiporskip.example>",
        "To": f"reader{number}@example.com",
        "Subject": "The week",
        "HtmlBody": f'<a href="http://127.0.0.1:8000/leave/t{number}">Leave</a>',
        "TextBody": f"Leave: http://127.0.0.1:8000/leave/t{number}",
        "Headers": [{"Name": "List-Unsubscribe", "Value": "<http://127.0.0.1:8000/leave/t>"}],
        "Metadata": {"nl_delivery": f"d-{number}", "nl_batch": "b-1"},
        "TrackOpens": False,
        "TrackLinks": "None",
        "MessageStream": "broadcast",
    }
    return message | changes


def an_entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One entry of an SES call."""
    entry: dict[str, Any] = {
        "Destination": {"ToAddresses": [f"reader{number}@example.com"]},
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": f'{{"token":"t{number}"}}'}
        },
        "ReplacementHeaders": [{"Name": "List-Id", "Value": "<weekly.shiporskip.example>"}],
        "ReplacementTags": [
            {"Name": "nl_delivery", "Value": f"d-{number}"},
            {"Name": "nl_batch", "Value": "b-1"},
        ],
    }
    return entry | changes


def a_bulk(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of an SES call."""
    bulk: dict[str, Any] = {
        "FromEmailAddress": "Ship or Skip <verdicts@shiporskip.example>",
        "DefaultContent": {
            "Template": {
                "TemplateContent": {
                    "Subject": "The week",
                    "Html": '<a href="http://127.0.0.1:8000/leave/{{token}}">Leave</a>',
                    "Text": "Leave: http://127.0.0.1:8000/leave/{{ token }}",
                },
                "TemplateData": "{}",
            }
        },
        "BulkEmailEntries": list(entries) or [an_entry()],
    }
    return bulk | changes


def a_version(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One version of a Brevo call."""
    version: dict[str, Any] = {
        "to": [{"email": f"reader{number}@example.com"}],
        "htmlContent": f'<a href="http://127.0.0.1:8000/leave/t{number}">Leave</a>',
        "headers": {"X-Mailin-custom": f"delivery:d-{number}|batch:b-1"},
    }
    return version | changes


def versions(*each: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The body of a Brevo call."""
    mail: dict[str, Any] = {
        "sender": {"name": "Ship or Skip", "email": "verdicts@shiporskip.example"},
        "subject": "The week",
        "htmlContent": "<p>The week</p>",
        "tags": ["b-1"],
        "messageVersions": list(each) or [a_version()],
    }
    return mail | changes
