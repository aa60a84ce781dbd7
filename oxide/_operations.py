"""The table of API operations, a row each: method, path, parameters, body, result; a new operation starts here."""

from typing import Final

from oxide._call.encoding import identifier, identifier_or, member_of, page_token, project_of, whole_number
from oxide._call.operation import Operation
from oxide.models._snapshot import Snapshot
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage
from oxide.models.name_or_id_sort_mode import NameOrIdSortMode

MAX_LIMIT: Final = 2**32 - 1
_NOTHING: Final = type(None)
_PROJECT: Final = {"project": identifier}
_image = identifier_or(Image)
_IMAGE: Final = {"image": _image, "project": project_of("image", _image)}
# The project of a demotion is where the image goes, not where it is looked up.
_IMAGE_AND_TARGET: Final = {"image": _image, "project": identifier}
_PAGE: Final = {
    "limit": whole_number(1, MAX_LIMIT),
    "page_token": page_token,
    "project": identifier,
    "sort_by": member_of(NameOrIdSortMode),
}
_SNAPSHOT: Final = {"snapshot": identifier, "project": project_of("snapshot", identifier)}

IMAGE_CREATE: Final = Operation("image_create", "POST", "/v1/images", _PROJECT, Image, body=ImageCreate)
IMAGE_DELETE: Final = Operation("image_delete", "DELETE", "/v1/images/{image}", _IMAGE, _NOTHING)
IMAGE_DEMOTE: Final = Operation(
    "image_demote",
    "POST",
    "/v1/images/{image}/demote",
    _IMAGE_AND_TARGET,
    Image,
    required=("project",),
    role_on_silo=True,
)
IMAGE_LIST: Final = Operation("image_list", "GET", "/v1/images", _PAGE, ImageResultsPage)
IMAGE_PROMOTE: Final = Operation(
    "image_promote", "POST", "/v1/images/{image}/promote", _IMAGE, Image, role_on_silo=True
)
IMAGE_VIEW: Final = Operation("image_view", "GET", "/v1/images/{image}", _IMAGE, Image)

# Those with a public method.
OPERATIONS: Final = (IMAGE_CREATE, IMAGE_DELETE, IMAGE_DEMOTE, IMAGE_LIST, IMAGE_PROMOTE, IMAGE_VIEW)

SNAPSHOT_VIEW: Final = Operation("snapshot_view", "GET", "/v1/snapshots/{snapshot}", _SNAPSHOT, Snapshot)
