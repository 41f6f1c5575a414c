"""From a file or encoded bytes to an RGB image, and on to a tensor."""

import os
import stat
from typing import BinaryIO

import cv2
import numpy as np
import torch

from amsnet_basicsr.images.header import HeaderError, read_size
from amsnet_basicsr.images.size_limit import pixel_limit, size_error


def open_regular(path: str) -> BinaryIO:
    """Open a file that must be a regular one: reading a pipe or a device would wait, or go on, for ever.

    Args:
        path: The file, or a link to it.

    Returns:
        The file, open for reading.

    Raises:
        ValueError: If it isn't there, is something else, or can't be read; the message starts with the path.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f'{path} cannot be read: it is no regular file')
        return open(path, 'rb')
    except OSError as error:
        reason = 'it is a link to nothing' if os.path.islink(path) and not os.path.exists(path) else error.strerror
        raise ValueError(f'{path} cannot be read: {reason or error}') from None


def read_bytes(path: str) -> bytes:
    """Read a regular file.

    Args:
        path: The file, or a link to it.

    Returns:
        Its content.

    Raises:
        ValueError: If it can't be read, see `open_regular`.
    """
    with open_regular(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise ValueError(f'{path} cannot be read: {error.strerror or error}') from None


def decode_image(content: bytes, name: str) -> np.ndarray:
    """Decode an image as training reads it: three channels, upright, 8 or 16 bit as stored.

    Grey images get three equal channels, alpha is dropped, EXIF orientation is applied.

    Args:
        content: The file's bytes: PNG, JPEG, BMP, TIFF or WebP, whatever its name ends in.
        name: What to call the image in an error.

    Returns:
        RGB image, (H, W, 3), uint8 or uint16.

    Raises:
        ValueError: If the bytes are no image that can be read, are damaged or cut off, or claim more pixels than
            `pixel_limit`; the message starts with `name`.
    """
    if not content:
        raise ValueError(f'{name} is not an image that can be read: it is empty')
    try:
        width, height = read_size(content)
    except HeaderError as error:
        raise ValueError(f'{name} is not an image that can be read: {error} ({len(content)} bytes)') from None
    if reason := size_error(width, height, pixel_limit()):
        raise ValueError(f'{name} is refused: {reason}')
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f'{name} is not an image that can be read: damaged or cut off ({len(content)} bytes)')
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f'{name} is not an image that can be read: its pixels are {image.dtype}, not 8 or 16 bit')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn an 8 or 16 bit image into what networks take.

    Args:
        image: Image, (H, W, 3), uint8 or uint16, in any memory layout.

    Returns:
        The image, (3, H, W), float32 in [0, 1].
    """
    scaled = image.astype(np.float32) / np.iinfo(image.dtype).max
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))
