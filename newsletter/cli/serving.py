"""The processes: each alone for production, and all together for a first look.

Each command imports what it serves when it runs: `newsletter receipt` need not load a web server.
"""

import gc
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from digests.schedules.schedule_files import install
from newsletter import instance, rotation
from newsletter.cli.output import print_json
from newsletter.clock import utc_now
from newsletter.database import engine, is_ahead, is_away, migrate, reading, unit_of_work
from newsletter.launch import LaunchError, Service, taken, until_stopped
from newsletter.logs import set_up_logging
from newsletter.secrets import sandbox_keys
from newsletter.settings import settings


def register(app: typer.Typer) -> None:
    """Add the commands that serve."""
    for command in (run, demo, web, worker, beat, sandbox):
        app.command(command.__name__)(command)
    app.command("migrate")(migrate_database)


def run(
    seconds: Annotated[
        float, typer.Option(min=0, help="Stop by itself after so long; 0 for never.")
    ] = 0,
) -> None:
    """Start web, worker, beat and the sandbox provider; Ctrl-C stops them with nothing lost.

    A first start loads the example comparisons and readers and plans a digest a few seconds ahead.

    Example: `newsletter run`
    """
    from newsletter.demo import parts, prepare_first_start, something_recurs

    known = settings()
    for port in (known.port, known.sandbox_port):
        if taken(port):
            raise LaunchError(
                f"Port {port} is taken; end what listens there, or set NEWSLETTER_PORT and "
                "NEWSLETTER_SANDBOX_PORT to others."
            )
    first = prepare_first_start(now=utc_now())
    has_a_next = something_recurs(now=utc_now())
    with until_stopped() as asked, Service(known.home, parts(known)) as service:
        typer.echo("")
        typer.echo(f"  The service            {known.web_url}/")
        typer.echo(f"  The editors' desk      {known.web_url}/sign-in")
        typer.echo(f"  The sandbox's inbox    {known.sandbox_url}/")
        typer.echo(f"  Logs                   {known.home / 'log'}/")
        if first:
            typer.echo("\n  A first digest goes out in a few seconds: watch the service's page,")
            typer.echo("  then open the mail in the inbox and unsubscribe from it.")
            if has_a_next:
                typer.echo("  The next edition waits at the editors' desk for your name.")
        if not has_a_next:
            typer.echo(
                f"\n  No schedule recurs, and there is none in {known.schedules}/ to begin with:"
            )
            typer.echo(f"  add one on {known.web_url}/schedules, or nothing goes out by itself.")
        typer.echo("\n  Ctrl-C stops everything; what was made stays.\n")
        until = time.monotonic() + seconds if seconds else float("inf")
        while not asked and time.monotonic() < until:
            if (part := service.failed()) is not None:
                raise LaunchError(f"{part.name} ended by itself; {service.log_of(part)} says why.")
            time.sleep(0.2)
        typer.echo("  Stopping: what is in flight settles first.")
    typer.echo("  Stopped; nothing is left running.")


def demo(
    keep: Annotated[bool, typer.Option(help="Keep the demo's folder, var/demo.")] = False,
) -> None:
    """Run the main job once, by itself, through real processes; the last line is JSON.

    The exit status is 0 only when the books close and everything that was to happen did.

    Example: `newsletter demo | tail -n 1`
    """
    from newsletter.demo import tell

    home = Path("var") / "demo"
    shutil.rmtree(home, ignore_errors=True)
    result, is_right = tell(home, say=typer.echo)
    if not keep:
        shutil.rmtree(home, ignore_errors=True)
    print_json(result)
    raise typer.Exit(0 if is_right else 1)


def web() -> None:
    """Serve the readers' pages, the webhooks and the API.

    Example: `NEWSLETTER_PORT=8000 newsletter web`
    """
    import uvicorn

    from newsletter.web.app import create_app

    set_up_logging()
    engine()
    app = create_app()
    keep_what_is_loaded()
    uvicorn.run(
        app,
        host=settings().host,
        port=settings().port,
        # Whose word on the caller's address counts: rate limits go by it.
        proxy_headers=True,
        forwarded_allow_ips=settings().proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def worker(
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that send.")] = 2,
) -> None:
    """Run a worker: it assembles, sends and reconciles what the ticks find due.

    SIGTERM drains it: nothing new is claimed, and what is in flight settles.

    Example: `newsletter worker --processes 4`
    """
    from celery.signals import worker_shutdown

    from newsletter.tasks import app as celery

    with unit_of_work() as session:
        rotation.refuse_what_can_still_be_changed(session)
        instance.recognise(session, now=utc_now())
    engine().dispose()  # migrated by now; the pool's children open their own connections
    celery.loader.import_default_modules()
    keep_what_is_loaded()
    ended: list[int] = []
    worker_shutdown.connect(lambda sender, **_: ended.append(sender.exitcode or 0), weak=False)
    celery.worker_main(
        [
            "worker",
            f"--concurrency={processes}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            f"--loglevel={settings().log_level}",
            "--hostname=worker@%h",
        ]
    )
    # Celery gives up with a status and does not pass it on; whoever restarts us must see it.
    raise typer.Exit(max(ended, default=0))


def keep_what_is_loaded() -> None:
    """What is loaded by now is never garbage, and nobody looks for any in it again.

    To go through a million objects of libraries takes a quarter of a second, in which no reader
    is answered; and a child of a worker would copy the memory of all of them.
    """
    gc.collect()
    gc.freeze()


def beat() -> None:
    """Run beat, which only ticks; two of them at once are harmless.

    Example: `newsletter beat`
    """
    from newsletter.tasks import app as celery

    with unit_of_work() as session:
        rotation.refuse_what_can_still_be_changed(session)
        instance.recognise(session, now=utc_now())
        install(session, settings().schedules, now=utc_now())
    celery.start(["beat", f"--loglevel={settings().log_level}", "--pidfile="])


def sandbox() -> None:
    """Serve the sandbox: a provider to develop and rehearse against, with an inbox to look at.

    Example: `NEWSLETTER_SANDBOX_PORT=8025 newsletter sandbox`
    """
    from newsletter.sandbox.config import Keys, SandboxConfig
    from newsletter.sandbox.server import serve

    known = settings()
    if not known.is_embedded:
        typer.echo("newsletter: the sandbox belongs to the embedded default only.", err=True)
        sys.exit(1)
    serve(
        SandboxConfig(
            store=known.home / "sandbox.db",
            keys=Keys(**sandbox_keys(known.home)),
            host=known.host,
            port=known.sandbox_port,
            webhook_url=f"{known.web_url}/webhooks/{{provider}}",
            domain=known.sender_domain,
        )
    )


def migrate_database(
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait for a database that is not up yet."),
    ] = 0.0,
) -> None:
    """Bring the database to the newest schema; safe to repeat, and from several hosts at once.

    One that a newer version has migrated stays as it is: this one runs on it.

    Example: `newsletter migrate --wait 300`
    """
    _migrate_once_it_is_up(wait)
    with engine().connect() as connection:
        ahead = is_ahead(connection)
    with reading() as session:
        rotation.refuse_what_can_still_be_changed(session)
    typer.echo(
        "The database has a newer version's schema, on which this one runs; it stays as it is."
        if ahead
        else "The database is at the newest schema."
    )


def _migrate_once_it_is_up(wait: float) -> None:
    """A machine that starts anew brings up its database at the same moment, or another one later."""
    until, has_said = time.monotonic() + wait, False
    while True:
        try:
            migrate(engine())
        except OperationalError as error:
            if not is_away(error) or time.monotonic() > until:
                raise
            if not has_said:
                typer.echo(
                    "newsletter: the database does not answer yet; waiting for it.", err=True
                )
            has_said = True
            time.sleep(1)
        else:
            return
