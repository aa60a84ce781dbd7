"""Typed, synchronous Python client for the images part of the Oxide API.

Names are imported on first use, so `import oxide` alone costs next to nothing.
"""

from typing import TYPE_CHECKING

from oxide._version import __version__ as __version__

__all__ = [
    "ApiAttributeError",
    "ApiClient",
    "ApiConnectionError",
    "ApiException",
    "ApiKeyError",
    "ApiResponse",
    "ApiResponseError",
    "ApiTimeoutError",
    "ApiTypeError",
    "ApiValueError",
    "Attempt",
    "BadRequestException",
    "BlockSize",
    "Configuration",
    "ConfigurationError",
    "ConflictException",
    "Digest",
    "DigestType",
    "Error",
    "ForbiddenException",
    "Image",
    "ImageCreate",
    "ImagePager",
    "ImageResultsPage",
    "ImageSource",
    "ImagesApi",
    "Leftover",
    "NameOrId",
    "NameOrIdSortMode",
    "NotFoundException",
    "ObjectAlreadyExists",
    "OpenApiException",
    "RESTResponse",
    "RedirectException",
    "RequestOptions",
    "ServiceException",
    "TooManyRequestsException",
    "UnauthorizedException",
    "UnprocessableEntityException",
    "UploadError",
    "UploadProgress",
]

if TYPE_CHECKING:
    from oxide import api as api
    from oxide import api_client as api_client
    from oxide import api_response as api_response
    from oxide import configuration as configuration
    from oxide import exceptions as exceptions
    from oxide import models as models
    from oxide import rest as rest
    from oxide._attempt import Attempt
    from oxide._call.options import RequestOptions
    from oxide._transport.response import RESTResponse
    from oxide._upload.leftover import Leftover
    from oxide._upload.progress import UploadProgress
    from oxide.api._pager import ImagePager
    from oxide.api.images_api import ImagesApi
    from oxide.api_client import ApiClient
    from oxide.api_response import ApiResponse
    from oxide.configuration import Configuration
    from oxide.exceptions import (
        ApiAttributeError,
        ApiConnectionError,
        ApiException,
        ApiKeyError,
        ApiResponseError,
        ApiTimeoutError,
        ApiTypeError,
        ApiValueError,
        BadRequestException,
        ConfigurationError,
        ConflictException,
        ForbiddenException,
        NotFoundException,
        ObjectAlreadyExists,
        OpenApiException,
        RedirectException,
        ServiceException,
        TooManyRequestsException,
        UnauthorizedException,
        UnprocessableEntityException,
        UploadError,
    )
    from oxide.models.block_size import BlockSize
    from oxide.models.digest import Digest, DigestType
    from oxide.models.error import Error
    from oxide.models.image import Image
    from oxide.models.image_create import ImageCreate
    from oxide.models.image_results_page import ImageResultsPage
    from oxide.models.image_source import ImageSource
    from oxide.models.name_or_id import NameOrId
    from oxide.models.name_or_id_sort_mode import NameOrIdSortMode
else:
    from importlib import import_module

    # Where each public name is defined; a test checks that this agrees with the imports above.
    _HOMES = {
        "ApiClient": "api_client",
        "ApiResponse": "api_response",
        "Attempt": "_attempt",
        "BlockSize": "models.block_size",
        "Configuration": "configuration",
        "Digest": "models.digest",
        "DigestType": "models.digest",
        "Error": "models.error",
        "Image": "models.image",
        "ImageCreate": "models.image_create",
        "ImagePager": "api._pager",
        "ImageResultsPage": "models.image_results_page",
        "ImageSource": "models.image_source",
        "ImagesApi": "api.images_api",
        "Leftover": "_upload.leftover",
        "NameOrId": "models.name_or_id",
        "NameOrIdSortMode": "models.name_or_id_sort_mode",
        "RESTResponse": "_transport.response",
        "RequestOptions": "_call.options",
        "UploadProgress": "_upload.progress",
    }
    _MODULES = {"api", "api_client", "api_response", "configuration", "exceptions", "models", "rest"}

    def __getattr__(name):
        if name in _MODULES:
            return import_module(f"oxide.{name}")
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"oxide.{_HOMES.get(name, 'exceptions')}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return __all__
