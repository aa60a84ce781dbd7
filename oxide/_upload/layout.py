"""Finds the block size that a disk was made for, in its partition table or its ISO 9660 file system."""

from typing import Final, NamedTuple

BLOCK_SIZES: Final = (512, 2048, 4096)
DEFAULT_BLOCK_SIZE: Final = 512

_GPT: Final = b"EFI PART"  # at the beginning of the second block
_ISO: Final = (b"CD001", 0x8001, 2048)
_MBR: Final = (b"\x55\xaa", 510)


class Layout(NamedTuple):
    """What the beginning of a disk says.

    Attributes:
        kind: what was found, or None.
        block_size: the block size that it was made for, or None if it does not say.
    """

    kind: str | None
    block_size: int | None


def layout_of(head: bytes) -> Layout:
    """Return what the first 64 KiB of a disk say."""
    for size in BLOCK_SIZES:
        # A hybrid image has both; firmware reads the partition table.
        if head.startswith(_GPT, size):
            return Layout("GPT", size)
    magic, offset, size = _ISO
    if head.startswith(magic, offset):
        return Layout("ISO 9660", size)
    return Layout("MBR" if head.startswith(*_MBR) else None, None)


def choose_block_size(layout: Layout, wanted: int | None) -> tuple[int, str | None]:
    """Return the block size to use, and a warning about it or None."""
    size = wanted or layout.block_size or DEFAULT_BLOCK_SIZE
    if layout.kind is None:
        return size, "there is no partition table and no ISO 9660 file system in it: it may not boot"
    if layout.block_size not in {None, size}:
        return (
            size,
            f"block_size is {size}, but its {layout.kind} was made for {layout.block_size}: it may not boot",
        )
    return size, None
