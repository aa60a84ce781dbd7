"""The models: one module per schema of the API."""

from oxide.models.block_size import BlockSize
from oxide.models.digest import Digest, DigestType
from oxide.models.error import Error
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage
from oxide.models.image_source import ImageSource
from oxide.models.name_or_id import NameOrId
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode


def build_models() -> None:
    """Build every validator now, rather than when it is first needed."""
    for model in (Digest, Error, Image, ImageCreate, ImageResultsPage, ImageSource, NameOrId):
        model.model_rebuild()


__all__ = [
    "BlockSize",
    "Digest",
    "DigestType",
    "Error",
    "Image",
    "ImageCreate",
    "ImageResultsPage",
    "ImageSource",
    "NameOrId",
    "NameOrIdSortMode",
]
