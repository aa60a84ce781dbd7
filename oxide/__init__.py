"""Typed, synchronous Python client for the images part of the Oxide API.

```python
import oxide

with oxide.ImagesApi.from_environment() as images:
    for image in images.image_list_iter(project="my-project"):
        print(image)
```

Host and token come from `OXIDE_HOST` and `OXIDE_TOKEN`, or from the profiles of `oxide auth login`. Names are imported on
first use, so `import oxide` alone costs next to nothing.

PYTEST_DONT_REWRITE (pytest would warn if this package, which has a plugin for it, is imported before it starts.)
"""

from typing import TYPE_CHECKING

from oxide._version import __version__ as __version__

if TYPE_CHECKING:
    from oxide import api as api
    from oxide import api_client as api_client
    from oxide import api_response as api_response
    from oxide import configuration as configuration
    from oxide import exceptions as exceptions
    from oxide import models as models
    from oxide import rest as rest
    from oxide._public import *
else:
    from oxide._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
    del lazy_names
