"""Reads the peak memory use of this process."""

from pathlib import Path


def peak_mebibytes() -> float:
    """Return the peak of resident memory since the program began; only on Linux."""
    # Not `ru_maxrss`, which begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
