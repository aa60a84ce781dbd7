"""Parses the command line and runs the command."""

import argparse
from collections.abc import Sequence
from typing import Final

_DESCRIPTION: Final = """\
Make images from disk files on an Oxide rack, and show the settings in use.

Host and token are those of the official Oxide tools: OXIDE_HOST with OXIDE_TOKEN, or a profile that
`oxide auth login` has written."""
_UPLOAD: Final = """\
Make an image from a raw disk, plain or compressed with gzip, xz, bzip2 or zstd, and print the image's ID.

Running it again is safe: if an image of that name exists and agrees, its ID is printed and nothing is uploaded."""
_STATUSES: Final = """\
exit status: 0; 1 for a failed call; 2 for wrong usage (arguments, file, credentials); 130 for Ctrl-C, after which
everything that was made is removed, unless Ctrl-C is pressed again"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    if options.command == "upload":
        from oxide._program.upload import upload

        return upload(options)
    from oxide._program.report import report

    return report(options.profile)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oxide", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    upload = commands.add_parser(
        "upload",
        help="make an image from a disk file",
        description=_UPLOAD,
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    upload.add_argument(
        "file", metavar="FILE", help="the disk file; - for standard input, which needs --size"
    )
    for name, metavar, text in (
        ("project", "P", "the project to make it in, by name or ID"),
        ("name", "N", "the name of the image"),
        ("os", "O", "the family of its operating system, such as debian"),
        ("version", "V", "the version of the operating system"),
    ):
        upload.add_argument(f"--{name}", metavar=metavar, required=True, help=text)
    upload.add_argument("--description", metavar="D", default="", help="free text")
    upload.add_argument(
        "--block-size",
        metavar="B",
        type=int,
        help="512, 2048 or 4096; by default, the size that the disk was made for",
    )
    upload.add_argument(
        "--sha256",
        metavar="H",
        help="the published SHA-256 of FILE (compressed if it is compressed), in hexadecimal",
    )
    upload.add_argument("--size", metavar="S", type=int, help="the bytes of the raw disk, if FILE is a pipe")
    upload.add_argument(
        "--journal", metavar="F", help="a file that lets the same command resume an interrupted upload"
    )
    upload.add_argument("--workers", metavar="N", type=int, default=8, help="requests at a time (8)")
    upload.add_argument(
        "--promote", action="store_true", help="move the image to the silo, for every project"
    )
    upload.add_argument("--profile", metavar="P", help="the profile that has host and token")
    upload.add_argument("--dry-run", action="store_true", help="only check, and say what was found")
    upload.add_argument("--json", action="store_true", help="print JSON instead of the ID alone")
    report = commands.add_parser(
        "report",
        help="show the settings in use, and whether the API responds",
        description="Print the settings and where they come from, without secrets, and whether the API responds.",
        epilog="exit status: 0 if it responds and accepts the token, else 1",
    )
    report.add_argument("--profile", metavar="P", help="the profile that has host and token")
    return parser
