"""Greenlets that share a thread share no state of a call: no write is sent twice, no response swapped."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from transport.calls import image_by_name
from transport.fault_server import FaultServer, Gone, Peer, request

pytest.importorskip("gevent", reason="gevent has no wheel for this Python", exc_type=ModuleNotFoundError)

PROGRAM = Path(__file__).with_name("greenlets.py")


# A program that is patched late gets a warning about TLS, which it does not use.
@pytest.mark.parametrize("when", ["before", "after"])
def test_greenlets_can_share_a_client(when: str) -> None:
    """Forty at a time, against a server that drops every seventh request after reading it."""
    counter = itertools.count(1)

    def serve(peer: Peer) -> None:
        while True:
            text = request(peer)
            if next(counter) % 7 == 0:
                raise Gone
            peer.sock.sendall(image_by_name(text.replace(b"/promote", b"").replace(b"?project=proj", b"")))

    with FaultServer(otherwise=[serve]) as server:
        program = subprocess.run(
            [sys.executable, str(PROGRAM), when, server.url],
            check=False,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
            capture_output=True,
            text=True,
            timeout=100,
        )
        sent = Counter(text.split(b"\r\n", 1)[0] for _, text in server.requests)
    assert program.returncode == 0, program.stderr
    ends = json.loads(program.stdout)
    assert ends["unknown"] > 20
    assert set(ends) == {"right", "unknown"}
    writes = [count for line, count in sent.items() if line.startswith(b"POST")]
    assert len(writes) == 400
    assert set(writes) == {1}
