"""SIDD-Medium: the noisy images of its 160 scenes, cut into patches, in an LMDB to train on."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from amsnet_basicsr.images import png
from amsnet_basicsr.prepare.build_lmdb import BuildReport, Choices, Source, build_lmdb, check_target
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.patch_grid import patch_count, patch_offsets
from amsnet_basicsr.prepare.resumable_lmdb import Listing
from amsnet_basicsr.prepare.whole_output import human_bytes

#: Noisy images in the published data set: 160 scenes, two shots each.
EXPECTED_IMAGES = 320
_NOISY = re.compile(r'(.+)_NOISY_SRGB_(\d+)\.png', re.IGNORECASE)
_SCENE = re.compile(r'\d{4}_\d{3}_\w+')


@dataclass(frozen=True)
class SourceImage:
    """A noisy image of the data set.

    Attributes:
        key: Scene and number of the shot, e.g. `0001_001_S6_00100_00060_3200_L_010`.
        path: The PNG, or the zip that holds it.
        member: Its name in the zip, or None.
        size_bytes: Length of the PNG.
    """

    key: str
    path: Path
    member: str | None
    size_bytes: int

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f'{self.path}' if self.member is None else f'{self.path}: {self.member}'

    def read(self, count: int = -1) -> bytes:
        """Read the file, or its first bytes.

        Args:
            count: How many bytes; all if negative.

        Returns:
            The bytes.

        Raises:
            ValueError: If they cannot be read, or the zip is damaged there.
        """
        try:
            if self.member is None:
                with self.path.open('rb') as file:
                    return file.read(count)
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                return file.read(count)
        except OSError as error:
            raise ValueError(f'it cannot be read: {error.strerror or error}') from error
        except Exception as error:  # a damaged zip: zlib.error, BadZipFile, EOFError, NotImplementedError, …
            raise ValueError(f'it cannot be unpacked: {error}') from error


def find_noisy_images(inputs: Iterable[Path]) -> list[SourceImage]:
    """Look for `*_NOISY_SRGB_*.PNG`.

    Args:
        inputs: Folders, searched whatever their nesting, and zip files. In a folder without such images the zip files
            that lie directly in it are taken.

    Returns:
        The images, sorted by key.

    Raises:
        PrepareError: If an input doesn't exist or is of another kind, there are no such images, or one is found twice.
    """
    found: dict[str, SourceImage] = {}
    inputs = list(inputs)
    for source in inputs:
        for image in _images_in(source):
            twin = found.setdefault(image.key, image)
            if twin is not image:
                raise PrepareError(f'{image.name} is there twice, also as {twin.name}: give one of them')
    if not found:
        raise PrepareError(
            f'no *_NOISY_SRGB_*.PNG in {", ".join(map(str, inputs))}: give the folder or the zip of SIDD-Medium, sRGB'
        )
    return [found[key] for key in sorted(found)]


def _images_in(source: Path) -> Iterator[SourceImage]:
    if source.is_dir():
        images = [
            SourceImage(key, path, None, path.stat().st_size)
            for path in source.rglob('*')
            if (key := image_key(path)) and path.is_file()
        ]
        if images:
            yield from images
        else:
            for path in sorted(source.iterdir()):
                if path.suffix.lower() == '.zip':
                    yield from _images_in(path)
    elif source.is_file() and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                if key := image_key(Path(member.filename)):
                    yield SourceImage(key, source, member.filename, member.file_size)
    elif source.exists():
        raise PrepareError(f'{source} is neither a folder nor a whole zip file (a download that broke off?)')
    else:
        raise PrepareError(f'there is no {source}')


def image_key(path: Path) -> str | None:
    """Make a key from scene and shot.

    Args:
        path: Path of a file, in a folder or a zip.

    Returns:
        Name of the scene's folder and number of the shot, or the file's own prefix and number if the folder isn't named
        as SIDD's are; None if it is no noisy image.
    """
    match = _NOISY.fullmatch(path.name)
    if match is None or path.name.startswith('.') or '__MACOSX' in path.parts:
        return None
    scene = path.parent.name if _SCENE.fullmatch(path.parent.name) else match[1]
    return re.sub(r'[^A-Za-z0-9_-]', '_', f'{scene}_{match[2]}')


def patch_key(image: str, top: int, left: int) -> str:
    """Make the key of a patch.

    Args:
        image: Key of the image.
        top: First row, in pixels.
        left: First column, in pixels.

    Returns:
        For example `0001_001_S6_00100_00060_3200_L_010_y0000_x0256`.
    """
    return f'{image}_y{top:04d}_x{left:04d}'


def cut_patches(content: bytes, key: str, size: int, step: int) -> dict[str, bytes]:
    """Cut an image into patches.

    Args:
        content: The image, PNG.
        key: Its key.
        size: Side of a patch in pixels.
        step: Distance between patches in pixels; the last row and column are flush with the border.

    Returns:
        The patches by key, PNG.

    Raises:
        ValueError: If it is damaged.
    """
    image = png.decode(content)
    return {
        patch_key(key, top, left): png.encode_noise(image[top : top + size, left : left + size])
        for top, left in patch_offsets(*image.shape[:2], size, step)
    }


def make_medium_lmdb(
    inputs: Iterable[Path], target: Path, size: int = 512, step: int = 256, choices: Choices | None = None
) -> BuildReport:
    """Cut the noisy images of SIDD-Medium into patches and write them to a BasicSR LMDB.

    Args:
        inputs: Folders or zip files of SIDD-Medium, sRGB.
        target: The LMDB; its name ends in `.lmdb`.
        size: Side of a patch in pixels (paper: 512).
        step: Distance between patches in pixels (paper: 256).
        choices: Workers (each takes about 0.25 GB for images of 16 megapixels), overwriting and so on.

    Returns:
        What was made.

    Raises:
        PrepareError: If there is something to mend.
    """
    choices = choices or Choices()
    if size < 1 or step < 1:
        raise PrepareError(f'--size and --step must be at least 1, got {size} and {step}')
    check_target(target, choices.overwrite)
    images = find_noisy_images(inputs)
    sizes, damaged = _read_sizes(images, size)
    if len(images) != EXPECTED_IMAGES:
        choices.say(f'Warning: {len(images)} noisy images found; SIDD-Medium has {EXPECTED_IMAGES}')
    images = [image for image in images if image.key in sizes]
    counts = {image.key: patch_count(*sizes[image.key], size, step) for image in images}
    # Patches overlap, and take about as many bytes per pixel as the images do.
    needed = int(sum(counts[i.key] * size**2 / (sizes[i.key][0] * sizes[i.key][1]) * i.size_bytes for i in images))
    choices.say(
        f'{len(images)} noisy images make {sum(counts.values())} patches of {size}×{size}, about {human_bytes(needed)}'
    )
    sources = [
        Source(
            image.key,
            image.name,
            image.size_bytes,
            partial(_cut, image, size, step),
            partial(_list_patches, image.key, sizes[image.key], size, step),
        )
        for image in images
    ]
    settings = {'of': 'SIDD-Medium', 'size': size, 'step': step}
    return build_lmdb(target, sources, settings, needed, choices, damaged)


def _cut(image: SourceImage, size: int, step: int) -> dict[str, bytes]:
    return cut_patches(image.read(), image.key, size, step)


def _list_patches(key: str, image_size: tuple[int, int], size: int, step: int) -> Listing:
    return ((patch_key(key, top, left), (size, size)) for top, left in patch_offsets(*image_size, size, step))


def _read_sizes(images: Iterable[SourceImage], least: int) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Read the headers: sizes by key, and a line on each image that cannot be used."""
    sizes, damaged = {}, []
    for image in images:
        try:
            height, width = png.read_size(image.read(png.HEADER_BYTES))
            if min(height, width) < least:
                raise ValueError(f'it has {height}×{width} pixels, less than a patch of --size {least}')
            sizes[image.key] = height, width
        except ValueError as error:
            damaged.append(f'{image.name}: {error}')
    return sizes, damaged
