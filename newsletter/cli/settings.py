"""Every setting there is, as the code declares it: what the table in the documentation is made of."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from newsletter.cli.output import print_json
from newsletter.settings import Settings
from newsletter.settings.providers import ProviderSettings

_TITLES: Final = {
    "accounts": "Accounts",
    "joining": "Joining",
    "keep": "Keeping and forgetting",
    "approval": "Approval",
    "preflight": "Preflight",
    "alerts": "Alerts",
    "votes": "Votes",
    "bounces": "Soft bounces",
    "doctor": "The doctor",
    "api": "The read interface",
}


_INTRODUCTION: Final = """\
Each is an environment variable. `newsletter settings` writes this page from the code, and a test makes sure
that they say the same. What stands for SENDGRID goes for RESEND, MAILGUN, POSTMARK, SES and BREVO as well.
"""
_NOTHING: Final = "none"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("settings")(show)


def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List every setting with its default and its meaning, as docs/settings.md has them.

    Example: `newsletter settings --json`
    """
    if as_json:
        rows = [row for _, rows in _groups() for row in rows]
        print_json([dict(zip(("setting", "default", "meaning"), row, strict=True)) for row in rows])
    else:
        typer.echo(as_markdown(), nl=False)


def as_markdown() -> str:
    """The page docs/settings.md."""
    parts = ["# Settings\n", _INTRODUCTION]
    for title, rows in _groups():
        parts.append(f"## {title}\n")
        parts.append("| setting | default | meaning |\n|---|---|---|")
        parts += [f"| `{name}` | {default} | {said} |" for name, default, said in rows]
        parts.append("")
    return "\n".join(parts)


def _groups() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    fields = Settings.model_fields
    plain = {name: known for name, known in fields.items() if _group_of(known) is None}
    yield (
        "The service",
        [_row(f"NEWSLETTER_{name.upper()}", known) for name, known in plain.items()],
    )
    yield (
        "A provider",
        [
            _row(f"NEWSLETTER_SENDGRID_{part.upper()}", known)
            for part, known in ProviderSettings.model_fields.items()
        ],
    )
    for name, known in fields.items():
        group = _group_of(known)
        if group is None or group is ProviderSettings:
            continue
        yield (
            _TITLES.get(name, name.capitalize()),
            [
                _row(f"NEWSLETTER_{name.upper()}_{part.upper()}", inner)
                for part, inner in group.model_fields.items()
            ],
        )


def _group_of(known: FieldInfo) -> type[BaseModel] | None:
    kind: Any = known.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _row(name: str, known: FieldInfo) -> tuple[str, str, str]:
    default = known.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default == "":
        shown = _NOTHING
    elif isinstance(default, bool):
        shown = f"`{str(default).lower()}`"
    elif isinstance(default, float) and default.is_integer():
        shown = f"`{default:.0f}`"
    else:
        shown = f"`{default}`"
    return name, shown, " ".join((known.description or "").split())
