from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from chatkit import File, Text, UsageError
from chatkit.conversation.questions import as_parts

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


class Picture:
    """What PIL's images offer to a notebook."""

    def _repr_png_(self) -> bytes:
        return PNG


class Figure:
    """What matplotlib's figures offer."""

    def savefig(self, target: io.BytesIO, **_: Any) -> None:
        target.write(PNG)


@pytest.mark.parametrize("picture", [PNG, Picture(), Figure(), File(media_type="image/png", data=PNG)])
def test_an_image_may_come_in_the_forms_that_a_notebook_has(picture: Any) -> None:
    assert as_parts(["What is this?", picture]) == (Text(text="What is this?"), File(media_type="image/png", data=PNG))
    assert as_parts(picture) == (File(media_type="image/png", data=PNG),)


def test_a_path_is_read_and_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(PNG)
    assert as_parts(path) == (File(media_type="image/png", data=PNG, title="plot.png"),)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
def test_the_bytes_say_what_they_are(data: bytes, kind: str) -> None:
    (part,) = as_parts(data)
    assert isinstance(part, File)
    assert part.media_type == kind


def test_a_file_that_cannot_be_read_or_known_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        as_parts(tmp_path / "missing.png")
    with pytest.raises(UsageError, match="neither an image nor a PDF"):
        as_parts(b"who knows")


@pytest.mark.parametrize("prompt", ["", " \n", [], [""], {}])
def test_an_empty_prompt_is_a_clear_error(prompt: Any) -> None:
    with pytest.raises(UsageError, match="the prompt is empty: give text"):
        as_parts(prompt)


def test_an_image_without_words_is_a_question() -> None:
    assert len(as_parts([PNG])) == 1
