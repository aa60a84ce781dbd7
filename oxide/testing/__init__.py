"""A simulator of the Oxide images service, for tests: real HTTP, the real server's rules, state of its own.

```python
from oxide.testing import Simulator

with Simulator() as simulator:
    print(simulator.url, simulator.token)
```

It needs what the extra `testing` adds, and the client never imports it.
"""

from typing import TYPE_CHECKING

__all__ = [
    "Answer",
    "Delay",
    "Drip",
    "Drop",
    "Fault",
    "Interim",
    "ReceivedRequest",
    "Simulator",
    "Truncate",
]

if TYPE_CHECKING:
    from oxide.testing._journal import ReceivedRequest
    from oxide.testing._simulator import Simulator
    from oxide.testing.faults import Answer, Delay, Drip, Drop, Fault, Interim, Truncate
else:
    # Each name is loaded when first used: pytest imports this package at every start, for its fixture.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        modules = {"ReceivedRequest": "_journal", "Simulator": "_simulator"}
        return getattr(import_module(f"{__name__}.{modules.get(name, 'faults')}"), name)


def __dir__() -> list[str]:
    return __all__
