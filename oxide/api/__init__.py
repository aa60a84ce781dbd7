"""The APIs: one module per group of operations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oxide.api._pager import ImagePager as ImagePager
    from oxide.api.images_api import ImagesApi as ImagesApi
else:
    from oxide._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
    del lazy_names
