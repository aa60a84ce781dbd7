"""The programs in test/programs/, written from the documentation alone, work as promised."""

import csv
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import pytest
from processes import PYTEST, run_python

import oxide
from oxide.testing import Answer, Drop, Simulator
from oxide.testing._demo import seed_demo

pytestmark = pytest.mark.long

Write = Literal["image_create", "image_promote", "image_demote", "image_delete"]
WRITES: tuple[Write, ...] = get_args(Write)
PROGRAMS = Path(__file__).with_name("programs")


@dataclass
class Rack:
    """A simulator with the demo contents, and a directory to run programs in."""

    simulator: Simulator
    snapshot: str
    directory: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program against the simulator."""
        return self.execute(str(PROGRAMS / program), *arguments)

    def execute(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python against the simulator; a warning is an error."""
        environment = {"OXIDE_HOST": self.simulator.url, "OXIDE_TOKEN": self.simulator.token}
        return run_python([*arguments], self.directory, environment)

    def places(self) -> dict[str | None, list[str]]:
        """Return the names of the golden images, by project, with those of the silo under None."""
        with oxide.ApiClient(self.simulator.configuration()) as client:
            images = oxide.ImagesApi(client)
            return {
                place: [
                    image.name for image in images.image_list_iter(place) if image.name.startswith("golden-")
                ]
                for place in (None, "my-project", "other-project")
            }


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    with Simulator() as simulator:
        yield Rack(simulator, str(seed_demo(simulator)), tmp_path)


class TestNightlyJob:
    def test_the_nightly_job_publishes_archives_and_deletes(self, rack: Rack) -> None:
        for number, expected in enumerate(
            [
                {None: ["golden-1"], "other-project": []},
                {None: ["golden-2"], "other-project": ["golden-1"]},
                {None: ["golden-3"], "other-project": ["golden-2"]},
            ],
            1,
        ):
            for _ in range(2):
                done = rack.run("nightly.py", str(number), "--snapshot", rack.snapshot)
                assert done.returncode == 0, done.stdout
                assert f"current: golden-{number} (" in done.stdout
                assert rack.places() == {**expected, "my-project": []}

    def test_the_nightly_job_can_run_again_after_any_interruption(self, rack: Rack) -> None:
        assert rack.run("nightly.py", "1", "--snapshot", rack.snapshot).returncode == 0
        number = 1
        for operation, acted in product(WRITES, (False, True)):
            number += 1
            arguments = (str(number), "--snapshot", rack.snapshot)
            # The response is lost twice, so a retry does not help.
            rack.simulator.fail_next(Drop(after_acting=acted), times=2, operation=operation)
            broken = rack.run("nightly.py", *arguments)
            rack.simulator.clear_faults()
            assert broken.returncode in {0, 75}, broken.stdout
            done = rack.run("nightly.py", *arguments)
            assert done.returncode == 0, done.stdout
            assert rack.places() == {
                None: [f"golden-{number}"],
                "my-project": [],
                "other-project": [f"golden-{number - 1}"],
            }

    @pytest.mark.parametrize(("status", "expected"), [(401, 1), (403, 1), (503, 75), (429, 75)])
    def test_the_exit_status_of_the_nightly_job_says_whether_to_run_it_again(
        self, rack: Rack, status: int, expected: int
    ) -> None:
        rack.simulator.fail_next(Answer(status, headers={"retry-after": "1000"}), times=5)
        done = rack.run("nightly.py", "1", "--snapshot", rack.snapshot)
        assert done.returncode == expected, done.stdout
        assert done.stdout.count("\n") == 1
        assert rack.simulator.token not in done.stdout


class TestInventory:
    def test_the_inventory_writes_a_file_and_prints_sums(self, rack: Rack) -> None:
        rack.simulator.create_images(
            [f"image-{number:04}" for number in range(1200)], "other-project", os="alpine"
        )
        pytest.importorskip("polars", reason="polars has no wheel for this Python")
        done = rack.run("inventory.py", "images.csv", "my-project", "other-project")
        assert done.returncode == 0, done.stdout
        with (rack.directory / "images.csv").open(newline="", encoding="utf-8") as file:
            written = list(csv.DictReader(file))
        assert len(written) == 1203
        assert [row["name"] for row in written if not row["project"]] == ["ubuntu-24-04"]
        assert {"id", "name", "size", "time_created"} <= written[0].keys()
        assert done.stdout.splitlines()[0].startswith("alpine: 1201 images, ")

    def test_the_inventory_says_why_it_has_no_result(self, rack: Rack) -> None:
        pytest.importorskip("polars", reason="polars has no wheel for this Python")
        done = rack.run("inventory.py", "images.csv", "nowhere")
        assert done.returncode == 1
        assert done.stdout.startswith("no inventory: 404 ObjectNotFound")


def test_the_check_for_ci_passes(rack: Rack) -> None:
    done = rack.execute(*PYTEST, str(PROGRAMS / "ci_check.py"))
    assert done.returncode == 0, done.stdout


def test_the_wrapper_has_its_own_exceptions_and_metrics(rack: Rack) -> None:
    done = rack.run("sdk.py")
    assert done.returncode == 0, done.stdout
    names, described, removed, missing, refused, metrics = done.stdout.splitlines()
    assert names == "['alpine-edge', 'debian-12']"
    assert described.startswith("alpine-edge (")
    assert removed == "True False"
    assert missing.startswith("missing: not found: project-image")
    assert refused.startswith("refused: project: 'Not a project' is neither a name nor an ID")
    assert "'image_view 200': 2" in metrics
    assert "'image_delete 204': 1" in metrics


def test_no_program_suppresses_a_check() -> None:
    for program in PROGRAMS.glob("*.py"):
        assert "type: ignore" not in program.read_text("utf-8"), program
