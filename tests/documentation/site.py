"""``python -m tests.documentation.site [FOLDER]``: build the site (into ``docs/build/html`` unless a folder is given), and check what was built.

A warning is an error. Every local link, picture, script and style must be there, and nothing may be loaded from another host.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

DOCS = Path(__file__).parents[2] / "docs"
_LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}


class _Page(HTMLParser):
    """The addresses of a page, each with whether the browser loads it by itself, and the places that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[tuple[str, bool]] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {place for place in (given.get("id"), given.get("name")) if place}
        if address := given.get(_LOADED.get(tag, "href")):
            self.addresses.append((address, tag in _LOADED))


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a site, a line each."""
    pages = {path: _Page(path.read_text("utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts}  # the theme's templates
    for path, page in pages.items():
        for address, loaded in page.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if loaded and parts.scheme != "data":
                    yield f"{path.relative_to(site)} loads {address}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.relative_to(site)} leads to {address}, which isn't there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                yield f"{path.relative_to(site)} leads to {address}, a place that isn't there"
    for style in site.rglob("*.css"):
        if "url(http" in (text := style.read_text("utf-8").replace('"', "").replace("'", "")) or "url(//" in text:
            yield f"{style.relative_to(site)} loads from another host"


def main(site: Path) -> int:
    """Build and check; 0 if all is well."""
    built = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-E", "-a", "-W", "--keep-going", "-n", str(DOCS), str(site)])
    found = list(faults(site.resolve()))
    print(*found, sep="\n")
    return 1 if built.returncode or found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "build" / "html"))
