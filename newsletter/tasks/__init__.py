"""The Celery app. Beat only ticks; what is due is a row, and a lost message is found by the next tick."""

from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging, worker_process_shutdown, worker_shutting_down

from newsletter import broker, tracing
from newsletter.logs import set_up_logging
from newsletter.settings import settings
from newsletter.tasks.draining import drain

#: Where the tasks are defined.
MODULES: Final = (
    "newsletter.tasks.ticks",
    "newsletter.tasks.letters",
    "newsletter.tasks.beating",
    "newsletter.tasks.listening",
    "newsletter.tasks.watching",
    "newsletter.tasks.tidying",
    "newsletter.tasks.counting",
    "newsletter.tasks.deadlines",
    "newsletter.tasks.preparing",
    "newsletter.tasks.examining",
    "newsletter.tasks.bounces",
    "newsletter.tasks.listing",
    "newsletter.tasks.hearing",
    "newsletter.tasks.sweeping",
)

#: Sent at every tick. Task names are explicit and never change: a message may outlive the code
#: that sent it.
TICKS: Final = (
    "newsletter.assemble",
    "newsletter.start",
    "newsletter.send",
    "newsletter.reconcile",
    "newsletter.letters",
)

_OURS: Final = "newsletter"
#: The one that is called as a module is: in two parts, so that who moves the module does not rename the task.
DEADLINES: Final = f"{_OURS}.deadlines"

#: Sent more seldom: seconds between two messages. What is due is a row all the same.
SELDOM: Final[dict[str, float]] = {
    "newsletter.count": 60.0,
    "newsletter.watch": 30.0,
    DEADLINES: 10.0,
    "newsletter.ask_links": 60.0,
    "newsletter.measure_readers": 300.0,
    "newsletter.examine": 60.0,
    "newsletter.soft_bounces": 600.0,
    "newsletter.take_over": 3600.0,
    "newsletter.hear": 900.0,
    "newsletter.bulk": 5.0,
    "newsletter.lists": 3.0,
    "newsletter.tidy": 3600.0,
}

app = Celery("newsletter")


def configuration() -> dict[str, Any]:
    """Celery's settings, from ours; read on first use."""
    known = settings()
    # The directory of the schedules has Celery's default file name, so beat must be told.
    state = known.beat_state or known.schedules / "state"
    state.parent.mkdir(parents=True, exist_ok=True)
    # A tick that nobody hears goes off by beat's clock, and a worker's may be ahead: by half a lease,
    # as docs/scale.md says. Ticks that come fast would pile up meanwhile: then by a dozen of them.
    apart = min(known.lease / 2, known.tick * 12)
    return {
        "broker_url": known.broker,
        "broker_transport_options": broker.transport_options(),
        "broker_connection_retry_on_startup": True,
        "control_exchange": "control",
        "imports": MODULES,
        "task_default_queue": broker.QUEUE,
        "task_ignore_result": True,
        # A message is only a nudge: taken early, and if it is lost the next tick brings another.
        "task_acks_late": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "timezone": "UTC",
        "enable_utc": True,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_remote_control": False,
        "beat_scheduler": "newsletter.tasks.beating:Scheduler",
        "beat_max_loop_interval": max(0.2, known.tick / 2),
        "beat_schedule_filename": str(state),
        "beat_schedule": {
            name: {"task": name, "schedule": every, "options": {"expires": every * 3 + apart}}
            for name, every in (dict.fromkeys(TICKS, known.tick) | SELDOM).items()
        },
    }


app.add_defaults(configuration)


@setup_logging.connect
def _our_logging(**_: object) -> None:
    set_up_logging()


@worker_shutting_down.connect
def _drain(**_: object) -> None:
    """SIGTERM: claim nothing new; what is in flight settles before the worker goes."""
    drain(within=settings().lease)


@worker_process_shutdown.connect
def _say_last_words(**_: object) -> None:
    tracing.flush()
