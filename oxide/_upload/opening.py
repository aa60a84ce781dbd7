"""Opens everything that an upload needs, and closes it at the end."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from oxide._call.options import RequestOptions, check_options
from oxide._upload.arguments import Arguments
from oxide._upload.journal import Journal
from oxide._upload.notes import Notes
from oxide._upload.operations import IMAGE_UPLOAD
from oxide._upload.progress import Meter, reporting
from oxide._upload.rack import Rack
from oxide._upload.source import Source
from oxide._upload.upload import Upload
from oxide.api_client import ApiClient
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate


@contextmanager
def opened(
    client: ApiClient,
    file: Any,
    arguments: Arguments,
    *,
    journal: Any,
    progress: Any,
    ensure: Callable[[ImageCreate], Image],
    options: RequestOptions,
) -> Iterator[Upload]:
    """Open everything that an upload needs, and close it at the end.

    Args:
        client: makes the calls.
        file: a path or a file object.
        arguments: what to make of it.
        journal: the path of the journal, or None.
        progress: as for `ImagesApi.image_upload`.
        ensure: returns the image of a name in the project if it agrees, or creates it.
        options: those of each call.

    Raises:
        ApiTypeError: an argument has the wrong type.
        ApiValueError: the file, the journal or the bar cannot be used.
    """
    check_options(IMAGE_UPLOAD, options)
    rack = Rack(client, arguments.project, ensure, options)
    with reporting(progress) as report, Source(file) as source:
        meter = Meter(report, rack.clock)
        notes = Notes() if journal is None else Journal(journal, arguments.facts(rack.host))
        with closing(notes):
            yield Upload(rack, source, notes, arguments, meter)
