"""Noisy images without ground truth: all that AMSNet trains on."""

import os
import os.path as osp
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from basicsr.utils import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import random_crop, random_flip_rotate, to_tensor
from amsnet_basicsr.data.lmdb_env import SharedLmdb
from amsnet_basicsr.images import READ_SUFFIXES, decode_image, read_bytes, stretch, used_bits
from amsnet_basicsr.options.blocks.datasets import NoisyImageOptions
from amsnet_basicsr.utils.text import as_text, name_some
from amsnet_basicsr.utils.walk import walk_files

_LONGEST_NAME = 4096
_SIZE = re.compile(r' \((\d+), ?(\d+)(?:, ?\d+)?\)(?: \d+)?$')


@dataclass(frozen=True)
class ImageEntry:
    """Where one image lies.

    Attributes:
        path: File path as text, or for LMDB `<root>/<name>`; used as `lq_path`.
        read: Returns the encoded bytes.
        size: Height and width, if listed.
    """

    path: str
    read: Callable[[], bytes]
    size: tuple[int, int] | None = None


@DATASET_REGISTRY.register()
class NoisyImageDataset(Dataset):
    """Unpaired noisy images from folders, meta-info files or BasicSR LMDBs.

    For training, random crops with flips and rotations; for validation and testing, whole images. All draws come from
    torch's generator, which differs by worker and epoch.

    Args:
        opt: Options, as `NoisyImageOptions` explains them.

    Raises:
        ValueError: For options that are unknown or contradict each other, a root without images, and bad images.
        FileNotFoundError: If a root or the meta-info file doesn't exist.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        """List the images and check them."""
        super().__init__()
        self.opt = opt
        self.settings = settings = NoisyImageOptions.of(opt)
        self.crop_size = settings.training_crop
        self.entries = [entry for root in dataset_roots(settings) for entry in _list_images(root, settings)]
        self._cache: dict[int, np.ndarray] = {}
        self._check(settings.where)

    def __len__(self) -> int:
        """Number of usable images."""
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read an image: `lq`, (C, H, W) float32 in [0, 1], RGB or grey, and `lq_path`."""
        image = self._cache[index] if index in self._cache else self._decode(self.entries[index])
        if self.crop_size is not None:
            image = random_crop(image, self.crop_size)
            image = random_flip_rotate(image, self.settings.use_hflip, self.settings.use_rot)
        return {'lq': to_tensor(image), 'lq_path': self.entries[index].path}

    def _decode(self, entry: ImageEntry) -> np.ndarray:
        image = decode_image(entry.read(), entry.path, self.settings.channels)
        self._check_size(entry.path, image.shape[:2])
        return image if image.dtype == np.uint8 else stretch(image, self.settings.bits or used_bits(image))

    def _check_size(self, path: str, size: tuple[int, ...]) -> None:
        if self.crop_size is not None and min(size) < self.crop_size:
            raise ValueError(f'{path} is too small: {size[0]}×{size[1]} pixels')

    def _check(self, where: str) -> None:
        """Read the images once: fill the cache; drop or refuse the bad ones.

        Of an LMDB only listing and keys are checked, which is quick however large it is; its images are decoded for the
        cache alone, until that is full.
        """
        room = (self.settings.cache_mb or 0) * 1e6
        check = self.settings.check_images
        missing = _missing_keys(self.entries)

        def read(entry: ImageEntry) -> tuple[np.ndarray | None, str | None]:
            try:
                if entry.path in missing:
                    raise ValueError(f'{entry.path} is listed but missing from the LMDB')
                if entry.size is not None:
                    self._check_size(entry.path, entry.size)
                if room <= 0 and not (check and isinstance(entry.read, _FileRead)):
                    return None, None
                image = self._decode(entry)
            except (ValueError, KeyError) as error:
                return None, str(error)
            return (image if room > 0 else None), None

        good: list[ImageEntry] = []
        bad: list[str] = []
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for entry, (image, problem) in zip(self.entries, pool.map(read, self.entries), strict=True):
                if problem is not None:
                    bad.append(problem)
                    continue
                if image is not None:
                    if image.nbytes <= room:
                        self._cache[len(good)] = image
                    room -= image.nbytes  # below zero, the rest isn't kept
                good.append(entry)
        if bad:
            named = name_some(bad, 10, '\n  ')
            need = f' (crops need {self.crop_size}×{self.crop_size})' if self.crop_size else ''
            message = f'{where}: {len(bad)} of {len(self.entries)} images cannot be used{need}:\n  {named}'
            if self.settings.on_bad_image == 'error' or not good:
                raise ValueError(f'{message}\nRepair or remove them, or set on_bad_image: skip.')
            get_root_logger().warning(f'{message}\nThey are skipped.')
        self.entries = good


def dataset_roots(settings: NoisyImageOptions) -> list[str]:
    """Return the folders of `dataroot_lq` or `dataroots`, which must exist, `~` expanded."""
    single, several, where = settings.dataroot_lq, settings.dataroots, settings.where
    if bool(single) == bool(several):
        raise ValueError(f'{where}: give either dataroot_lq (one folder or .lmdb) or dataroots (a list of them)')
    if several and settings.meta_info_file:
        raise ValueError(f'{where}: meta_info_file selects from one root; give dataroot_lq instead of dataroots')
    roots = [osp.expanduser(root) for root in (several or [single or ''])]
    for root in roots:
        if not osp.isdir(root):
            raise FileNotFoundError(f'{where}: there is no folder {root}')
    return roots


@dataclass(frozen=True)
class _FileRead:
    path: str

    def __call__(self) -> bytes:
        return read_bytes(self.path)


@dataclass(frozen=True)
class _LmdbRead:
    lmdb: SharedLmdb
    key: str

    def __call__(self) -> bytes:
        return self.lmdb.get(self.key)


def _list_images(root: str, settings: NoisyImageOptions) -> list[ImageEntry]:
    where = settings.where
    wants_lmdb = settings.io_backend is not None and settings.io_backend.type == 'lmdb'
    is_lmdb = root.rstrip('/').endswith('.lmdb')
    if wants_lmdb and not is_lmdb:
        raise ValueError(f"{where}: io_backend is lmdb, but {root} doesn't end in .lmdb")
    listing = settings.meta_info_file
    if is_lmdb:
        entries = list(_list_lmdb(root, listing or osp.join(root, 'meta_info.txt'), where))
    elif listing:
        listed = [(osp.join(root, name), size) for name, size in read_meta_info(listing)]
        entries = [_file_entry(path, size) for path, size in listed]
        missing = [path for path, _ in listed if not osp.exists(path)]
        if missing and settings.on_bad_image == 'error':
            raise ValueError(
                f'{where}: {len(missing)} of {len(entries)} images that {listing} names are missing: '
                f'{name_some(missing)}'
            )
    else:
        entries = [_file_entry(path) for path in sorted(find_images(root))]
    if not entries:
        raise ValueError(f'{where}: {listing or root} names no image ({", ".join(READ_SUFFIXES)})')
    return entries


def _file_entry(path: str, size: tuple[int, int] | None = None) -> ImageEntry:
    return ImageEntry(as_text(path), _FileRead(path), size)


def _list_lmdb(root: str, listing: str, where: str) -> Iterator[ImageEntry]:
    if not osp.isfile(osp.join(root, 'data.mdb')):
        raise FileNotFoundError(f'{where}: {root} holds no data.mdb: it is no finished LMDB')
    lmdb = SharedLmdb(root)
    names: dict[str, str] = {}
    for name, size in read_meta_info(listing):
        key = name.split('.')[0]
        if names.setdefault(key, name) != name:
            raise ValueError(
                f'{where}: {listing} lists {names[key]} and {name}, which are one image to BasicSR: its key is what '
                'stands before the first dot; make the LMDB again with names that have one dot'
            )
        yield ImageEntry(as_text(f'{root}/{name}'), _LmdbRead(lmdb, key), size)


def _missing_keys(entries: list[ImageEntry]) -> set[str]:
    """Paths of the LMDB entries whose keys are not in their LMDB."""
    by_lmdb: dict[SharedLmdb, dict[str, str]] = {}
    for entry in entries:
        if isinstance(entry.read, _LmdbRead):
            by_lmdb.setdefault(entry.read.lmdb, {})[entry.read.key] = entry.path
    return {keys[key] for lmdb, keys in by_lmdb.items() for key in lmdb.missing(keys)}


def find_images(root: str) -> Iterator[str]:
    """Walk a folder for image files; folders that can't be searched are logged and left out.

    Args:
        root: The folder.

    Yields:
        Paths of files that are named like images; hidden files and folders are left out.
    """
    for path in walk_files(Path(root), _say_unsearched):
        if path.suffix.lower() in READ_SUFFIXES:
            yield osp.join(root, path.relative_to(root))


def _say_unsearched(error: OSError) -> None:
    get_root_logger().warning(f'{error.filename}: cannot be searched, left out: {error.strerror}')


def read_meta_info(path: str) -> list[tuple[str, tuple[int, int] | None]]:
    """Read a BasicSR meta-info file.

    Args:
        path: Text file with lines `name.png (h,w,c) 1`; size and level may be missing.

    Returns:
        Name and (height, width), or None where no size is given, of each line.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such list.
    """
    path = osp.expanduser(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'there is no meta-info file {path}')
    entries: list[tuple[str, tuple[int, int] | None]] = []
    # Names of files may be no text; they come out as the system gives them.
    with open(path, encoding='utf-8-sig', errors='surrogateescape') as file:
        for number, line in enumerate(map(str.strip, file), 1):
            if not line:
                continue
            found = _SIZE.search(line)
            name = line[: found.start()] if found else line
            if '\0' in name or len(name) > _LONGEST_NAME:
                raise ValueError(f'{path}, line {number}: this is no name of an image; is it a text file?')
            entries.append((name, (int(found[1]), int(found[2])) if found else None))
    return entries
