"""Runs uploads in processes of their own, and kills them at any moment."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from oxide.testing import Simulator

# A process that forks others, so that they need not import everything again; those are killed.
MAKER = """
import json, os, sys, time, oxide
import oxide._upload.opening  # before the fork, to be fast
url, token = sys.argv[1:]

def upload(options):
    slept = []
    def sleep(seconds):
        slept.append(seconds)
        time.sleep(min(seconds, 0.01))
    configuration = oxide.Configuration(url, access_token=token)
    with oxide.ApiClient(configuration, sleep=sleep, clock=lambda: time.monotonic() + sum(slept)) as client:
        oxide.ImagesApi(client).image_upload(project="web", os="debian", **options)

# This builds the models once, instead of in each process.
oxide.ApiClient(oxide.Configuration(url))
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        try:
            upload(json.loads(line))
        except oxide.OpenApiException:
            os._exit(1)
        os._exit(0)
    print(pid, flush=True)
    # Killed processes are not reaped before, so no other process gets their number.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    print("over", flush=True)
    sys.stdin.readline()
    print(os.waitpid(pid, 0)[1], flush=True)
"""


class Maker:
    """Makes processes that upload, and kills them."""

    def __init__(self, simulator: Simulator) -> None:
        command = [sys.executable, "-c", MAKER, simulator.url, simulator.token]
        self._simulator = simulator
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """End the process that makes the others."""
        self._process.communicate()

    def after(self, requests: int) -> Callable[[], bool]:
        """Return a function that says whether this many more requests have arrived."""
        last = len(self._simulator.requests) + requests
        return lambda: len(self._simulator.requests) >= last

    def upload(
        self,
        kill_when: Callable[[], bool],
        file: Path,
        journal: Path,
        name: str = "debian",
        version: str = "13",
    ) -> bool | None:
        """Upload in a new process and kill it at some moment.

        Returns whether it was done before that; None if it failed before that.
        """
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        options = {"file": str(file), "journal": str(journal), "name": name, "version": version}
        print(json.dumps(options), file=writer, flush=True)
        number = int(reader.readline())
        over = threading.Thread(target=reader.readline)
        over.start()
        while over.is_alive():
            if kill_when():
                os.kill(number, signal.SIGKILL)
                break
            over.join(0.001)
        over.join()
        print(file=writer, flush=True)
        status = int(reader.readline())
        return {0: True, signal.SIGKILL: False}.get(status)
