"""Print each difference between the client and a published OpenAPI document, and what to do about it."""

import argparse
import sys
from pathlib import Path

from contract.beliefs import beliefs
from contract.comparing import compare
from contract.documents import NotComparableError, read_document


def main() -> int:
    """Return the exit status: 0 without a difference, 1 with some, 2 if the document cannot be compared."""
    parser = argparse.ArgumentParser(prog="tox -e contract --", description=__doc__)
    parser.add_argument(
        "path", metavar="PATH", type=Path, help="an OpenAPI document of Oxide, or a part of one"
    )
    path = parser.parse_args().path
    try:
        document = read_document(path)
        differences, left_out = compare(beliefs(), document)
    except NotComparableError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    for difference in differences:
        print(f"{difference.where}: {difference.what}\n    {difference.to_do}")
    number = f"{len(differences) or 'No'} difference{'s' * (len(differences) != 1)}"
    version = ".".join(map(str, document.version))
    print(f"{number}. Compared {len(beliefs()) - len(left_out)} operations with version {version}.")
    if left_out:
        print(f"The document leaves out {', '.join(left_out)}.")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
