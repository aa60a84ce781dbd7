"""Keeps the state in SQLite, with the rules that the real service's database enforces."""

from os import PathLike

from oxide.testing._store.database import Database, NameTaken
from oxide.testing._store.disks import DiskRow, Disks, SnapshotRow, Snapshots
from oxide.testing._store.images import ImageRow, Images, new_image
from oxide.testing._store.users import Projects, Users
from oxide.testing._store.volumes import Volumes

__all__ = ["DiskRow", "ImageRow", "NameTaken", "SnapshotRow", "Store", "new_image"]


class Store(Database):
    """One database, with an attribute for each kind of thing that it keeps."""

    def __init__(self, path: str | PathLike[str] | None):
        super().__init__(path)
        self.users = Users(self)
        self.projects = Projects(self)
        self.images = Images(self)
        self.disks = Disks(self)
        self.snapshots = Snapshots(self)
        self.volumes = Volumes(self)
