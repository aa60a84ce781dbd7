"""Makes the generated client, from the OpenAPI document that the simulator serves."""

import subprocess
import sys
import urllib.request
from pathlib import Path

from oxide.testing import Simulator


def make_generated_client(scratch: Path) -> Path:
    """Generate the package `generated_oxide`, and return the directory to import it from."""
    document, target = scratch / "openapi.json", scratch / "generated"
    with Simulator() as simulator:
        urllib.request.urlretrieve(f"{simulator.url}/openapi.json", document)
    subprocess.run(
        [
            *(sys.executable, "-c", "from openapi_generator_cli import cli; cli()"),
            *("generate", "--generator-name", "python"),
            *("--input-spec", document, "--output", target, "--package-name", "generated_oxide"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return target
