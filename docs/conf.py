"""Sphinx: ``sphinx-build -W --keep-going -n docs docs/build`` makes the documentation as a site."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import chatkit

HERE = Path(__file__).parent
# Sphinx reads only what lies below this folder; the notebooks stay where `chatkit lab` and Binder find them
shutil.rmtree(HERE / "reference" / "generated", ignore_errors=True)  # pages of names that are gone
shutil.copytree(HERE.parent / "notebooks", HERE / "notebooks", dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", ".*", "*.toml"))

project = "chatkit"
author = "the chatkit contributors"
project_copyright = author
release = version = chatkit.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "myst_nb"]
templates_path = ["_templates"]
exclude_patterns = ["build"]
smartquotes = False  # "end" in a docstring is code
nitpicky = True
nitpick_ignore_regex = [("py:obj", r"(matplotlib|pandas|numpy|msgspec|tenacity|stamina)\..*")]  # no site of another project is asked
default_role = "autolink"  # `Chat` in a docstring links to its page, and `system` is a parameter

autodoc_typehints = "none"  # the docstrings say the types
python_maximum_signature_line_length = 90
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_filename_map = {"chatkit.chat": "chatkit.chat_function"}  # beside chatkit.Chat, also where a file system ignores the case
numpydoc_validation_checks = {"GL07", "GL08", "PR02", "PR03", "PR06", "PR10", "SS06"}  # what has a docstring says what is there
numpydoc_show_class_members = False  # the template lists them
numpydoc_class_members_toctree = False

nb_execution_mode = "off"  # the outputs that are stored
nb_ipywidgets_js: dict[str, object] = {}  # no widgets without a kernel, and nothing from another host
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"chatkit {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system
ALONE = ("index", "settings", "retry-log", "security", "changes")
"""Pages with none below them."""
html_sidebars: dict[str, list[str]] = {page: [] for page in ALONE}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}

_LINK = re.compile(r"(?m)^.*<!-- on the site: (?P<file>[\w.]+)(?:, (?P<part>.+))? -->$")
"""A line that GitHub shows as it is."""


def setup(app: Sphinx) -> None:
    """Connect what the settings above can't say."""
    app.connect("source-read", _as_on_the_site)
    app.connect("missing-reference", _plain_parameter)
    app.connect("autodoc-process-signature", _without_unknown)


def _as_on_the_site(app: Sphinx, docname: str, source: list[str]) -> None:
    """What GitHub shows as a link to another file is that file here, or a part of it; and notebooks lie one folder further down."""
    source[0] = _LINK.sub(_linked, source[0]).replace("../notebooks/", "notebooks/")


def _linked(line: re.Match[str]) -> str:
    text, part = (HERE.parent / line["file"]).read_text("utf-8"), line["part"]
    return text if part is None else text.partition(f"<!-- {part} -->")[2].partition(f"<!-- end of {part} -->")[0]


def _plain_parameter(app: Sphinx, env: Any, node: Any, shown: Any) -> Any:
    """A parameter or a field of the class that a docstring speaks of isn't a link; any other name must be one."""
    return shown if node["reftype"] == "obj" and node["reftarget"].isidentifier() and node["reftarget"].islower() else None


def _without_unknown(app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None) -> Any:
    """`**unknown` takes what a function refuses with a suggestion: it isn't a parameter."""
    return signature and signature.replace(", **unknown)", ")"), returned
