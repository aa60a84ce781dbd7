"""Run a simulator as a program: `python -m oxide.testing`."""

import argparse
import logging
import shlex
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Final
from uuid import UUID

try:
    from oxide.testing import Simulator
    from oxide.testing._demo import DEMO, seed_demo
    from oxide.testing._simulator import PORT_MAX
except ModuleNotFoundError as error:
    checkout = Path(__file__).parents[2]
    packages = [f"{checkout}[testing]"]
    if not (checkout / "pyproject.toml").exists():
        # On PyPI, another project has the name of this package.
        of_extra = (line.partition(";") for line in requires("oxide") or ())
        packages = [name.strip() for name, _, condition in of_extra if "testing" in condition]
    command = shlex.join([sys.executable, "-m", "pip", "install", *packages])
    sys.exit(f"The simulator cannot start, for want of {error.name}. To install what it needs: {command}")

# Some systems run no signal handler during a wait without a timeout.
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
    except sqlite3.Error as error:
        print(f"The simulator cannot start: {options.database}: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"The simulator cannot start: {error}", file=sys.stderr)
        return 1
    try:
        snapshot = seed_demo(simulator) if options.demo else None
        print(_greeting(simulator, snapshot), flush=True)
        while not stopped.wait(_SIGNAL_CHECK_SECONDS):
            pass
    finally:
        simulator.stop()
    return 0


def _greeting(simulator: Simulator, snapshot: UUID | None) -> str:
    lines = [
        f"A simulated Oxide images service is running at {simulator.url}",
        f"with the administrator's token {simulator.token}",
        "until Ctrl-C. In the shell that will use it:",
        "",
        f"export OXIDE_HOST={shlex.quote(simulator.url)}",
        f"export OXIDE_TOKEN={shlex.quote(simulator.token)}",
    ]
    if snapshot is not None:
        lines += [f"export SNAPSHOT_ID={snapshot}", "", f"It started with {DEMO}."]
    return "\n".join([*lines, ""])


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        message = f"a port must be a number from 0 to {PORT_MAX}, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oxide.testing", description="Simulate the Oxide images service on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--database", metavar="PATH", help="the file to keep everything in (default: memory)")
    parser.add_argument("--token", help="the administrator's token (default: the database's, or a new one)")
    parser.add_argument(
        "--demo",
        action="store_true",
        help="start with what the documentation's examples expect: projects, a snapshot and images",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
