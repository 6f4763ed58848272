"""What the check of the built site finds."""

from __future__ import annotations

from pathlib import Path

from tests.documentation.site import faults


def test_a_broken_link_a_missing_place_and_what_another_host_serves_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a> <a href="https://example.org">a link may leave</a>', "utf-8"
    )
    (tmp_path / "b.html").write_text(
        '<a href="a.html#top">a</a> <a href="a.html#bottom">?</a> <img src="gone.png"><script src="//cdn.example/x.js">', "utf-8"
    )
    (tmp_path / "x.css").write_text("@font-face { src: url('https://fonts.example/f.woff2') }", "utf-8")
    assert sorted(faults(tmp_path)) == [
        "a.html leads to b.html#there, a place that isn't there",
        "b.html leads to a.html#bottom, a place that isn't there",
        "b.html leads to gone.png, which isn't there",
        "b.html loads //cdn.example/x.js",
        "x.css loads from another host",
    ]
