"""Limits the size of disks and snapshots: by the silo's quota, and by the room on the rack."""

from typing import Any, Final

from oxide.testing._bodies import BYTE_COUNT_MAX
from oxide.testing._errors import ApiError
from oxide.testing._roles import Actor
from oxide.testing._service.access import authenticated
from oxide.testing._store import Store

QUOTA: Final = "quota"
SPACE: Final = "space"


def utilization_view(store: Store, actor: Actor | None) -> dict[str, Any]:
    """Return how much the silo may use and how much it uses; any of its users may ask."""
    authenticated(actor)
    quota = store.number(QUOTA)
    return {
        "capacity": {"cpus": 0, "memory": 0, "storage": BYTE_COUNT_MAX if quota is None else quota},
        "provisioned": {"cpus": 0, "memory": 0, "storage": min(_provisioned(store), BYTE_COUNT_MAX)},
    }


def check_quota(store: Store, more: int = 0) -> None:
    """Raise the 507 if the disks and snapshots exceed the quota with `more` bytes."""
    quota = store.number(QUOTA)
    if quota is not None and _provisioned(store) + more > quota:
        raise ApiError.insufficient_capacity(
            message="Storage Limit Exceeded: Not enough storage to complete request. Either remove unneeded disks "
            "and snapshots to free up resources or contact the rack operator to request a capacity increase."
        )


def check_space(store: Store, more: int = 0) -> None:
    """Raise the 507 if the disks and snapshots exceed the room on the rack with `more` bytes."""
    space = store.number(SPACE)
    if space is not None and _provisioned(store) + more > space:
        raise ApiError.insufficient_capacity(message="Not enough storage")


def _provisioned(store: Store) -> int:
    # Images take up nothing.
    return store.disks.size() + store.snapshots.size()
