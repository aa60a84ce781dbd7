"""The methods of `ImagesApi` beyond the six operations: `image_ensure…`, `image_list_iter`, `image_upload`."""

from functools import partial
from os import PathLike
from typing import Unpack

from oxide import _operations as op
from oxide._call.options import RequestOptions, check_options, mask_options
from oxide._traceback import ends_here, leads_on
from oxide._uploading import ImageFile, ProgressReport
from oxide.api._arguments import ImageRef, NewImage, ProjectRef, SortMode
from oxide.api._ensure import Images, ensure_absent, ensure_image, ensure_location
from oxide.api._pager import ImagePager
from oxide.models.image import Image
from oxide.models.image_results_page import ImageResultsPage


class ImageHelpers:
    """Methods for a class that has the operations on images."""

    def image_ensure(
        self: Images,
        image_create: NewImage,
        project: ProjectRef | None = None,
        **options: Unpack[RequestOptions],
    ) -> Image:
        """Return the image of that name if its description, os and version match; create it if there is none.

        Safe to call again, even after an unknown outcome: it then looks for the image, and creates it once more if it
        does not exist. An existing image may have been created from another snapshot, with another size: the server
        does not say.

        ```python
        import os

        import oxide

        new = {
            "name": "debian-13",
            "description": "Debian with our settings",
            "os": "debian",
            "version": "13",
            "source": {"id": os.environ["SNAPSHOT_ID"]},
        }
        with oxide.ImagesApi.from_environment() as images:
            image = images.image_ensure(new, project="my-project")
        ```

        Args:
            image_create: the image to find or create, or a dict of the same form.
            project: the project to find or create it in; None for the silo.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Returns:
            the image, found or created.

        Raises:
            ObjectAlreadyExists: an image of that name exists and differs; the message names the field.
            ApiException: as for `image_view` and `image_create`.
        """
        mask_options(options)
        with leads_on:
            return ensure_image(self, image_create, project, options)

    def image_ensure_absent(
        self: Images, image: ImageRef, project: ProjectRef | None = None, **options: Unpack[RequestOptions]
    ) -> bool:
        """Delete an image if it exists.

        Safe to call again, even after an unknown outcome: it then looks, and deletes the image once more if it still
        exists. An image given by name is looked up first and then deleted by its ID, so that another image that takes
        the name meanwhile is not deleted. This needs a role on the silo: a user with a role only on the project gets
        `NotFoundException` with a hint, and can use `image_delete`.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            assert images.image_ensure_absent("alpine-edge", project="my-project") is True
            assert images.image_ensure_absent("alpine-edge", project="my-project") is False
        ```

        Args:
            image: the image, as for `image_delete`.
            project: the project of an image given by name; None for the silo.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Returns:
            whether the image existed.

        Raises:
            NotFoundException: the user sees no such project, so it is unknown whether the image is gone; or see above.
            ApiException: as for `image_view` and `image_delete`.
        """
        mask_options(options)
        with leads_on:
            return ensure_absent(self, image, project, options)

    def image_ensure_location(
        self: Images,
        image: ImageRef,
        project: ProjectRef | None = None,
        *,
        source: ProjectRef | None = None,
        **options: Unpack[RequestOptions],
    ) -> Image:
        """Move an image to a project, or to the silo, unless it is there already, by promoting and demoting it.

        Safe to call again, even after an unknown outcome or an interruption: it then looks, and continues from where
        the image is. Nothing is moved if another image in `project` has the same name. Between two projects, an image
        passes through the silo; if it cannot leave the silo, the error says so.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            image = images.image_ensure_location("debian-12", "other-project", source="my-project")
            image = images.image_ensure_location(image)  # and on to the silo
            assert image.project_id is None
        ```

        Args:
            image: an `Image`, an ID, or a name together with `source`.
            project: the destination; None for the silo.
            source: the project that has an image given by name; None for the silo. If `source` has none of that name,
                an earlier call may have moved it: it is then looked up in `project`, and after that in the silo. Pass
                an `Image` or an ID if the silo may have another image of that name.
            **options: see `RequestOptions`; they apply to each of the calls made.

        Returns:
            the image as it is now.

        Raises:
            ObjectAlreadyExists: another image in `project`, or in the silo, has that name.
            NotFoundException: there is no such image or project, or the user may not see it (404).
            ForbiddenException: the user may not change the silo's images (403).
            ApiException: as for `image_view`, `image_promote` and `image_demote`.
        """
        mask_options(options)
        with leads_on:
            return ensure_location(self, image, project, source, options)

    def image_list_iter(
        self: Images,
        project: ProjectRef | None = None,
        sort_by: SortMode | None = None,
        limit: int | None = None,
        page_token: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> ImagePager:
        """Return an iterator over all images of a project, or of the silo, which fetches pages as needed.

        Nothing is fetched until you ask for the first image. An image is missed if it is created before the current
        position; an image that is deleted meanwhile does no harm.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            for image in images.image_list_iter(project="my-project"):
                print(image)
        ```

        Args:
            project: the project whose images to list; None for the silo's.
            sort_by: the order, as for `image_list`.
            limit: how many images to fetch at a time, as for `image_list`; None fetches 100 for the first
                page, the server's default, so that it arrives quickly, and 1,000 for each page after it.
            page_token: where to resume: the `page_token` of an earlier pager. It then determines project and order.
            **options: see `RequestOptions`; they apply to each page.

        Returns:
            the iterator, an `ImagePager`.
        """
        mask_options(options)
        with ends_here:
            # Now rather than with the first page, so that the mistake is where it was made.
            check_options(op.IMAGE_LIST, options)
            arguments = {"limit": limit, "page_token": page_token, "project": project, "sort_by": sort_by}
            op.IMAGE_LIST.target(arguments)

        def fetch(token: str | None, limit: int | None) -> ImageResultsPage:
            # A token determines project and order; the server would ignore the parameters.
            scope = (project, sort_by) if token is None else (None, None)
            return self.image_list(limit, token, *scope, **options)

        return ImagePager(fetch, op.IMAGE_LIST.id, page_token, limit)

    def image_upload(
        self: Images,
        file: ImageFile,
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
        progress: ProgressReport = None,
        **options: Unpack[RequestOptions],
    ) -> Image:
        """Create an image from a disk file: check, create a disk, upload, finalize, create the image, and clean up.

        The file is a raw disk, as it is or compressed with gzip, xz, bzip2 or zstd; its first bytes decide, not its
        name. Zeros are not sent, and holes of a sparse file are not read. The image belongs to `project`;
        `image_promote` moves it to the silo.

        Safe to call again: an image of that name with the same description, os, version, size and block size is
        returned, and nothing is uploaded. Whether an upload succeeds, fails or is interrupted, it removes what it has
        created on the way, and nothing else. With a `journal`, an interrupted upload stays; the same call resumes it.

        ```python
        import oxide

        with oxide.ImagesApi.from_environment() as images:
            image = images.image_upload(
                "debian-13.raw.xz", "my-project", name="debian-13", os="debian", version="13"
            )
        ```

        Args:
            file: a path, or a file object opened in binary mode, which is read from its current position. One
                that can be read only once needs `size`.
            project: the project to create the image in.
            name: the image's name, as in `ImageCreate`.
            os: the family of its operating system.
            version: the version of its operating system.
            description: free text.
            block_size: 512, 2048 or 4096 bytes; None uses the size that the disk was made for, else 512.
            sha256: the expected SHA-256 of the file as it is, compressed or not, in hexadecimal. If it differs, no
                image is created.
            size: the bytes of the decoded content, for a file object that can be read only once.
            journal: a file that records which data has arrived, so that the same call resumes after an interruption,
                in another process too. It is deleted at the end.
            workers: how many requests to send at a time.
            progress: called with an `UploadProgress`, at most about ten times a second; True draws a bar on standard
                error, which needs the extra `oxide[upload]`. An exception that it raises ends the upload.
            **options: see `RequestOptions`; they apply to each of the calls made. The limit is 60 seconds for a chunk,
                and the configuration's `timeout` for any other call, unless `_request_timeout` says otherwise.

        Returns:
            the image, created or found.

        Raises:
            ApiValueError: the file or an argument cannot be used; nothing was sent.
            ObjectAlreadyExists: an image of that name exists and differs; the message names the field.
            NotFoundException: there is no such project, or the user may not see it.
            ForbiddenException: the user may not create disks there.
            UploadError: anything else failed; it names the step, and the objects that are still on the rack.
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
                ensure=partial(ensure_image, self, project=project, options=options),
                options=options,
            ) as upload:
                return upload.run()
