"""How Sphinx makes the site out of these pages, which stay plain Markdown for readers elsewhere."""

from typing import Final

from sphinx.application import Sphinx

project = "oxide"
html_title = "oxide"
language = "en"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
exclude_patterns = ["examples"]

# The navigation: added to the home page here, so that the page itself has no directives.
_NAVIGATION: Final = """

```{toctree}
:caption: Guide
:hidden:

quickstart
authentication
configuration
paging
errors
retries-and-timeouts
recipes
testing
performance
migrating
```

```{toctree}
:caption: Reference
:glob:
:hidden:

ImagesApi
[A-Z]*
```
"""


def setup(app: Sphinx) -> None:
    """Connect what this file adds; Sphinx calls it."""
    app.connect("source-read", _add_navigation)


def _add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        source[0] += _NAVIGATION
