"""A user's picture made fit to be sent."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from convoscope_jupyter.context import image_part
from convoscope_jupyter.context._images import MAX_IMAGE_BYTES
from convoscope_jupyter.errors import InvalidPrompt
from convoscope_jupyter.messages import ImagePart

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Shown:
    """As a Pillow image shows itself."""

    def _repr_png_(self) -> bytes:
        return PNG


class NotShown:
    """As an object whose picture cannot be made."""

    def _repr_png_(self) -> None:
        return None


@pytest.mark.parametrize(
    "content, media_type",
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_what_an_image_is_shows_in_its_bytes(content: bytes, media_type: str) -> None:
    part = image_part(content)

    assert (media_type, content) == (part.media_type, base64.b64decode(part.data_base64))


@pytest.mark.parametrize("make", [str, Path])
def test_an_image_is_read_from_a_file_whatever_its_name_says(make: type, tmp_path: Path) -> None:
    path = tmp_path / "figure.txt"
    path.write_bytes(PNG)

    assert "image/png" == image_part(make(path)).media_type


def test_anything_that_shows_itself_as_a_picture_is_one() -> None:
    assert PNG == base64.b64decode(image_part(Shown()).data_base64)


def test_a_part_stays_as_it_is() -> None:
    part = ImagePart(media_type="image/png", data_base64="")

    assert part is image_part(part)


@pytest.mark.parametrize(
    "image, said",
    [
        (b"<svg onload='alert(1)'/>", "no PNG, JPEG, GIF or WebP"),
        (b"", "no PNG, JPEG, GIF or WebP"),
        ("no-such-file.png", "could not be read"),
        ("nul\0.png", "could not be read"),
        (".", "could not be read"),
        (3, "of type int is no image"),
        (NotShown(), "of type NotShown is no image"),
        (b"GIF89a" + bytes(MAX_IMAGE_BYTES), "over 20 MB"),
    ],
    ids=["svg", "empty", "no-file", "nul", "folder", "number", "not-shown", "too-large"],
)
def test_what_is_no_image_is_refused_with_a_sentence(image: object, said: str) -> None:
    with pytest.raises(InvalidPrompt, match=said):
        image_part(image)
