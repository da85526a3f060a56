"""Starts one program and sees to it that it never outlives whoever wanted it.

Run as a script by ``tests.support.processes.Kept``. Its standard input is a pipe which
the one who started it holds open: when that end closes, for whatever reason
(a test run killed with SIGKILL among them), the program is asked to end and,
if it does not, ended with everything in its process group.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the program to its end; its process id is the first line of standard output."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--uid", type=int)
    asked.add_argument("--gid", type=int)
    asked.add_argument("--signal", type=int, default=signal.SIGTERM, help="asks it to end")
    asked.add_argument("--patience", type=float, default=10, help="seconds until SIGKILL")
    asked.add_argument("program", nargs="+")
    given = asked.parse_args()

    # Not SIG_IGN: the program would inherit it and never hear a signal of its own.
    for interrupt in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interrupt, lambda *_: None)
    child = subprocess.Popen(
        given.program,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,  # the log; our own standard output tells the process id
        user=given.uid,
        group=given.gid,
        extra_groups=None if given.uid is None else [],
        process_group=0,
    )
    print(child.pid, flush=True)
    threading.Thread(target=_end_when_alone, args=(child, given), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _end_when_alone(child: subprocess.Popen[bytes], given: argparse.Namespace) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    child.send_signal(given.signal)
    try:
        child.wait(given.patience)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
