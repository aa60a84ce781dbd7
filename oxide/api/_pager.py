"""The pager: all images of a listing, page by page, by the server's rules."""

from collections.abc import Callable, Iterator
from typing import Self

from oxide.exceptions import ApiResponseError
from oxide.models.image import Image
from oxide.models.image_results_page import ImageResultsPage


class ImagePager(Iterator[Image]):
    """The images of a listing, fetched a page at a time as they are needed. It can be iterated once.

    The listing ends only where the server sends no token for a next page: it sends one with every page that has an
    image on it. A page is released before the next one is fetched. If fetching a page fails, the next attempt fetches
    that page again.
    """

    def __init__(self, fetch: Callable[[str | None], ImageResultsPage], page_token: str | None) -> None:
        self._pages = _Pages(fetch, page_token)
        self._items: Iterator[Image] = iter(())

    @property
    def page_token(self) -> str | None:
        """The token that fetches the page of the latest image; None for the first page.

        Store it to resume: `image_list_iter(page_token=…)` then repeats at most that page, and misses nothing.
        """
        return self._pages.page_token

    def pages(self) -> Iterator[ImageResultsPage]:
        """Return the pages that are left, instead of the images on them; the last one is empty."""
        return self._pages

    def __repr__(self) -> str:
        return f"<ImagePager, an iterator, at page_token={self.page_token!r}>"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Image:
        while True:
            for image in self._items:
                return image
            self._items = iter(next(self._pages).items)


class _Pages(Iterator[ImageResultsPage]):
    def __init__(self, fetch: Callable[[str | None], ImageResultsPage], page_token: str | None) -> None:
        self._fetch = fetch
        self.page_token = page_token
        self._following: str | None = page_token
        self._started = False
        # A server that goes round in circles is detected by Brent's algorithm, keeping one token.
        self._kept: str | None = None
        self._since, self._span = 0, 1

    def __next__(self) -> ImageResultsPage:
        if self._started and self._following is None:
            raise StopIteration
        if self._started and self._following in {"", self._kept}:
            problem = "leads back to an earlier page" if self._following else "is empty"
            message = f"next_page {problem}"
            raise ApiResponseError(200, message, operation="image_list")
        self.page_token = self._following
        page = self._fetch(self.page_token)
        if self._started:
            self._since += 1
            if self._since == self._span:
                self._kept, self._since, self._span = self.page_token, 0, 2 * self._span
        self._started = True
        self._following = page.next_page
        if self._following == self.page_token is not None:
            self._kept = self.page_token
        return page
