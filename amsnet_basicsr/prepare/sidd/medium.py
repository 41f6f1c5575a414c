"""SIDD-Medium: the noisy images of its 160 scenes, cut into patches, in an LMDB to train on."""

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

from amsnet_basicsr.images import decode_image, png
from amsnet_basicsr.prepare.build_records import Choices, Made, Source
from amsnet_basicsr.prepare.image_patches import encode_patch, patch_offsets
from amsnet_basicsr.prepare.lmdb_build import LmdbBuild, check_target, open_build
from amsnet_basicsr.prepare.outputs import human_bytes
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line, say
from amsnet_basicsr.utils.walk import walk_files

#: Noisy images in the published dataset: 160 scenes, two shots each.
EXPECTED_IMAGES = 320
_NOISY = re.compile(r'(.+)_NOISY_SRGB_(\d+)\.png', re.IGNORECASE)
_MOST_METADATA = 2**24
_MOST_PIXELS = 2**26  # four times those of SIDD's images
_SCENE = re.compile(r'\d{4}_\d{3}_\w+')


@dataclass(frozen=True)
class SourceImage:
    """A noisy image of the dataset.

    Attributes:
        key: Scene and number of the shot, e.g. `0001_001_S6_00100_00060_3200_L_010`.
        name: What messages call it: the PNG's path, or the zip's and the member's name.
        size_bytes: Length of the PNG.
        open: Opens it.
    """

    key: str
    name: str
    size_bytes: int
    open: Callable[[], AbstractContextManager[Any]]

    def read(self, count: int | None = None) -> bytes:
        """Read the file, or its first bytes; ValueError if it can't be read or the zip is damaged there."""
        try:
            with self.open() as file:
                return file.read(count or self.size_bytes)  # all may be more than the zip says
        except Exception as error:  # of a damaged zip: zlib.error, BadZipFile, EOFError, NotImplementedError, …
            raise ValueError(f'it cannot be read: {getattr(error, "strerror", None) or one_line(error)}') from error

    def read_size(self, least: int) -> tuple[int, int]:
        """Read height and width from the header; ValueError if the image can't be used.

        What it claims bounds what is read later: a few megabytes of a zip can unpack to gigabytes.
        """
        height, width = png.read_size(self.read(png.HEADER_BYTES))
        if min(height, width) < least:
            raise ValueError(f'it has {height}×{width} pixels, less than a patch of --size {least}')
        if height * width > _MOST_PIXELS:
            raise ValueError(f'it claims {height}×{width} pixels, more than any image of SIDD has')
        if self.size_bytes > 3.1 * height * width + _MOST_METADATA:
            raise ValueError(f'it takes {human_bytes(self.size_bytes)}, more than {height}×{width} pixels can')
        return height, width


def find_noisy_images(inputs: Iterable[Path], unreadable: list[str] | None = None) -> list[SourceImage]:
    """Find `*_NOISY_SRGB_*.PNG`, sorted by key.

    Args:
        inputs: Folders, searched at any depth, and zip files. In a folder without such images the zip files that lie
            directly in it are taken.
        unreadable: Gets a line on each folder or file that can't be looked at.
    """
    found: dict[str, SourceImage] = {}
    inputs, unreadable = list(inputs), [] if unreadable is None else unreadable
    for source in inputs:
        for image in _images_in(source, unreadable):
            twin = found.setdefault(image.key, image)
            if twin is not image:
                raise UserError(f'{image.name} is there twice, also as {twin.name}: give one of them')
    if not found:
        raise UserError(
            f'no *_NOISY_SRGB_*.PNG in {", ".join(map(str, inputs))}: give the folder or the zip of SIDD-Medium, sRGB'
            + ''.join(f' ({line})' for line in unreadable[:1])
        )
    return [found[key] for key in sorted(found)]


def _images_in(source: Path, unreadable: list[str]) -> Iterator[SourceImage]:
    if source.is_dir():
        images = list(_images_in_folder(source, unreadable))
        zips = [] if images else sorted(path for path in source.iterdir() if path.suffix.lower() == '.zip')
    elif source.is_file():
        images, zips = [], [source]
    else:
        raise UserError(f'{source} is neither a folder nor a zip file' if source.exists() else f'there is no {source}')
    return chain(images, *map(_images_in_zip, zips))


def _images_in_folder(folder: Path, unreadable: list[str]) -> Iterator[SourceImage]:
    def skip(error: OSError) -> None:
        unreadable.append(f'{error.filename}: it cannot be searched: {error.strerror}')

    for path in walk_files(folder, skip):
        if key := image_key(path):
            try:
                if path.is_file():
                    yield SourceImage(key, str(path), path.stat().st_size, partial(path.open, 'rb'))
            except OSError as error:
                unreadable.append(f'{path}: it cannot be read: {error.strerror}')


def _images_in_zip(path: Path) -> Iterator[SourceImage]:
    @contextmanager
    def opened(member: str) -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # of a damaged zip: BadZipFile, NotImplementedError, UnicodeDecodeError …
        raise UserError(
            f'{path} is neither a folder nor a whole zip file (a download that broke off?): {one_line(error)}'
        ) from None
    for member in members:
        if key := image_key(Path(member.filename)):
            name = member.filename
            yield SourceImage(key, f'{path}: {name}', member.file_size, partial(opened, name))


def image_key(path: Path) -> str | None:
    """Make a key from the name of the scene's folder and the number of the shot; None if it is not a noisy image.

    If the folder isn't named as SIDD's are, the file's own prefix stands for it.
    """
    match = _NOISY.fullmatch(path.name)
    if match is None or path.name.startswith('.') or '__MACOSX' in path.parts:
        return None
    scene = path.parent.name if _SCENE.fullmatch(path.parent.name) else match[1]
    return re.sub(r'[^A-Za-z0-9_-]', '_', f'{scene}_{match[2]}')


def patch_key(image: str, top: int, left: int) -> str:
    """Make the key of a patch, e.g. `0001_001_S6_00100_00060_3200_L_010_y0000_x0256`."""
    return f'{image}_y{top:04d}_x{left:04d}'


def make_medium_lmdb(inputs: Iterable[Path], target: Path, size: int, step: int, choices: Choices) -> LmdbBuild:
    """Cut the noisy images of SIDD-Medium into patches and write them to a BasicSR LMDB.

    Args:
        inputs: Folders or zip files of SIDD-Medium, sRGB.
        target: The LMDB; its name ends in `.lmdb`.
        size: Side of a patch in pixels (paper: 512).
        step: Distance between patches in pixels (paper: 256).
        choices: How to run; each worker takes about 0.25 GB for images of 16 megapixels.
    """
    if size < 1 or step < 1:
        raise UserError(f'--size and --step must be at least 1, got {size} and {step}')
    check_target(target, choices.overwrite)
    damaged: list[str] = []
    images = find_noisy_images(inputs, damaged)
    if len(images) != EXPECTED_IMAGES:
        say(f'Warning: {len(images)} noisy images found; SIDD-Medium has {EXPECTED_IMAGES}')
    sources, patches, needed = [], 0, 0.0
    for image in images:
        try:
            height, width = image.read_size(size)
        except ValueError as error:
            damaged.append(f'{image.name}: {error}')
            continue
        count = len(patch_offsets(height, width, size, step))
        patches += count
        # Patches overlap, and take about as many bytes per pixel as the images do.
        needed += count * size**2 / (height * width) * image.size_bytes
        sources.append(Source(image.key, image.name, image.size_bytes, partial(cut_patches, image, size, step)))
    say(f'{len(sources)} noisy images make {patches} patches of {size}×{size}, about {human_bytes(needed)}')
    with open_build(target, {'of': 'SIDD-Medium', 'size': size, 'step': step}, choices, needed) as build:
        build.fill(sources, damaged)
        build.publish((size, size))
    return build


def cut_patches(image: SourceImage, size: int, step: int) -> Made:
    """Cut an image into PNG patches; the last row and column are flush with the border."""
    content = image.read()
    png.check_undamaged(content)
    pixels = decode_image(content, 'the PNG')
    height, width, _ = pixels.shape
    return Made({
        patch_key(image.key, top, left): encode_patch(pixels[top : top + size, left : left + size])
        for top, left in patch_offsets(height, width, size, step)
    })  # fmt: skip
