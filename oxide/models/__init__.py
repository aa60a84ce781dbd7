"""The models: one module per schema of the API."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oxide.models.block_size import BlockSize as BlockSize
    from oxide.models.digest import Digest as Digest
    from oxide.models.digest import DigestType as DigestType
    from oxide.models.error import Error as Error
    from oxide.models.image import Image as Image
    from oxide.models.image_create import ImageCreate as ImageCreate
    from oxide.models.image_results_page import ImageResultsPage as ImageResultsPage
    from oxide.models.image_source import ImageSource as ImageSource
    from oxide.models.name_or_id import NameOrId as NameOrId
    from oxide.models.name_or_id_sort_mode import NameOrIdSortMode as NameOrIdSortMode
else:
    from oxide._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
    del lazy_names
