"""The command `upload`: uploads a file, shows progress on standard error and returns an exit status."""

import argparse
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

from oxide._upload.arguments import Arguments, checked_arguments
from oxide._upload.opening import opened
from oxide._upload.upload import Upload
from oxide._uploading import UploadProgress
from oxide.api.images_api import ImagesApi
from oxide.exceptions import (
    ApiException,
    ApiTypeError,
    ApiValueError,
    NotFoundException,
    OpenApiException,
)
from oxide.models.image import Image

_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_INTERRUPTED: Final = 130


def upload(options: argparse.Namespace) -> int:
    """Run the command and return the exit status."""
    with _warnings_as_lines(), _interruptible():
        try:
            print(_run(options))
            sys.stdout.flush()
        except (ApiValueError, ApiTypeError) as error:
            return _explain(error, _WRONG_USAGE)
        except OpenApiException as error:
            return _explain(error, _FAILED)
        except KeyboardInterrupt as error:
            return _explain(error, _INTERRUPTED)
    return 0


def _run(options: argparse.Namespace) -> str:
    """Do what the options ask for, and return what to print."""
    arguments = checked_arguments(
        options.project,
        name=options.name,
        os=options.os,
        version=options.version,
        description=options.description,
        block_size=options.block_size,
        sha256=options.sha256,
        size=options.size,
        workers=options.workers,
    )
    with (
        ImagesApi.from_environment(profile=options.profile) as images,
        opened(
            images.api_client,
            sys.stdin.buffer if options.file == "-" else options.file,
            arguments,
            journal=None if options.dry_run else options.journal,
            progress=_progress(),
            ensure=partial(images.image_ensure, project=arguments.project),
            options={},
        ) as upload,
    ):
        if options.dry_run:
            return _found(upload, as_json=options.json)
        image = _promoted(images, upload, arguments) if options.promote else upload.run()
        return image.to_json() if options.json else str(image.id)


def _found(upload: Upload, *, as_json: bool) -> str:
    """Check only, and return what was found."""
    found = upload.look()._asdict()
    if as_json:
        return json.dumps(found)
    words = {"None": "unknown", "True": "yes", "False": "no"}
    return "\n".join(f"{name}: {words.get(str(value), value)}" for name, value in found.items())


def _promoted(images: ImagesApi, upload: Upload, arguments: Arguments) -> Image:
    """Return the image in the silo, which an earlier run may have made."""
    try:
        existing = images.image_view(arguments.image.name)
    except NotFoundException:
        existing = None
    if existing is not None:
        return upload.compared(existing)
    image = upload.run()
    try:
        return images.image_ensure_location(image)
    except ApiException as error:
        error.hint = f"the image is in the project, with the ID {image.id}"
        raise


def _progress() -> Callable[[UploadProgress], object] | bool:
    if not sys.stderr.isatty():
        return _step_lines()
    if find_spec("tqdm") is None:
        _say("for a bar: pip install 'oxide[upload]'")
        return _step_lines()
    return True


def _step_lines() -> Callable[[UploadProgress], None]:
    """Return what prints one line for each step."""
    last: list[str] = []

    def show(progress: UploadProgress) -> None:
        if [progress.step] != last:
            last[:] = [progress.step]
            total = "" if progress.total is None else f" ({progress.total} bytes)"
            _say(f"{progress.step}{total if progress.step == 'upload' else ''}")

    return show


def _explain(error: BaseException, status: int) -> int:
    _say("interrupted" if isinstance(error, KeyboardInterrupt) else f"error: {error}")
    for note in getattr(error, "__notes__", ()):
        _say(note)
    return status


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Show each warning on a line of its own, without a place in this program's code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        _say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say at the first Ctrl-C that a second one leaves at once."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # `print` is not safe in a signal handler.
        os.write(2, b"\nstopping; Ctrl-C again leaves at once\n")
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        # It is ignored, as in a background job, or the caller of `main` handles it.
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
