"""An inventory of the images of some projects and of the silo: a CSV file, and sums by operating system.

Usage: inventory.py FILE [PROJECT ...]
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars

import oxide


def rows(images: oxide.ImagesApi, projects: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each image, with the name of its project."""
    for project in (*projects, None):
        for image in images.image_list_iter(project=project):
            yield {"project": project, **image.model_dump(mode="json", exclude={"digest"})}


def main() -> int:
    """Write the file, print the sums, and return the exit status."""
    file, *projects = sys.argv[1:]
    try:
        with oxide.ImagesApi.from_environment(application=("inventory", "1.0")) as images:
            found = list(rows(images, projects))
    except oxide.OpenApiException as error:
        print(f"no inventory: {error}", file=sys.stderr)
        return 1
    columns = ["project", *(name for name in oxide.Image.model_fields if name != "digest")]
    with Path(file).open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, columns)
        writer.writeheader()
        writer.writerows(found)
    frame = polars.DataFrame(found, infer_schema_length=None)
    sums = frame.group_by("os").agg(polars.len().alias("images"), polars.col("size").sum()).sort("os")
    for name, count, size in sums.iter_rows():
        print(f"{name}: {count} images, {size / 2**30:.1f} GiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
