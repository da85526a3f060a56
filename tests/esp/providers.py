"""The six adapters with credentials that open nothing, and what a mail looks like at each."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from functools import partial
from typing import Any, Final

import httpx

from newsletter.esp import Esp, Request
from newsletter.esp.brevo.adapter import Brevo
from newsletter.esp.mailgun.adapter import Mailgun
from newsletter.esp.postmark.adapter import Postmark
from newsletter.esp.resend.adapter import Resend
from newsletter.esp.sendgrid.adapter import SendGrid
from newsletter.esp.ses.adapter import Ses
from tests.esp.contracts import (
    BrevoMail,
    MailgunForm,
    PostmarkMessage,
    ResendEmail,
    SendGridMail,
    SesBulk,
)
from tests.esp.mailings import NOW

Make = Callable[..., Esp]

MAKES: Final[Mapping[str, Make]] = {
    "sendgrid": lambda **more: SendGrid(**{"api_key": "SG.key"} | more),
    "resend": lambda **more: Resend(**{"api_key": "re_key"} | more),
    "mailgun": lambda **more: Mailgun(**{"api_key": "key", "domain": "mg.example.com"} | more),
    "postmark": lambda **more: Postmark(**{"api_key": "token"} | more),
    "ses": partial(
        Ses, key_id="AKIDEXAMPLE", api_key="secret", region="eu-central-1", clock=lambda: NOW
    ),
    "brevo": lambda **more: Brevo(**{"api_key": "key"} | more),
}


@dataclass(frozen=True)
class Mail:
    """One copy as its reader gets it."""

    to: str
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    delivery: str
    batch: str


def form_of(request: Request) -> dict[str, str]:
    """A multipart form's fields; a field that stands in it twice is a mistake."""
    kind = request.headers["Content-Type"].encode()
    parsed = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + request.body)
    fields: dict[str, str] = {}
    for part in parsed.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        assert isinstance(name, str)
        assert name not in fields
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        fields[name] = payload.decode()
    return fields


def _by_sendgrid(request: Request) -> list[Mail]:
    mail = SendGridMail.model_validate(json.loads(request.body))
    contents = {content.type: content.value for content in mail.content}
    mails = []
    for person in mail.personalizations:

        def merged(text: str, values: Mapping[str, str] = person.substitutions) -> str:
            for tag, value in values.items():
                text = text.replace(tag, value)
            return text

        mails.append(
            Mail(
                person.to[0].email,
                merged(mail.subject),
                merged(contents.get("text/html", "")),
                merged(contents.get("text/plain", "")),
                person.headers,
                person.custom_args.watv_delivery,
                person.custom_args.watv_batch,
            )
        )
    return mails


def _by_resend(request: Request) -> list[Mail]:
    mails = []
    for item in json.loads(request.body):
        email = ResendEmail.model_validate(item)
        tags = {tag.name: tag.value for tag in email.tags}
        mails.append(
            Mail(
                email.to[0],
                email.subject,
                email.html or "",
                email.text or "",
                email.headers,
                tags["delivery"],
                tags["batch"],
            )
        )
    return mails


def _by_mailgun(request: Request) -> list[Mail]:
    fields = form_of(request)
    own = {name[2:]: value for name, value in fields.items() if name.startswith("h:")}
    form = MailgunForm.model_validate({n: v for n, v in fields.items() if not n.startswith("h:")})
    assert form.to.split(",") == list(form.recipients)
    mails = []
    for address, values in form.recipients.items():

        def merged(text: str | None, values: Mapping[str, str] = values) -> str:
            return re.sub(r"%recipient\.(\w+)%", lambda found: values[found[1]], text or "")

        headers = {name: merged(value) for name, value in own.items() if name != "Reply-To"}
        mails.append(
            Mail(
                address,
                merged(form.subject),
                merged(form.html),
                merged(form.text),
                headers,
                merged(form.delivery),
                form.batch,
            )
        )
    return mails


def _by_postmark(request: Request) -> list[Mail]:
    mails = []
    for item in json.loads(request.body):
        message = PostmarkMessage.model_validate(item)
        mails.append(
            Mail(
                message.To,
                message.Subject,
                message.HtmlBody or "",
                message.TextBody or "",
                {header.Name: header.Value for header in message.Headers},
                message.Metadata.delivery,
                message.Metadata.batch,
            )
        )
        assert message.Tag == message.Metadata.batch
    return mails


def handlebars(template: str, values: Mapping[str, str]) -> str:
    """What a simple substitution makes of a template, by the reference reader's rules."""
    out, at = "", 0
    while (opening := template.find("{{", at)) >= 0:
        before = template[at:opening]
        assert not before.endswith("\\"), "a backslash would make this opening a literal"
        assert template[opening + 2] != "{", "three braces open another kind of expression"
        closing = template.index("}}", opening)
        assert not template.startswith("}", closing + 2), "three braces close another kind"
        out += before + values[template[opening + 2 : closing]]
        at = closing + 2
    return out + template[at:]


def _by_ses(request: Request) -> list[Mail]:
    bulk = SesBulk.model_validate(json.loads(request.body))
    template = bulk.DefaultContent.Template.TemplateContent
    mails = []
    for entry in bulk.BulkEmailEntries:
        data = entry.ReplacementEmailContent.ReplacementTemplate.ReplacementTemplateData
        tags = {tag.Name: tag.Value for tag in entry.ReplacementTags}
        mails.append(
            Mail(
                entry.Destination.ToAddresses[0],
                handlebars(template.Subject, data),
                handlebars(template.Html or "", data),
                handlebars(template.Text or "", data),
                {header.Name: header.Value for header in entry.ReplacementHeaders},
                tags["delivery"],
                tags["batch"],
            )
        )
    return mails


def _by_brevo(request: Request) -> list[Mail]:
    mail = BrevoMail.model_validate(json.loads(request.body))
    mails = []
    for version in mail.messageVersions:
        headers = dict(version.headers)
        delivery, batch = headers.pop("X-Mailin-custom").split("|")
        mails.append(
            Mail(
                version.to[0].email,
                version.subject,
                version.htmlContent,
                version.textContent or "",
                headers,
                delivery.removeprefix("delivery:"),
                batch.removeprefix("batch:"),
            )
        )
    return mails


DELIVERS: Final[Mapping[str, Callable[[Request], list[Mail]]]] = {
    "sendgrid": _by_sendgrid,
    "resend": _by_resend,
    "mailgun": _by_mailgun,
    "postmark": _by_postmark,
    "ses": _by_ses,
    "brevo": _by_brevo,
}


def all_taken(name: str, size: int) -> httpx.Response:
    """What the provider answers when it took a call of *size* copies."""
    answers: Mapping[str, Callable[[], httpx.Response]] = {
        "sendgrid": lambda: httpx.Response(202, headers={"X-Message-Id": "sg-1"}),
        "resend": lambda: _json({"data": [{"id": f"re-{i}"} for i in range(size)]}),
        "mailgun": lambda: _json({"id": "<mg-1@mg.example.com>", "message": "Queued. Thank you."}),
        "postmark": lambda: _json(
            [{"ErrorCode": 0, "Message": "OK", "MessageID": f"pm-{i}"} for i in range(size)]
        ),
        "ses": lambda: _json(
            {
                "BulkEmailEntryResults": [
                    {"Status": "SUCCESS", "MessageId": f"ses-{i}"} for i in range(size)
                ]
            }
        ),
        "brevo": lambda: httpx.Response(201, json={"messageIds": [f"br-{i}" for i in range(size)]}),
    }
    return answers[name]()


def _json(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)
