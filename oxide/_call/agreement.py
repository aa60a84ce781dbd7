"""Whether an image that exists is the one that is wanted, which is what lets the helpers run again."""

from collections.abc import Mapping

from oxide.exceptions import ObjectAlreadyExists
from oxide.models.image import Image


def agreeing(image: Image, wanted: Mapping[str, object], operation: str) -> Image:
    """Return `image` if it has the wanted values, else raise `ObjectAlreadyExists`, which names the field."""
    for field, ours in wanted.items():
        theirs = getattr(image, field)
        if theirs != ours:
            raise ObjectAlreadyExists(
                error_code=ObjectAlreadyExists.__name__,
                message=f"image {image.name!r} exists with a different {field}: {theirs!r} instead of {ours!r}",
                operation=operation,
            )
    return image
