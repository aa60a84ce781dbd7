"""Creates an image exactly once, even after failures."""

from collections.abc import Callable
from typing import Final

from oxide.exceptions import ApiException, NotFoundException, ObjectAlreadyExists
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate

_COMPARED: Final = ("description", "os", "version")
# Sent by a gateway, which does not know what the server did.
_GATEWAY_STATUSES: Final = frozenset({502, 503, 504})


def ensure_image(wanted: ImageCreate, view: Callable[[], Image], create: Callable[[], Image]) -> Image:
    """Return the image that `view` finds, if it agrees with `wanted`, else the one that `create` makes.

    Names are unique, so `create` may be called again if its first outcome is unknown: if the server is still working on
    the first request, it refuses the slower of the two.
    """
    if (found := _look(view)) is not None:
        return _agreeing(found, wanted)
    try:
        return create()
    except ObjectAlreadyExists as error:
        refusal = error
    except ApiException as error:
        if not _may_have_acted(error):
            raise
        try:
            if (found := _look(view)) is None:
                return create()
        except ObjectAlreadyExists as again:
            refusal = again
        except ApiException as again:
            again.hint = "an earlier attempt may have created the image"
            if again.outcome == "not sent":
                again.outcome = "unknown"
            raise
        else:
            return _agreeing(found, wanted)
    if (found := _look(view)) is None:
        # Deleted in the meantime, or not visible to this user.
        raise refusal
    return _agreeing(found, wanted)


def _look(view: Callable[[], Image]) -> Image | None:
    try:
        return view()
    except NotFoundException:
        return None


def _may_have_acted(error: ApiException) -> bool:
    if error.outcome == "unknown" or error.status in _GATEWAY_STATUSES:
        return True
    return error.status is not None and 200 <= error.status < 300


def _agreeing(found: Image, wanted: ImageCreate) -> Image:
    for field in _COMPARED:
        ours, theirs = getattr(wanted, field), getattr(found, field)
        if ours != theirs:
            raise ObjectAlreadyExists(
                error_code=ObjectAlreadyExists.__name__,
                message=f"image {found.name!r} exists with a different {field}: {theirs!r} instead of {ours!r}",
                operation="image_ensure",
            )
    return found
