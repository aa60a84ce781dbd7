"""A simulator of the Oxide images service, for tests: real HTTP, the real server's rules, its own state.

```python
from oxide.testing import Simulator

with Simulator() as simulator:
    print(simulator.url, simulator.token)
```

It needs the extra `testing`, and the client never imports it.
"""

from typing import TYPE_CHECKING

__all__ = [
    "Answer",
    "Delay",
    "Disk",
    "Drip",
    "Drop",
    "Fault",
    "Interim",
    "LosePantry",
    "ReceivedRequest",
    "Refuse",
    "Simulator",
    "Snapshot",
    "Truncate",
    "Unwind",
]

if TYPE_CHECKING:
    from oxide.testing._contents import Disk, Snapshot
    from oxide.testing._journal import ReceivedRequest
    from oxide.testing._simulator import Simulator
    from oxide.testing.faults import (
        Answer,
        Delay,
        Drip,
        Drop,
        Fault,
        Interim,
        LosePantry,
        Refuse,
        Truncate,
        Unwind,
    )
else:
    # Names are loaded on first use: for the fixture, pytest imports this package at every start.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        modules = {
            "Disk": "_contents",
            "ReceivedRequest": "_journal",
            "Simulator": "_simulator",
            "Snapshot": "_contents",
        }
        try:
            return getattr(import_module(f"{__name__}.{modules.get(name, 'faults')}"), name)
        except ModuleNotFoundError as error:
            missing = error.name
        message = f"oxide.testing needs {missing}, which the extra `testing` of this package installs"
        raise ModuleNotFoundError(message, name=missing)


def __dir__() -> list[str]:
    return __all__
