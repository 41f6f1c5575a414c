"""Files as strangers make them: pickles that would run code, images that claim any size."""

import io
import os
import struct
import zlib
from pathlib import Path

import torch
from PIL import Image


class RunsACommand:
    """Runs a command when unpickled by a careless reader."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def hostile_checkpoint(path: Path, trace: Path, content: dict | None = None, zipped: bool = True) -> Path:
    """Write a checkpoint that makes the file `trace` if whatever is in it is unpickled."""
    torch.save(
        {**(content or {}), 'extra': RunsACommand(f'touch {trace}')}, path, _use_new_zipfile_serialization=zipped
    )
    return path


def png_that_claims(width: int, height: int) -> bytes:
    """Make a PNG of a hundred bytes that claims a size, with right check sums and next to no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))

    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(bytes(9))) + chunk(b'IEND', b'')


def jpeg_that_claims(content: bytes, width: int, height: int) -> bytes:
    """Change the size that a baseline JPEG claims."""
    place = content.index(b'\xff\xc0') + 5
    return content[:place] + struct.pack('>HH', height, width) + content[place + 4 :]


def jpeg_of_many_scans(count: int) -> bytes:
    """Make a progressive JPEG of 16×16 pixels whose last scan is repeated until there are `count`."""
    buffer = io.BytesIO()
    Image.linear_gradient('L').resize((16, 16)).convert('RGB').save(buffer, 'JPEG', progressive=True)
    content = buffer.getvalue()
    scans = [place for place in range(len(content)) if content[place : place + 2] == b'\xff\xda']
    return content[:-2] + content[scans[-1] : -2] * (count - len(scans)) + content[-2:]
