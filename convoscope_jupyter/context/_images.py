"""A user's picture made fit to be sent: what it is shows in its bytes, never in its name."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Literal

from convoscope_jupyter.errors import InvalidPrompt
from convoscope_jupyter.messages import ImagePart

MAX_IMAGE_BYTES = 20_000_000
"""Providers take less per image or per request; this only keeps a wrong file from being read and stored."""

_MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]


def image_part(image: object) -> ImagePart:
    """Read an image.

    Args:
        image: A path, the bytes of a PNG, JPEG, GIF or WebP, anything that IPython can show as PNG or JPEG (a Pillow
            image, say), or an `ImagePart`.

    Returns:
        The image as a part of a message.

    Raises:
        InvalidPrompt: There is none, it is no image of these kinds, or it is too large.

    Example:
        >>> image_part(b"GIF89a").media_type
        'image/gif'
    """
    if isinstance(image, ImagePart):
        return image
    name, content = _bytes_of(image)
    if len(content) > MAX_IMAGE_BYTES:
        raise InvalidPrompt(f"{name} is over {MAX_IMAGE_BYTES // 1_000_000} MB. Make it smaller.")
    media_type = _media_type(content)
    if media_type is None:
        raise InvalidPrompt(
            f"{name} is no PNG, JPEG, GIF or WebP image. Convert it, or paste its text into the prompt."
        )
    return ImagePart(media_type=media_type, data_base64=base64.b64encode(content).decode("ascii"))


def _bytes_of(image: object) -> tuple[str, bytes]:
    match image:
        case bytes():
            return "the image", image
        case bytearray():
            return "the image", bytes(image)
        case str() | os.PathLike():
            return _read(Path(os.fspath(image)))
        case _:
            return _shown(image)


def _read(path: Path) -> tuple[str, bytes]:
    try:
        with path.open("rb") as file:
            return str(path), file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidPrompt(f"the image {str(path)[:200]!r} could not be read ({why}). Check the path.") from None


def _shown(image: object) -> tuple[str, bytes]:
    # https://ipython.readthedocs.io/en/stable/config/integrating.html#rich-display
    kind = type(image).__name__
    for method in ("_repr_png_", "_repr_jpeg_"):
        show = getattr(image, method, None)
        shown = show() if callable(show) else None
        if isinstance(shown, bytes):
            return f"the {kind}", shown
    raise InvalidPrompt(f"an object of type {kind} is no image. Pass a path, the image's bytes, or a Pillow image.")


def _media_type(content: bytes) -> _MediaType | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None
