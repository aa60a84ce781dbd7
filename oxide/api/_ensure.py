"""The work of `image_ensure`, `…_absent` and `…_location`, which reach a state whatever was lost on the way.

A lost response is settled by looking. Once an image is known, it is named by its ID, so that no other one that has
taken its name is deleted or moved.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol, Unpack

from oxide._call.agreement import agreeing
from oxide._call.encoding import checked_body, identifier, identifier_or, project_of
from oxide._call.options import RequestOptions
from oxide._identifiers import parse_id
from oxide.api._arguments import ImageRef, NewImage, ProjectRef, SortMode
from oxide.api_client import ApiClient
from oxide.exceptions import ApiException, BadRequestException, NotFoundException, ObjectAlreadyExists
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage

_image = identifier_or(Image)
_image_project = project_of("image", _image)


class Images(Protocol):
    """The client and the operations that the helpers are made of, as far as they use them."""

    api_client: ApiClient

    def image_create(
        self, image_create: NewImage, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image: ...
    def image_delete(self, image: ImageRef, **options: Unpack[RequestOptions]) -> None: ...
    def image_demote(
        self, image: ImageRef, project: ProjectRef, **options: Unpack[RequestOptions]
    ) -> Image: ...
    def image_list(
        self,
        limit: int | None = None,
        page_token: str | None = None,
        project: ProjectRef | None = None,
        sort_by: SortMode | None = None,
        **options: Unpack[RequestOptions],
    ) -> ImageResultsPage: ...
    def image_promote(self, image: ImageRef, **options: Unpack[RequestOptions]) -> Image: ...
    def image_view(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image: ...


def ensure_image(
    images: Images, image_create: NewImage, project: ProjectRef | None, options: RequestOptions
) -> Image:
    """Return the image of that name, if it agrees with `image_create`, else create it.

    Names are unique, so it may be created again if the first outcome is unknown: if the server is still working on the
    first request, it refuses the slower of the two.
    """
    wanted = checked_body("image_ensure", ImageCreate, image_create)
    compared = {name: getattr(wanted, name) for name in ("description", "os", "version")}
    view = partial(images.image_view, wanted.name, project, **options)

    def look() -> Image | None:
        found = _look(view)
        return None if found is None else agreeing(found, compared, "image_ensure")

    if (found := look()) is not None:
        return found
    # Refused if it was created meanwhile; not found then, if it was deleted again or this user may not see it.
    create = partial(images.image_create, wanted, project, **options)
    return _settled(create, look, "created", ObjectAlreadyExists)


def ensure_absent(
    images: Images, image: ImageRef, project: ProjectRef | None, options: RequestOptions
) -> bool:
    """Delete an image if there is one, and return whether there was."""
    arguments = {"image": image, "project": project}
    name = _image("image", arguments)
    if project is not None:
        _image_project("project", arguments)
    if parse_id(name) is None:
        try:
            image = images.image_view(name, project, **options)
        except NotFoundException:
            _check_project(images, project, options)
            return False
    delete = partial(images.image_delete, image, **options)
    try:
        delete()
    except NotFoundException as error:
        if isinstance(image, Image) and _seen(images, image, image.project_id, options) is not None:
            error.hint = (
                f"it is there, but only a user with a role on the silo can name an image by its ID; "
                f"image_delete({image.name!r}, {str(image.project_id)!r}) deletes whatever has that name"
            )
            raise
        return False
    except ApiException as error:
        if not error.may_have_acted:
            raise
        with _going_on_after(error, "deleted"):
            if _look(partial(images.image_view, image, **options)) is not None:
                # Not found: the first request was still on its way.
                with suppress(NotFoundException):
                    delete()
    return True


def ensure_location(
    images: Images,
    image: ImageRef,
    project: ProjectRef | None,
    source: ProjectRef | None,
    options: RequestOptions,
) -> Image:
    """Move an image to a project, or to the silo for None, unless it is there, and return it."""
    arguments = {"image": image, "project": project, "source": source}
    name = _image("image", arguments)
    target = None if project is None else identifier("project", arguments)
    start = None if source is None else _image_project("source", arguments)
    found = (
        images.image_view(name, **options) if parse_id(name) else _find(images, name, start, target, options)
    )
    if target is None:
        return found if found.project_id is None else _promoted(images, found, options)
    if (there := _look(partial(images.image_view, found.name, target, **options))) is None:
        _check_project(images, target, options)
    elif there.id == found.id:
        return there
    else:
        raise ObjectAlreadyExists(
            error_code=ObjectAlreadyExists.__name__,
            message=f"project {target} has another image {found.name!r}, {there.id}",
            operation="image_ensure_location",
        )
    if found.project_id is None:
        return _demoted(images, found, target, options)
    found = _promoted(images, found, options)
    try:
        return _demoted(images, found, target, options)
    except ApiException as error:
        error.hint = f"image {found.id} was promoted to the silo on its way: call this again to go on"
        raise


def _find(images: Images, name: str, start: str | None, target: str | None, options: RequestOptions) -> Image:
    """Return the image of that name, which an earlier run may have moved already, or have left in the silo."""
    try:
        return images.image_view(name, start, **options)
    except NotFoundException as error:
        missing = error
    places = dict.fromkeys([target, None])
    places.pop(start, None)
    if start == target:
        places.clear()
    for place in places:
        if (found := _look(partial(images.image_view, name, place, **options))) is not None:
            # No earlier run can have moved anything out of a project that does not exist.
            _check_project(images, start, options)
            return found
    raise missing


def _promoted(images: Images, image: Image, options: RequestOptions) -> Image:
    def look() -> Image | None:
        found = images.image_view(image, **options)
        return found if found.project_id is None else None

    # Refused if somebody else has moved it there; likewise below.
    return _settled(partial(images.image_promote, image, **options), look, "moved", BadRequestException)


def _demoted(images: Images, image: Image, project: str, options: RequestOptions) -> Image:
    look = partial(_seen, images, image, project, options)
    return _settled(
        partial(images.image_demote, image, project, **options), look, "moved", BadRequestException
    )


def _settled(
    act: Callable[[], Image], look: Callable[[], Image | None], done: str, refusal: type[ApiException]
) -> Image:
    """Act, and return the image; after a refusal or a lost response, look for it, and after the latter act once more."""
    try:
        return _act_or_look(act, look, refusal)
    except ApiException as error:
        if not error.may_have_acted:
            raise
        with _going_on_after(error, done):
            if (found := look()) is not None:
                return found
            # Refused if the first request was still on its way.
            return _act_or_look(act, look, refusal)


def _act_or_look(
    act: Callable[[], Image], look: Callable[[], Image | None], refusal: type[ApiException]
) -> Image:
    try:
        return act()
    except refusal:
        if (found := look()) is None:
            raise
        return found


def _seen(images: Images, image: Image, project: ProjectRef | None, options: RequestOptions) -> Image | None:
    """Return the image as it is now if it has its name in that place, else None."""
    found = _look(partial(images.image_view, image.name, project, **options))
    return found if found is not None and found.id == image.id else None


def _check_project(images: Images, project: ProjectRef | None, options: RequestOptions) -> None:
    """Raise `NotFoundException` if there is no such project, or the user may not see it."""
    if project is not None:
        images.image_list(limit=1, project=project, **options)


def _look(view: Callable[[], Image]) -> Image | None:
    try:
        return view()
    except NotFoundException:
        return None


@contextmanager
def _going_on_after(earlier: ApiException, done: str) -> Iterator[None]:
    """Let what fails now say that an earlier request may have acted."""
    try:
        yield
    except ApiException as error:
        error.attempts = (*earlier.attempts, *error.attempts)
        error._repeatable = False
        error.hint = f"an earlier attempt may have {done} the image"
        if error.outcome == "not sent":
            error.outcome = "unknown"
        raise
