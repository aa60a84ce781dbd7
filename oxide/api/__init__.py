"""The APIs: one module per group of operations."""

from oxide.api.images_api import ImagesApi

__all__ = ["ImagesApi"]
