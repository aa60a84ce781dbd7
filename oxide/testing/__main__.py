"""Run a simulator as a program: `python -m oxide.testing`."""

import argparse
import logging
import shlex
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from typing import Final

from oxide.testing._demo import seed_demo
from oxide.testing._simulator import Simulator

# Some systems run no signal handler while a thread waits without a limit.
_SIGNAL_CHECK_SECONDS: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, and return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("oxide.testing").setLevel(logging.INFO)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        simulator = Simulator(options.host, options.port, options.database, token=options.token)
        simulator.start()
    except (OSError, ValueError, sqlite3.Error) as error:
        print(f"The simulator cannot start: {error}", file=sys.stderr)
        return 1
    try:
        if options.demo:
            seed_demo(simulator)
        print(_greeting(simulator), flush=True)
        while not stopped.wait(_SIGNAL_CHECK_SECONDS):
            pass
    finally:
        simulator.stop()
    return 0


def _greeting(simulator: Simulator) -> str:
    return (
        f"A simulated Oxide images service answers at {simulator.url}\n"
        f"to its administrator's token {simulator.token}\n"
        "until Ctrl-C. In the shell that is to use it:\n"
        "\n"
        f"export OXIDE_HOST={shlex.quote(simulator.url)}\n"
        f"export OXIDE_TOKEN={shlex.quote(simulator.token)}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oxide.testing", description="Simulate the Oxide images service on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--database", metavar="PATH", help="the file to keep everything in (default: memory)")
    parser.add_argument("--token", help="the administrator's token (default: the database's, or a new one)")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="begin with some projects, snapshots and images, unless they are there",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
