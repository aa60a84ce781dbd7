"""What the site adds to the Markdown pages, or leaves out of them, so that they need no directives."""

import re
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx

import oxide

_DOCS: Final = Path(__file__).parent

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
uploading
recipes
testing
performance
migrating
```

```{toctree}
:caption: Reference
:hidden:

ImagesApi
reference/client
reference/images
reference/exceptions
reference/models
reference/testing
glossary
Index <genindex>
changelog
```
"""
_MODEL_PAGES: Final = "\n".join(
    f"../{name}" for name in oxide.models.__all__ if (_DOCS / f"{name}.md").exists()
)
_MODELS: Final = f"""

```{{toctree}}
:hidden:

{_MODEL_PAGES}
```
"""

# Pages with so many headings that a list of all would not fit a screen.
_SHORT_CONTENTS: Final = {
    "ImagesApi",
    "reference/client",
    "reference/exceptions",
    "reference/models",
    "reference/testing",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what this file does; Sphinx calls it."""
    app.connect("source-read", _for_the_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _for_the_site(_app: Sphinx, page: str, source: list[str]) -> None:
    text = source[0]
    if page == "changelog":
        text = (
            (_DOCS.parent / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
        )
        # Files of the repository that are no pages of the site.
        text = re.sub(r"\[([^]]+)\]\([A-Z]+\.md[^)]*\)", r"\1", text)
    # The theme has its own way back, and its own list of a page's headings.
    text = re.sub(r"^\[\[Back to .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(- \[[^]]*\]\(#[^)]*\)\n)+(?!-)", "", text, flags=re.MULTILINE)
    if page in _SHORT_CONTENTS:
        text = f"---\ntocdepth: 2\n---\n{text}"
    if page == "index":
        text += _NAVIGATION
    if page == "reference/models":
        text += _MODELS
    source[0] = text
