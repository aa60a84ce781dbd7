"""The wire contract of the six operations."""

from oxide._call.operation import Operation
from oxide.models.image import Image
from oxide.models.image_create import ImageCreate
from oxide.models.image_results_page import ImageResultsPage

_PAGE = ("limit", "page_token", "project", "sort_by")
_PROJECT = ("project",)
_NOTHING = type(None)

IMAGE_CREATE = Operation("image_create", "POST", "/v1/images", _PROJECT, (), ImageCreate, Image)
IMAGE_DELETE = Operation("image_delete", "DELETE", "/v1/images/{image}", _PROJECT, (), None, _NOTHING)
IMAGE_DEMOTE = Operation("image_demote", "POST", "/v1/images/{image}/demote", _PROJECT, _PROJECT, None, Image)
IMAGE_LIST = Operation("image_list", "GET", "/v1/images", _PAGE, (), None, ImageResultsPage)
IMAGE_PROMOTE = Operation("image_promote", "POST", "/v1/images/{image}/promote", _PROJECT, (), None, Image)
IMAGE_VIEW = Operation("image_view", "GET", "/v1/images/{image}", _PROJECT, (), None, Image)

OPERATIONS = (IMAGE_CREATE, IMAGE_DELETE, IMAGE_DEMOTE, IMAGE_LIST, IMAGE_PROMOTE, IMAGE_VIEW)
