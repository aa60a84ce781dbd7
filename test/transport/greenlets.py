"""A program whose greenlets share one client and one thread: `python greenlets.py WHEN URL`.

`WHEN` is `before` or `after`: whether gevent patches the standard library before or after the client is imported. It
prints how many promotes gave their own image, and of the rest, what they ended in.
"""

import json
import sys
from collections import Counter

import gevent
import gevent.pool
from gevent import monkey

GREENLETS = 40
CALLS = 10

if sys.argv[1] == "before":
    monkey.patch_all(thread=False)

import oxide

if sys.argv[1] == "after":
    # The first use loads everything.
    oxide.ApiClient().close()
    monkey.patch_all()


def main(url: str) -> None:
    """Promote images in forty greenlets at a time."""
    ends: Counter[str] = Counter()
    configuration = oxide.Configuration(url, timeout=60)
    with oxide.ApiClient(configuration, sleep=gevent.sleep, jitter=lambda: 0.0) as client:
        api = oxide.ImagesApi(client)

        def promote(number: int) -> None:
            for turn in range(CALLS):
                name = f"image-{number}-{turn}"
                try:
                    got = api.image_promote(name, project="proj").name
                    ends["right" if got == name else "swapped"] += 1
                    got = api.image_view(name, project="proj").name
                    ends["right" if got == name else "swapped"] += 1
                except oxide.ApiConnectionError as error:
                    ends[error.outcome] += 1

        gevent.joinall([gevent.spawn(promote, number) for number in range(GREENLETS)], raise_error=True)
    print(json.dumps(ends))


if __name__ == "__main__":
    main(sys.argv[2])
