"""How Sphinx makes the site out of these pages, which stay plain Markdown for readers elsewhere."""

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent))

import oxide

project = "oxide"
version = release = oxide.__version__
html_title = f"oxide {release}"
language = "en"
extensions = [
    "myst_parser",
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "_pages",
    "_reference",
]
exclude_patterns = ["examples"]

myst_heading_anchors = 4

html_theme = "furo"
html_copy_source = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Output is not for copying.
copybutton_selector = "div.highlight-python pre, div.highlight-sh pre, div.highlight-toml pre, div.highlight-yaml pre"
copybutton_exclude = ".linenos, .gp, .go"

add_module_names = False
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# Other packages have no pages here, type variables nowhere; every other name must be found.
_ELSEWHERE: Final = "|".join([*sorted(sys.stdlib_module_names), "pydantic", "urllib3"])
nitpick_ignore_regex = [
    ("py:.*", rf"({_ELSEWHERE})\..*"),
    ("py:class", r"oxide\..*\.(Page)?T(_co)?"),
]
# What some arguments have to be, which is described where those are.
nitpick_ignore = [
    ("py:class", "oxide._identity.keywords.Settings"),
    ("py:class", "oxide._uploading.BinaryFile"),
    ("py:class", "oxide.testing._contents.ImageValues"),
]
