"""What is loaded and built before the first call, so that a process forked during a call inherits no lock."""

import subprocess
import sys

FIRST_CALL = """
import sys
import oxide
from oxide.testing import Simulator

with Simulator() as simulator:
    with oxide.ApiClient(simulator.configuration()) as client:
        from oxide import models

        built = [getattr(models, name) for name in models.__all__]
        assert all(kind.__pydantic_complete__ for kind in built if hasattr(kind, "model_rebuild"))
        api = oxide.ImagesApi(client)
        before = set(sys.modules)
        api.image_list()
        loaded = {name for name in set(sys.modules) - before if not name.startswith("oxide.testing")}
assert not loaded & {"encodings.idna", "stringprep"}, loaded
assert not {name for name in loaded if name.startswith(("oxide", "pydantic", "urllib3"))}, loaded
"""


def test_the_first_call_builds_nothing_and_loads_no_codec() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
