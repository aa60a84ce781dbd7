"""The private exception that ends an upload; `ending` makes an `UploadError` of it."""


class Stop(Exception):  # noqa: N818 - it never leaves the package
    """The upload cannot go on.

    Attributes:
        hopeless: whether an upload that the journal resumes would fail in the same way.
    """

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless
