"""The models: one module per schema of the API."""

from oxide.models._model import Model
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
    """Build every validator of this package now, rather than when it is first needed."""
    waiting: list[type[Model]] = [Model]
    for model in waiting:
        # A program's own subclass may refer to what does not exist yet.
        if model.__module__.startswith(__name__):
            model.model_rebuild()
            waiting += model.__subclasses__()


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
