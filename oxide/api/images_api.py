"""The images of a silo: six operations, each in three forms, and helpers on top of them.

The plain form returns the result. `…_with_http_info` returns it in an `ApiResponse`, with status, headers and body.
`…_without_preload_content` returns the answer itself, whatever its status, with its body still unread: close it, or
use it as a context manager. All three take the same arguments and raise

- `ApiTypeError` or `ApiValueError` for an argument that the server would refuse, before anything is sent;
- `ApiException` or a subclass for a call that failed (`…_without_preload_content`: only if there was no answer).

Every method also takes `_request_timeout`, `_request_auth` and `_headers` for that call: see `RequestOptions`.
"""

from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import Unpack

from oxide import _operations as op
from oxide._call.options import RequestOptions, check_options, mask_options
from oxide._traceback import ends_here, leads_on
from oxide._uploading import UploadProgress
from oxide.api._arguments import DiskFile, ImageRef, NewImage, ProjectRef, SortMode
from oxide.api._base import Api, with_http_info, without_preload_content
from oxide.api._ensure import ensure_absent, ensure_image, ensure_location
from oxide.api._pager import ImagePager
from oxide.models.image import Image
from oxide.models.image_results_page import ImageResultsPage

__all__ = ["DiskFile", "ImageRef", "ImagesApi", "NewImage", "ProjectRef", "SortMode"]


class ImagesApi(Api):
    """The images of the silo that the token belongs to.

    An image belongs to a project, or to the silo as a whole; promoting and demoting move it between the two. Images
    and projects are given by name or by ID; text that spells a UUID is an ID. An `Image` can replace its ID.

    Args:
        api_client: sends the calls; None takes `ApiClient.get_default()`.
    """

    def image_create(
        self, image_create: NewImage, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Create an image from a snapshot, and return it once it exists: `POST /v1/images`.

        Its size and block size are those of the snapshot. **Without `project` it becomes an image of the whole silo**,
        visible in every project. With `project`, the snapshot must belong to that project.

        Creating it twice raises `ObjectAlreadyExists`. So does trying again after an `ApiTimeoutError` whose `outcome`
        is `unknown`, if the server finished the first request, which it does even when nobody waits.

        Args:
            image_create: the image to create; a dict of the same form will do.
            project: the project to create it in; None for the silo.
            **options: see `RequestOptions`.

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
        """Delete an image for good: `DELETE /v1/images/{image}`.

        Instances and disks made from it keep working; new ones cannot be made. Its name is free at once. Deleting it
        again raises `NotFoundException`.

        Args:
            image: the image. By ID it may be one of a project or of the silo; by name it is one of `project`, or
                without `project` one of the silo.
            project: the project of an image given by name; with an ID the server refuses it.
            **options: see `RequestOptions`.

        Raises:
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not delete it (403).
            BadRequestException: both an ID and a project were given (400).
        """
        return self._call(op.IMAGE_DELETE, options, {"image": image, "project": project})

    image_delete_with_http_info = with_http_info(image_delete)
    image_delete_without_preload_content = without_preload_content(image_delete)

    def image_demote(self, image: ImageRef, project: ProjectRef, **options: Unpack[RequestOptions]) -> Image:
        """Move an image of the silo into a project, so that only that project sees it: `POST …/{image}/demote`.

        The answer is the image as it is now; there is nothing to wait for.

        Args:
            image: an image of the silo; `project` is not used to find it, so an ID and a project go together here.
            project: the project to move it to, which need not be the one it came from.
            **options: see `RequestOptions`.

        Raises:
            BadRequestException: the ID is that of a project's image (400).
            ObjectAlreadyExists: the project has an image of that name (400).
            NotFoundException: the silo has no such image, or there is no such project (404).
            ForbiddenException: the user may not change the silo's images (403).
        """
        return self._call(op.IMAGE_DEMOTE, options, {"image": image, "project": project})

    image_demote_with_http_info = with_http_info(image_demote)
    image_demote_without_preload_content = without_preload_content(image_demote)

    def image_ensure(
        self, image_create: NewImage, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Return the image of that name if description, os and version agree (its snapshot is not known), or create it.

        Safe to run again and again, even after an unknown outcome: it then looks, and tries once more to create the
        image if it does not exist. An existing image may have been made from another snapshot, with another size: the
        server does not say.

        Args:
            image_create: the image to find or create; a dict of the same form will do.
            project: the project to look and create in; None for the silo.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Raises:
            ObjectAlreadyExists: an image of that name exists and differs; the message names the field.
            ApiException: as for `image_view` and `image_create`.
        """
        mask_options(options)
        with leads_on:
            return ensure_image(self, image_create, project, options)

    def image_ensure_absent(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> bool:
        """Delete an image if there is one, so that it is gone afterwards.

        Safe to run again and again, even after an unknown outcome: it then looks, and tries once more if the image is
        still there. An image that is given by name is looked up first and then deleted by its ID, so that no other
        image that takes the name meanwhile is deleted. That takes a role on the silo: a user with one on the project
        alone gets `NotFoundException` with a hint, and can use `image_delete`.

        Args:
            image: the image, as for `image_delete`.
            project: the project of an image given by name; None for the silo.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Raises:
            NotFoundException: there is no such project, or the user may not see it, so nobody knows whether the image
                is gone; or see above.
            ApiException: as for `image_view` and `image_delete`.
        """
        mask_options(options)
        with leads_on:
            return ensure_absent(self, image, project, options)

    def image_ensure_location(
        self,
        image: ImageRef,
        project: ProjectRef | None = None,
        *,
        source: ProjectRef | None = None,
        **options: Unpack[RequestOptions],
    ) -> Image:
        """Move an image to a project, or to the silo, unless it is there already, by promoting and demoting it.

        Safe to run again and again, even after an unknown outcome or an interruption: it then looks, and goes on from
        where the image is. Nothing is moved if another image in `project` has the same name. From one project to
        another an image goes through the silo; if it cannot leave that, the error says so.

        Args:
            image: the image: itself, its ID, or its name together with `source`.
            project: where it is to be; None for the silo.
            source: the project in which an image given by name is; None for the silo. If it has none of that name, an
                earlier run may have moved it: then it is looked for in `project`, and after that in the silo. Give an
                `Image` or an ID where the silo may have another image of that name.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Raises:
            ObjectAlreadyExists: another image in `project`, or in the silo, has that name.
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not change the silo's images (403).
            ApiException: as for `image_view`, `image_promote` and `image_demote`.
        """
        mask_options(options)
        with leads_on:
            return ensure_location(self, image, project, source, options)

    def image_list(
        self,
        limit: int | None = None,
        page_token: str | None = None,
        project: ProjectRef | None = None,
        sort_by: SortMode | None = None,
        **options: Unpack[RequestOptions],
    ) -> ImageResultsPage:
        """List one page of the images of a project, or of the silo: `GET /v1/images`.

        The two never mix: a project's listing has none of the silo's images. They are sorted by name unless `sort_by`
        says otherwise; Oxide's own description promises the newest first, but its server does not do that. Every page
        with an image on it has a `next_page`, even the last, so a listing ends with an empty page; `image_list_iter`
        takes care of that.

        Args:
            limit: the maximum number of images, from 1; None means 100, and the server sends at most 10,000.
            page_token: the `next_page` of the previous page. It includes scope and order, so the server then ignores
                `project` and `sort_by`.
            project: the project whose images to list; None for the silo's.
            sort_by: the order; a `NameOrIdSortMode` or its text.
            **options: see `RequestOptions`.

        Raises:
            NotFoundException: there is no such project, or the user may not see it (404).
            ForbiddenException: the user may not list the silo's images (403).
            BadRequestException: the page token did not come from the server (400).
        """
        arguments = {"limit": limit, "page_token": page_token, "project": project, "sort_by": sort_by}
        return self._call(op.IMAGE_LIST, options, arguments)

    image_list_with_http_info = with_http_info(image_list)
    image_list_without_preload_content = without_preload_content(image_list)

    def image_list_iter(
        self,
        project: ProjectRef | None = None,
        sort_by: SortMode | None = None,
        limit: int | None = None,
        page_token: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> ImagePager:
        """Return an iterator over all images of a project, or of the silo, which fetches pages as needed.

        Nothing is fetched until the first image is asked for. An image created behind the current position is missed;
        one deleted in the meantime does no harm.

        Args:
            project: the project whose images to list; None for the silo's.
            sort_by: the order, as for `image_list`.
            limit: how many images to fetch at a time, as for `image_list`; None lets the server choose for the first
                page (100), so that it comes soon, and fetches 1,000 at a time from then on.
            page_token: where to resume: the `page_token` of an earlier pager. It then determines project and order.
            **options: see `RequestOptions`; they apply to each page.
        """
        mask_options(options)
        with ends_here:
            # Now rather than with the first page, so that the mistake is where it was made.
            check_options(op.IMAGE_LIST, options)
            arguments = {"limit": limit, "page_token": page_token, "project": project, "sort_by": sort_by}
            op.IMAGE_LIST.target(arguments)

        def fetch(token: str | None, limit: int | None) -> ImageResultsPage:
            # The token determines project and order; the server would ignore the parameters.
            if token is not None:
                return self.image_list(limit=limit, page_token=token, **options)
            return self.image_list(limit=limit, project=project, sort_by=sort_by, **options)

        return ImagePager(fetch, op.IMAGE_LIST.id, page_token, limit)

    def image_promote(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Move an image of a project to the silo, so that every project sees it: `POST …/{image}/promote`.

        It leaves the project's own listing. The answer is the image as it is now; there is nothing to wait for.

        Args:
            image: an image of a project: its ID, or its name together with `project`.
            project: the project of an image given by name; with an ID the server refuses it.
            **options: see `RequestOptions`.

        Raises:
            BadRequestException: the image is already in the silo, or a name was given without a project, or an ID
                with one (400).
            ObjectAlreadyExists: the silo has an image of that name (400).
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not change the silo's images (403).
        """
        return self._call(op.IMAGE_PROMOTE, options, {"image": image, "project": project})

    image_promote_with_http_info = with_http_info(image_promote)
    image_promote_without_preload_content = without_preload_content(image_promote)

    def image_upload(
        self,
        file: DiskFile,
        project: ProjectRef,
        *,
        name: str,
        os: str,
        version: str,
        description: str = "",
        block_size: int | None = None,
        sha256: str | None = None,
        size: int | None = None,
        journal: str | PathLike[str] | None = None,
        workers: int = 8,
        progress: Callable[[UploadProgress], object] | bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> Image:
        """Make an image of a disk file: check, create a disk, upload, finalize, create the image, and clean up.

        The file is a raw disk, as it is or compressed with gzip, xz, bzip2 or zstd; its first bytes tell, not its name.
        Zeros are not sent, and holes of a sparse file are not read. The image is that of `project`; `image_promote`
        makes it one of the silo.

        Safe to run again: an image of that name with the same description, os, version, size and block size is
        returned, and nothing is uploaded. What an upload makes on the way, it removes, whether it succeeds, fails or
        is interrupted, and nothing else; but with a `journal`, an interrupted upload stays, and the same call goes on.

        Args:
            file: a path, or a file object opened in binary mode, which is read from its position on. One that can be
                read only once needs `size`.
            project: the project to make the image in.
            name: the image's name, as in `ImageCreate`.
            os: the family of its operating system.
            version: the version of its operating system.
            description: free text.
            block_size: 512, 2048 or 4096 bytes; None takes that of the partition table, else 512.
            sha256: the SHA-256 that the file should have as it lies there, in hexadecimal. If it has another one, it
                does not become an image.
            size: the bytes of the decoded content, for a file object that can be read only once.
            journal: a file that remembers what has arrived, so that the same call goes on after an interruption, in
                another process too. It is deleted at the end.
            workers: how many requests to send at a time.
            progress: is called with an `UploadProgress`, at most some ten times a second; True draws a bar on
                standard error, for which the extra `oxide[upload]` is needed. What it raises ends the upload.
            **options: see `RequestOptions`; they apply to each of the calls made. A chunk has 60 seconds, everything
                else the configuration's `timeout`, unless `_request_timeout` says otherwise.

        Raises:
            ApiValueError: the file or an argument cannot be used; nothing was sent.
            ObjectAlreadyExists: an image of that name exists and differs; the message names the field.
            NotFoundException: there is no such project, or the user may not see it.
            ForbiddenException: the user may not create disks there.
            UploadError: anything else that failed: it names the step, and what is still on the rack.
        """
        mask_options(options)
        with ends_here:
            from oxide._upload.arguments import checked_arguments
            from oxide._upload.opening import opened

            arguments = checked_arguments(
                project,
                name=name,
                os=os,
                version=version,
                description=description,
                block_size=block_size,
                sha256=sha256,
                size=size,
                workers=workers,
            )
            with opened(
                self.api_client,
                file,
                arguments,
                journal=journal,
                progress=progress,
                ensure=partial(self.image_ensure, project=project, **options),
                options=options,
            ) as upload:
                return upload.run()

    def image_view(
        self, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> Image:
        """Fetch one image: `GET /v1/images/{image}`.

        Args:
            image: the image. By ID it may be one of a project or of the silo; by name it is one of `project`, or
                without `project` one of the silo.
            project: the project of an image given by name; with an ID the server refuses it.
            **options: see `RequestOptions`.

        Raises:
            NotFoundException: there is no such image or project, or the user may not see it (404).
            BadRequestException: both an ID and a project were given (400).
        """
        return self._call(op.IMAGE_VIEW, options, {"image": image, "project": project})

    image_view_with_http_info = with_http_info(image_view)
    image_view_without_preload_content = without_preload_content(image_view)
