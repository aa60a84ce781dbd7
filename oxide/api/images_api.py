"""The images of a silo: six operations, each in three forms.

The plain form returns the result. `…_with_http_info` returns it in an `ApiResponse`, with status, headers and body.
`…_without_preload_content` returns the response itself, whatever its status, with its body still unread: close it, or
use it as a context manager. All three take the same arguments and raise

- `ApiTypeError` or `ApiValueError` for an argument that the server would refuse, before anything is sent;
- `ApiException` or a subclass for a call that failed (`…_without_preload_content`: only if there was no response).

Every method also takes `_request_timeout`, `_request_auth` and `_headers` for that call: see `RequestOptions`.
"""

from typing import Unpack

from oxide import _operations as op
from oxide._call.options import RequestOptions
from oxide.api._arguments import ImageRef, NewImage, ProjectRef, SortMode
from oxide.api._base import Api, with_http_info, without_preload_content
from oxide.api._image_helpers import ImageHelpers
from oxide.models.image import Image
from oxide.models.image_results_page import ImageResultsPage

__all__ = ["ImageRef", "ImagesApi", "NewImage", "ProjectRef", "SortMode"]


class ImagesApi(ImageHelpers, Api):
    """The images of the silo that the token belongs to.

    An image belongs to a project, or to the silo as a whole; promoting and demoting move it between the two. Images
    and projects are given by name or by ID; text in the form of a UUID is an ID. An `Image` may be passed for its ID.

    Args:
        api_client: sends the calls; None uses `ApiClient.get_default()`.
    """

    def image_create(
        self, image_create: NewImage, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Create an image from a snapshot, and return it once it exists: `POST /v1/images`.

        Its size and block size are those of the snapshot. **Without `project` it becomes an image of the whole silo**,
        visible in every project. With `project`, the snapshot must belong to that project.

        Creating it twice raises `ObjectAlreadyExists`. So does calling this again after an error with
        `may_have_acted`, if the server has completed the first request, which it does even if nobody waits;
        `image_ensure` handles both.

        ```python
        import os
        from uuid import UUID

        import oxide

        with oxide.ImagesApi.from_environment() as images:
            new = oxide.ImageCreate(
                name="debian-13",
                description="Debian with our settings",
                os="debian",
                version="13",
                source=oxide.ImageSource(id=UUID(os.environ["SNAPSHOT_ID"])),
            )
            image = images.image_create(new, project="my-project")
        ```

        Args:
            image_create: the image to create, or a dict of the same form.
            project: the project to create it in; None for the silo.
            **options: see `RequestOptions`.

        Returns:
            the image as it was created.

        Raises:
            ObjectAlreadyExists: the project, or the silo, has an image of that name (400).
            BadRequestException: the snapshot belongs to another project (400).
            NotFoundException: there is no such snapshot or project, or the user may not see it (404).
            ForbiddenException: the user may not create images there (403).
        """
        return self._call(op.IMAGE_CREATE, options, {"project": project}, image_create)

    image_create_with_http_info = with_http_info(image_create)
    image_create_without_preload_content = without_preload_content(image_create)

    def image_delete(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> None:
        """Delete an image permanently: `DELETE /v1/images/{image}`.

        Instances and disks created from it keep working, but new ones cannot be created. Its name can be reused at
        once. Deleting it again raises `NotFoundException`.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            images.image_delete("alpine-edge", project="my-project")
        ```

        Args:
            image: the image. An ID finds it in any project or in the silo; a name is looked up in `project` or,
                without `project`, in the silo.
            project: the project of an image given by name; leave it out with an ID.
            **options: see `RequestOptions`.

        Returns:
            None; the response has no body.

        Raises:
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not delete it (403).
        """
        return self._call(op.IMAGE_DELETE, options, {"image": image, "project": project})

    image_delete_with_http_info = with_http_info(image_delete)
    image_delete_without_preload_content = without_preload_content(image_delete)

    def image_demote(self, image: ImageRef, project: ProjectRef, **options: Unpack[RequestOptions]) -> Image:
        """Move an image from the silo to a project, so that only that project sees it: `POST …/{image}/demote`.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            image = images.image_demote("ubuntu-24-04", project="my-project")
            print(image.project_id)
        ```

        Args:
            image: an image of the silo; `project` is not used to find it, so pass a project with an ID too.
            project: the project to move it to, which need not be the one it came from.
            **options: see `RequestOptions`.

        Returns:
            the image in its new place; the move is complete.

        Raises:
            BadRequestException: the ID is that of a project's image (400).
            ObjectAlreadyExists: the project has an image of that name (400).
            NotFoundException: the silo has no such image, or there is no such project (404).
            ForbiddenException: the user may not change the silo's images (403).
        """
        return self._call(op.IMAGE_DEMOTE, options, {"image": image, "project": project})

    image_demote_with_http_info = with_http_info(image_demote)
    image_demote_without_preload_content = without_preload_content(image_demote)

    def image_list(
        self,
        limit: int | None = None,
        page_token: str | None = None,
        project: ProjectRef | None = None,
        sort_by: SortMode | None = None,
        **options: Unpack[RequestOptions],
    ) -> ImageResultsPage:
        """List one page of the images of a project, or of the silo: `GET /v1/images`.

        No listing has both: a project's listing has none of the silo's images. Images are sorted by name unless
        `sort_by` says otherwise; Oxide's own description promises the newest first, but its server does not do that.
        Every page with an image on it has a `next_page`, even the last, so a listing ends with an empty page;
        `image_list_iter` takes care of that.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            page = images.image_list(limit=50, project="my-project")
            print([image.name for image in page.items])
        ```

        Args:
            limit: the maximum number of images, from 1; None means 100, and the server sends at most 10,000.
            page_token: the `next_page` of the previous page. It includes scope and order, so the server then ignores
                `project` and `sort_by`.
            project: the project whose images to list; None for the silo's.
            sort_by: the order; a `NameOrIdSortMode` or its text.
            **options: see `RequestOptions`.

        Returns:
            the page: its images in `items`, and the token of the next page in `next_page`.

        Raises:
            NotFoundException: there is no such project, or the user may not see it (404).
            ForbiddenException: the user may not list the silo's images (403).
            BadRequestException: the page token did not come from the server (400).
        """
        arguments = {"limit": limit, "page_token": page_token, "project": project, "sort_by": sort_by}
        return self._call(op.IMAGE_LIST, options, arguments)

    image_list_with_http_info = with_http_info(image_list)
    image_list_without_preload_content = without_preload_content(image_list)

    def image_promote(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Move an image from a project to the silo, so that every project sees it: `POST …/{image}/promote`.

        The image leaves the project's own listing.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            image = images.image_promote("debian-12", project="my-project")
            print(image.project_id)  # None: it belongs to the silo now
        ```

        Args:
            image: an image of a project: its ID, or its name together with `project`.
            project: the project of an image given by name; leave it out with an ID.
            **options: see `RequestOptions`.

        Returns:
            the image in its new place; the move is complete.

        Raises:
            BadRequestException: the image is already in the silo, or a name was given without a project (400).
            ObjectAlreadyExists: the silo has an image of that name (400).
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not change the silo's images (403).
        """
        return self._call(op.IMAGE_PROMOTE, options, {"image": image, "project": project})

    image_promote_with_http_info = with_http_info(image_promote)
    image_promote_without_preload_content = without_preload_content(image_promote)

    def image_view(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Fetch one image: `GET /v1/images/{image}`.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            print(images.image_view("alpine-edge", project="my-project"))
        ```

        Args:
            image: the image. An ID finds it in any project or in the silo; a name is looked up in `project` or,
                without `project`, in the silo.
            project: the project of an image given by name; leave it out with an ID.
            **options: see `RequestOptions`.

        Returns:
            the image.

        Raises:
            NotFoundException: there is no such image or project, or the user may not see it (404).
        """
        return self._call(op.IMAGE_VIEW, options, {"image": image, "project": project})

    image_view_with_http_info = with_http_info(image_view)
    image_view_without_preload_content = without_preload_content(image_view)
