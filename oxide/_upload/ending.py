"""Ends an upload early: cleans up, or keeps everything for the journal, and says so in the error."""

from contextlib import suppress
from typing import Final

from oxide._upload.cleaning import Cleaner
from oxide._upload.journal import Journal
from oxide._upload.models import Disk
from oxide._upload.notes import Notes
from oxide._upload.progress import Meter
from oxide._upload.rack import Rack
from oxide._upload.stop import Stop
from oxide._uploading import Leftover, Step
from oxide.exceptions import (
    ApiException,
    ForbiddenException,
    ObjectAlreadyExists,
    OpenApiException,
    UploadError,
)
from oxide.models._snapshot import Snapshot

_KEPT: Final = "kept, so that the journal can resume the upload"
_NAME_TAKEN: Final = (
    "kept, since only the image's name was taken meanwhile: make the image from it under another name"
)


def end_early(
    error: BaseException,
    rack: Rack,
    notes: Notes | None,
    meter: Meter,
    disk: Disk | None,
    snapshot: Snapshot | None,
) -> None:
    """Clean up after `error`, or leave all in place for the journal; raise an `UploadError` if that says more.

    Args:
        error: what ended the upload.
        rack: makes the calls.
        notes: what was made; None if that belongs to another upload.
        meter: reports.
        disk: the disk as it was last seen, or None.
        snapshot: the snapshot as it was last seen, or None.
    """
    step = meter.step
    journal = notes if isinstance(notes, Journal) else None
    left: list[Leftover] = []
    _report(meter, step)
    if journal is not None and journal.disk_name is not None and not _is_final(error, step):
        left = _kept(journal, disk, snapshot)
    elif notes is not None:
        if notes.disk_name is not None:
            _report(meter, "clean up")
            taken = isinstance(error, ObjectAlreadyExists) and step == "create image"
            cleaner = Cleaner(rack, notes, _NAME_TAKEN if taken else None)
            if isinstance(error, KeyboardInterrupt) and isinstance(error.__context__, KeyboardInterrupt):
                # A second Ctrl-C came before the clean-up began.
                left = cleaner.left
            else:
                left = removed(cleaner, interrupted=isinstance(error, KeyboardInterrupt))
        if journal is not None:
            journal.delete()
            journal = None
    path = None if journal is None else journal.path
    if isinstance(error, Stop):
        raise UploadError(str(error), step=step, leftovers=left, journal=path) from error.__cause__
    if isinstance(error, ApiException) and not _keeps_class(error, step):
        raise UploadError(str(error), step=step, leftovers=left, journal=path) from error
    tell(error, left, path)


def tell(error: BaseException, left: list[Leftover], journal: str | None) -> None:
    """Add to an error what is left on the rack, and which journal can resume the upload, if there is one."""
    lines = []
    if left:
        lines.append(f"still on the rack: {', '.join(map(str, left))}")
    if journal is not None:
        lines.append(f"the same call resumes with the journal {journal}")
    if isinstance(error, OpenApiException):
        error.leftovers = tuple(left)
    if isinstance(error, ApiException) and lines:
        error.hint = "; ".join([*([error.hint] if error.hint else []), *lines])
    else:
        for line in lines:
            error.add_note(line)


def removed(cleaner: Cleaner, *, interrupted: bool = False) -> list[Leftover]:
    """Clean up and return what is left. After a first interruption the clean-up still ends; a second one ends it."""
    try:
        cleaner.clean_up()
    except BaseException as interruption:
        if not interrupted:
            removed(cleaner, interrupted=True)
        tell(interruption, cleaner.left, None)
        raise
    return cleaner.left


def _kept(notes: Notes, disk: Disk | None, snapshot: Snapshot | None) -> list[Leftover]:
    left = []
    if snapshot is not None:
        left.append(Leftover("snapshot", snapshot.name, str(snapshot.id), snapshot.state, _KEPT))
    state = None if disk is None else disk.state.state
    left.append(Leftover("disk", notes.disk_name or "", notes.disk_id, state, _KEPT))
    return left


def _report(meter: Meter, step: Step) -> None:
    """Report the end of a step, or the beginning of another, and ignore what the caller's callable raises."""
    with suppress(Exception):
        if step == meter.step:
            meter.flush()
        else:
            meter.enter(step)


def _is_final(error: BaseException, step: Step) -> bool:
    """Return whether an upload that a journal resumes would fail in the same way."""
    if isinstance(error, Stop):
        return error.hopeless
    return isinstance(error, ObjectAlreadyExists) and step == "create image"


def _keeps_class(error: ApiException, step: Step) -> bool:
    """Return whether an error concerns the request itself, so that its class says most."""
    if isinstance(error, (ForbiddenException, ObjectAlreadyExists)):
        return True
    refused = error.status is not None and 400 <= error.status < 500 and error.status not in {408, 429}
    return refused and step in {"check", "create disk"}
