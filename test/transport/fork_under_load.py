"""A program that forks while several of its threads make calls: `python -m transport.fork_under_load URL [CA FILE]`.

The server responds with an image of the requested name. Every process asks for names of its own, in several
threads at once, and fails on a response that is not its own, and where it hangs.
"""

import os
import signal
import sys
import threading
import traceback
import warnings
from typing import Final, NoReturn

import oxide

THREADS: Final = 4
FORKS: Final = 8
CALLS: Final = 12
LIMIT: Final = 40  # seconds, after which a process that hangs is ended


def call(
    api: oxide.ImagesApi, who: str, problems: list[str], *, until: threading.Event | None = None
) -> None:
    """Request names of one's own, `CALLS` times or until told to stop."""
    try:
        turn = 0
        while turn < CALLS if until is None else not until.is_set():
            turn += 1
            name = f"{who}-{turn}"
            got = api.image_view(name).name
            if got != name:
                problems.append(f"{who} asked for {name} and got {got}")
    except BaseException:  # noqa: BLE001 - told to the process that waits
        problems.append(f"{who}: {traceback.format_exc()}")


def call_in_threads(api: oxide.ImagesApi, who: str) -> list[str]:
    """Make calls in several threads, and return what went wrong."""
    problems: list[str] = []
    threads = [
        threading.Thread(target=call, args=(api, f"{who}-t{number}", problems)) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


def child(api: oxide.ImagesApi, who: str, opened: oxide.RESTResponse) -> NoReturn:
    """Run a child, and exit with status 0 if all went well."""
    signal.alarm(LIMIT)
    problems = []
    # A thread may have been in the middle of a call, whose connection this process must not read.
    try:
        opened.read()
    except oxide.ApiValueError as error:
        if "before a fork" not in str(error):
            problems.append(f"{who}: {error}")
    else:
        problems.append(f"{who} could read its parent's response")
    opened.close()
    problems += call_in_threads(api, who)
    # A child of its own, once with connections of its own, and once before it has made any.
    grandchild = os.fork()
    if grandchild == 0:
        signal.alarm(LIMIT)
        problems = call_in_threads(api, f"{who}-g")
        print(*problems, sep="\n", file=sys.stderr, end="")
        os._exit(1 if problems else 0)
    problems += call_in_threads(api, f"{who}-after")
    if os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) != 0:
        problems.append(f"{who}: the grandchild failed")
    api.api_client.close()
    print(*problems, sep="\n", file=sys.stderr, end="")
    if problems:
        os._exit(1)
    # Exit through everything that Python does at exit.
    sys.exit(0)


def main(url: str, ca_file: str | None) -> int:
    """Fork under load; return 0 if every process got only its own responses."""
    # Newer Pythons warn of exactly what this program does.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    signal.alarm(LIMIT)
    client = oxide.ApiClient(oxide.Configuration(url, access_token="token", ssl_ca_cert=ca_file))
    api = oxide.ImagesApi(client)
    problems: list[str] = []
    until = threading.Event()
    threads = [
        threading.Thread(target=call, args=(api, f"parent-t{number}", problems), kwargs={"until": until})
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    children = []
    opened = [api.image_view_without_preload_content(f"open-{number}") for number in range(FORKS)]
    for number in range(FORKS):
        # The calls run between the forks, so that some connections are in use and some are idle.
        api.image_view("main")
        pid = os.fork()
        if pid == 0:
            child(api, f"child-{number}", opened[number])
        children.append(pid)
    for number, pid in enumerate(children):
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != 0:
            problems.append(f"child {number} ended with {status}")
    until.set()
    for thread in threads:
        thread.join()
    for number, response in enumerate(opened):
        if response.json()["name"] != f"open-{number}":
            problems.append(f"open-{number} is not what was opened")
    client.close()
    print(*problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
