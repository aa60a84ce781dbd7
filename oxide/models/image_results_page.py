"""The `ImageResultsPage` of a listing."""

from typing import TYPE_CHECKING, Annotated

from pydantic import FailFast

from oxide.models._model import ResponseModel
from oxide.models.image import Image


class ImageResultsPage(ResponseModel):
    """One page of a listing.

    Attributes:
        items: the images, in the requested order.
        next_page: the `page_token` of the next page. The server sends one with every page that has
            an image on it, even the last; only an empty page ends the listing.
    """

    # FailFast: a page full of wrong items must not cost an error object for each.
    items: Annotated[list[Image], FailFast()]
    next_page: str | None = None

    # Type checkers object to a loop over a page; pydantic would give the fields.
    if TYPE_CHECKING:
        __iter__: None  # type: ignore[assignment]  # what pydantic's own is
    else:

        def __iter__(self):
            raise TypeError(
                "an ImageResultsPage is not iterable: its images are in .items, and image_list_iter() goes through "
                "the images of all pages"
            )
