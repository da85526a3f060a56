"""What the vendors publish of their requests, as strict models: no unknown keys, nothing missing.

Written from the vendors' machine-readable contracts; where those leave a limit
to their prose, the limit stands here as well. Only what a newsletter may use is
modelled, so anything else in a request is an unknown key.
"""

# ruff: noqa: N815 - the names are the vendors'

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Filled = Annotated[str, StringConstraints(min_length=1)]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,256}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,126}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,995}$")]
Headers = dict[HeaderName, HeaderValue]
Off = Literal[False]


class SendGridAddress(Strict):
    email: Filled
    name: str | None = None


class SendGridArguments(Strict):
    watv_delivery: Tag
    watv_batch: Tag


class SendGridPersonalization(Strict):
    to: Annotated[list[SendGridAddress], Field(min_length=1, max_length=1)]
    headers: Headers = {}
    substitutions: dict[str, str] = {}
    custom_args: SendGridArguments


class SendGridContent(Strict):
    type: Literal["text/plain", "text/html"]
    value: Filled


class SendGridClicks(Strict):
    enable: Off
    enable_text: Off


class SendGridSwitch(Strict):
    enable: Off


class SendGridTracking(Strict):
    click_tracking: SendGridClicks
    open_tracking: SendGridSwitch
    subscription_tracking: SendGridSwitch


class SendGridMail(Strict):
    personalizations: Annotated[list[SendGridPersonalization], Field(min_length=1, max_length=1000)]
    from_: Annotated[SendGridAddress, Field(alias="from")]
    reply_to: SendGridAddress | None = None
    subject: Filled
    content: Annotated[list[SendGridContent], Field(min_length=1, max_length=2)]
    categories: Annotated[list[str], Field(min_length=1, max_length=10)]
    tracking_settings: SendGridTracking


class ResendTag(Strict):
    name: Tag
    value: Tag


class ResendEmail(Strict):
    from_: Annotated[Filled, Field(alias="from")]
    to: Annotated[list[Filled], Field(min_length=1, max_length=1)]
    subject: Filled
    html: Filled | None = None
    text: Filled | None = None
    reply_to: Filled | None = None
    headers: Headers = {}
    tags: list[ResendTag]


class MailgunForm(Strict):
    """The form's fields, each there once; ``h:`` ones are checked beside it."""

    from_: Annotated[Filled, Field(alias="from")]
    to: Filled
    subject: Filled
    text: Filled | None = None
    html: Filled | None = None
    tag: Annotated[Tag, Field(alias="o:tag")]
    tracking: Annotated[Literal["no"], Field(alias="o:tracking")]
    clicks: Annotated[Literal["no"], Field(alias="o:tracking-clicks")]
    opens: Annotated[Literal["no"], Field(alias="o:tracking-opens")]
    delivery: Annotated[Literal["%recipient.watv_delivery%"], Field(alias="v:delivery")]
    batch: Annotated[Tag, Field(alias="v:batch")]
    recipients: Annotated[Json[dict[str, dict[str, str]]], Field(alias="recipient-variables")]


class NameValue(Strict):
    Name: HeaderName
    Value: HeaderValue


class PostmarkMetadata(Strict):
    delivery: Tag
    batch: Tag


class PostmarkMessage(Strict):
    From: Filled
    To: Filled
    Subject: Filled
    HtmlBody: Filled | None = None
    TextBody: Filled | None = None
    ReplyTo: Filled | None = None
    Headers: list[NameValue] = []
    Tag: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    Metadata: PostmarkMetadata
    TrackOpens: Off
    TrackLinks: Literal["None"]
    MessageStream: Filled


class SesTemplateContent(Strict):
    Subject: Filled
    Html: Filled | None = None
    Text: Filled | None = None


class SesTemplate(Strict):
    TemplateContent: SesTemplateContent
    TemplateData: Json[dict[str, str]]


class SesDefault(Strict):
    Template: SesTemplate


class SesDestination(Strict):
    ToAddresses: Annotated[list[Filled], Field(min_length=1, max_length=1)]


class SesReplacementTemplate(Strict):
    ReplacementTemplateData: Json[dict[str, str]]


class SesReplacement(Strict):
    ReplacementTemplate: SesReplacementTemplate


class SesTag(Strict):
    Name: Tag
    Value: Tag


class SesEntry(Strict):
    Destination: SesDestination
    ReplacementEmailContent: SesReplacement
    ReplacementHeaders: Annotated[list[NameValue], Field(max_length=15)] = []
    ReplacementTags: list[SesTag]


class SesBulk(Strict):
    FromEmailAddress: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]+$")]
    ReplyToAddresses: list[Filled] | None = None
    DefaultContent: SesDefault
    BulkEmailEntries: Annotated[list[SesEntry], Field(min_length=1, max_length=50)]
    ConfigurationSetName: Tag | None = None


class BrevoAddress(Strict):
    email: Filled
    name: str | None = None


class BrevoVersion(Strict):
    to: Annotated[list[BrevoAddress], Field(min_length=1, max_length=1)]
    subject: Filled
    htmlContent: Filled
    textContent: Filled | None = None
    headers: Headers


class BrevoKey(Strict):
    idempotencyKey: Annotated[
        str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    ]


class BrevoMail(Strict):
    sender: BrevoAddress
    subject: Filled
    htmlContent: Filled
    textContent: Filled | None = None
    replyTo: BrevoAddress | None = None
    headers: BrevoKey
    tags: Annotated[list[Tag], Field(min_length=1, max_length=1)]
    messageVersions: Annotated[list[BrevoVersion], Field(min_length=1, max_length=1000)]
