"""The pager: an iterator over everything in a listing, which fetches page after page."""

from collections.abc import Callable, Iterator, Sequence
from threading import RLock
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from typing_extensions import override

from oxide._call.encoding import shown
from oxide._identifiers import PAGE_TOKEN_MAX_BYTES
from oxide._traceback import leads_on_unseen
from oxide.exceptions import ApiResponseError, ApiValueError
from oxide.models.image import Image
from oxide.models.image_results_page import ImageResultsPage

# What a page after the first asks for unless the caller says otherwise: a tenth of the requests that the server's own
# 100 would take, and still a fraction of a second.
FOLLOWING_LIMIT: Final = 1000
T = TypeVar("T")


class Page(Protocol):
    """What a page of any listing has."""

    @property
    def items(self) -> Sequence[Any]: ...
    @property
    def next_page(self) -> str | None: ...


PageT = TypeVar("PageT", bound=Page)


class Pager(Iterator[T], Generic[T, PageT]):
    """The items of a listing, fetched a page at a time as they are needed. It can be iterated once.

    The listing ends only where the server sends no token for a next page: it sends one with every page that has an
    item on it. A page is released before the next one is fetched. If fetching a page fails, the next attempt fetches
    that page again. Threads may share a pager: each item goes to one of them.
    """

    def __init__(
        self,
        fetch: Callable[[str | None, int | None], PageT],
        operation: str,
        page_token: str | None = None,
        limit: int | None = None,
    ) -> None:
        self._fetch, self._operation, self._limit = fetch, operation, limit
        self._page_token = self._following = page_token
        self._items: Iterator[T] = iter(())
        self._fetched = 0
        # Hashes, since a million tokens would take more memory than a page.
        self._seen: set[int] = set()
        self._lock = RLock()
        self._is_fetching = False

    @property
    def page_token(self) -> str | None:
        """The token that fetches the page of the latest item; None for the first page.

        Store it to resume: passed as `page_token` to a new pager, it repeats at most that page, and misses nothing.
        """
        return self._page_token

    def pages(self) -> Iterator[PageT]:
        """Return the pages that are left, instead of the items on them; the last one is empty."""
        return _Pages(self)

    @override
    def __repr__(self) -> str:
        pages = "1 page" if self._fetched == 1 else f"{self._fetched} pages"
        return f"<{type(self).__name__}, an iterator: {pages} fetched, page_token={shown(self.page_token)}>"

    @override
    def __iter__(self) -> Self:
        return self

    @override
    def __next__(self) -> T:
        while True:
            # Without the lock, which would cost more than the rest: no two threads get the same from a list's iterator.
            items = self._items
            for item in items:
                return item
            with self._lock:
                if self._items is items:
                    self._items = iter(self._next_page().items)

    def _next_page(self) -> PageT:
        with leads_on_unseen, self._lock:
            if self._is_fetching:
                raise ApiValueError(
                    "this pager is fetching a page: let greenlets of one thread each have a pager of their own"
                )
            if self._fetched and not self._following:
                raise StopIteration
            self._is_fetching = True
            try:
                return self._fetch_page()
            finally:
                self._is_fetching = False

    def _fetch_page(self) -> PageT:
        token, limit = self._following, self._limit
        if token is not None:
            self._check(token)
        if limit is None and self._fetched:
            limit = FOLLOWING_LIMIT
        self._page_token = token
        page = self._fetch(token, limit)
        if token is not None:
            self._seen.add(hash(token))
        self._fetched += 1
        self._following = page.next_page
        return page

    def _check(self, token: str) -> None:
        # Before it is quoted, which takes many times its size.
        if self._fetched and (size := len(token.encode(errors="replace"))) > PAGE_TOKEN_MAX_BYTES:
            self._refuse(f"has {size} bytes, more than the {PAGE_TOKEN_MAX_BYTES} that a token may have")
        if hash(token) in self._seen:
            self._refuse("leads back to an earlier page")

    def _refuse(self, problem: str) -> None:
        error = ApiResponseError(200, message=f"next_page {problem}", operation=self._operation)
        error._repeatable = True
        raise error


class _Pages(Iterator[PageT]):
    def __init__(self, pager: Pager[Any, PageT]) -> None:
        self._pager = pager

    @override
    def __next__(self) -> PageT:
        return self._pager._next_page()


class ImagePager(Pager[Image, ImageResultsPage]):
    """The images of a listing, fetched a page at a time as they are needed: what `image_list_iter` returns."""
