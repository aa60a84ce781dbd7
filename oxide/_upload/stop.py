"""The private exception that ends an upload; `upload` adds the step and what is left, as an `UploadError`."""


class Stop(Exception):  # noqa: N818 - it never leaves the package
    """The upload cannot go on.

    Attributes:
        hopeless: whether going on by the journal would end in the same way.
    """

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless
