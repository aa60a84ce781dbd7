"""The types of the arguments of API methods, such as `ImageRef`: an image, its name or its ID."""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.name_or_id import NameOrId
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode

ProjectRef: TypeAlias = NameOrId | str | UUID
ImageRef: TypeAlias = Image | NameOrId | str | UUID
NewImage: TypeAlias = ImageCreate | Mapping[str, Any]
SortMode: TypeAlias = NameOrIdSortMode | str
