"""Any sequence of uploads, faults, kills and clean-ups leaves nothing unreported and no wrong content."""

import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import oxide
from oxide.testing import Answer, Drop, Fault, LosePantry, Refuse, Unwind
from upload.disks import CHUNK, disk
from upload.killing import Maker
from upload.scene import PROJECT, Scene, open_scene

FAULTS: tuple[Fault, ...] = (
    Drop(),
    Drop(after_acting=True),
    Answer(500),
    Answer(502, after_acting=True),
    Refuse(503, "Service Unavailable", "ServiceNotAvailable"),
    Refuse(507, "Insufficient capacity: Not enough storage", "InsufficientCapacity"),
    Refuse(403, "Forbidden", "Forbidden"),
)
OPERATIONS = (
    "disk_bulk_write_import",
    "disk_bulk_write_import_start",
    "disk_bulk_write_import_stop",
    "disk_create",
    "disk_delete",
    "disk_finalize_import",
    "disk_view",
    "image_create",
    "image_view",
    "snapshot_delete",
    "snapshot_view",
)
STEPS = ("check", "create disk", "upload", "finalize", "create image", "clean up")
CONTENTS = [disk(size, seed=size) for size in (5 * CHUNK, 5 * CHUNK - 3000, 70_000)]


class StopError(Exception):
    """Interrupts an upload."""


class Uploads(RuleBasedStateMachine):
    """A rack for several uploads, one after the other, and the leftovers that they have reported."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        self.scene: Scene = self.stack.enter_context(open_scene())
        self.maker = self.stack.enter_context(closing(Maker(self.scene.simulator)))
        self.directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        for number, content in enumerate(CONTENTS):
            (self.directory / f"disk-{number}").write_bytes(content)
        self.told: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            with self.stack:
                self.scene.simulator.clear_faults()
                for journal in sorted(self.directory.glob("journal-*")):
                    _, name, number = journal.name.split("-")
                    # An image that differs would prevent this one.
                    self.delete_the_image(name)
                    self.upload(name, int(number), journaled=True, interrupt=None)
                    self.every_image_is_its_file()
                    assert not journal.exists()
                self.nothing_is_left_that_nobody_told_of()

    def journal(self, name: str, number: int) -> Path:
        return self.directory / f"journal-{name}-{number}"

    @rule(
        operation=st.sampled_from(OPERATIONS),
        fault=st.sampled_from(FAULTS),
        times=st.sampled_from([1, 1, 1, 3, 200]),
    )
    def let_requests_fail(self, operation: Any, fault: Fault, times: int) -> None:
        self.scene.fail(operation, fault, times)

    @rule(fault=st.sampled_from([LosePantry(), Unwind()]))
    def let_the_rack_fail(self, fault: Fault) -> None:
        self.scene.simulator.fail_next(fault)

    @rule()
    def let_all_work_again(self) -> None:
        self.scene.simulator.clear_faults()

    @rule(
        name=st.sampled_from("ab"),
        number=st.sampled_from(range(len(CONTENTS))),
        journaled=st.booleans(),
        interrupt=st.sampled_from([None, None, *STEPS]),
    )
    def upload(self, name: str, number: int, journaled: bool, interrupt: str | None) -> None:
        def stop(progress: oxide.UploadProgress) -> None:
            if progress.step == interrupt and (interrupt != "upload" or progress.done > 2 * CHUNK):
                raise StopError

        journal = self.journal(name, number) if journaled else None
        path = self.directory / f"disk-{number}"
        options = {"version": str(number), "journal": journal, "progress": stop}
        try:
            image = self.scene.upload(path, name=name, **options)
        except (oxide.OpenApiException, StopError) as error:
            self.told |= {left.name for left in getattr(error, "leftovers", ())}
            self.told |= {
                word
                for note in getattr(error, "__notes__", ())
                for word in note.split()
                if word.startswith("upload-")
            }
        except UserWarning as warning:
            # The image exists, and the warning, which is an error here, says what is left.
            self.told |= {word.strip(":") for word in str(warning).split() if word.startswith("upload-")}
        else:
            assert image.name == name

    @rule(
        name=st.sampled_from("ab"),
        number=st.sampled_from(range(len(CONTENTS))),
        requests=st.integers(0, 25),
    )
    def upload_and_kill(self, name: str, number: int, requests: int) -> None:
        # A killed process could not report the leftovers of other faults.
        self.scene.simulator.clear_faults()
        journal = self.journal(name, number)
        path = self.directory / f"disk-{number}"
        self.maker.upload(self.maker.after(requests), path, journal, name, str(number))

    @rule(name=st.sampled_from("ab"))
    def delete_the_image(self, name: str) -> None:
        self.scene.simulator.clear_faults()
        for image in self.scene.images.image_list(project=PROJECT).items:
            if image.name == name:
                self.scene.images.image_delete(image)

    @invariant()
    def every_image_is_its_file(self) -> None:
        if not hasattr(self, "scene"):
            return
        for image in self.scene.images.image_list(project=PROJECT).items:
            assert self.scene.holds(image, CONTENTS[int(image.version)])

    def nothing_is_left_that_nobody_told_of(self) -> None:
        assert {line.split()[1] for line in self.scene.left()} <= self.told


# Shrinking a failing sequence would take minutes.
TestUploads = pytest.mark.long(Uploads.TestCase)
TestUploads.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, phases=[Phase.generate]
)
