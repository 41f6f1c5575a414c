"""Noisy images without ground truth: all that AMSNet trains on."""

from typing import Any

import numpy as np
from basicsr.utils import get_root_logger
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import to_tensor, training_crop
from amsnet_basicsr.data.image_list import ImageEntry, existing_folder, list_folder, list_lmdb, naming
from amsnet_basicsr.images import READ_SUFFIXES, decode_image, used_bits
from amsnet_basicsr.options.blocks.datasets import NoisyImageOptions
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.parallel import ordered_map
from amsnet_basicsr.utils.text import name_some


class NoisyImageDataset(Dataset):
    """Unpaired noisy images from folders, meta-info files or BasicSR LMDBs.

    For training, random crops with flips and rotations; for validation and testing, whole images. All draws come from
    torch's generator, which differs by worker and epoch.

    Images of 16 bits have one range for each folder, the smallest that holds them all: judged each by itself, a dark
    patch of an image would be brightened, and its noise with it.

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
        with naming(settings.where):
            self.entries = [entry for root in dataset_roots(settings) for entry in _list_images(root, settings)]
        self._bits: dict[str, int] = {}  # of the 16 bit images, by root
        self._cache: dict[int, np.ndarray] = {}
        self._check()

    def __len__(self) -> int:
        """Number of usable images."""
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read an image: `lq`, (C, H, W) float32 in [0, 1], RGB or grey, and `lq_path`."""
        entry = self.entries[index]
        image = self._cache[index] if index in self._cache else self._decode(entry)
        if self.crop_size is not None:
            image = training_crop(image, self.crop_size, self.settings)
        bits = self.settings.bits or self._bits.get(entry.root, 16)
        return {'lq': to_tensor(image, bits), 'lq_path': entry.path}

    def _decode(self, entry: ImageEntry) -> np.ndarray:
        image = decode_image(entry.read(), entry.path, self.settings.channels)
        self._check_size(entry.path, image.shape[:2])
        return image

    def _check_size(self, path: str, size: tuple[int, ...]) -> None:
        if self.crop_size is not None and min(size) < self.crop_size:
            raise ValueError(f'{path} is too small: {size[0]}×{size[1]} pixels')

    def _check(self) -> None:
        """Read the images once: judge their range, fill the cache, drop or refuse the bad ones.

        Of an LMDB only listing and keys are checked, which is quick however large it is; its images are decoded for the
        cache alone, until that is full.
        """
        room = (self.settings.cache_mb or 0) * 1e6

        def read(entry: ImageEntry) -> np.ndarray | Exception | None:
            try:
                if entry.missing:
                    raise ValueError(f'{entry.path} is listed but missing')
                if entry.size is not None:
                    self._check_size(entry.path, entry.size)
                wanted = room > 0 or (self.settings.check_images and entry.lmdb is None)
                return self._decode(entry) if wanted else None
            except (ValueError, KeyError) as error:
                return error

        good: list[ImageEntry] = []
        bad: list[str] = []
        for entry, image in zip(self.entries, ordered_map(read, self.entries), strict=True):
            if isinstance(image, Exception):
                bad.append(str(image))
                continue
            if image is not None:
                if self.settings.check_images and entry.lmdb is None and image.dtype == np.uint16:
                    self._bits[entry.root] = max(self._bits.get(entry.root, 0), used_bits(image))
                if image.nbytes <= room:
                    self._cache[len(good)] = image
                room -= image.nbytes  # below zero, the rest isn't kept
            good.append(entry)
        if bad:
            where, named = self.settings.where, name_some(bad, 10, '\n  ')
            need = f' (crops need {self.crop_size}×{self.crop_size})' if self.crop_size else ''
            message = f'{where}: {len(bad)} of {len(self.entries)} images cannot be used{need}:\n  {named}'
            if self.settings.on_bad_image == 'error' or not good:
                raise UserError(f'{message}\nRepair or remove them, or set on_bad_image: skip.')
            get_root_logger().warning(f'{message}\nThey are skipped.')
        self.entries = good


def dataset_roots(settings: NoisyImageOptions) -> list[str]:
    """Return the folders of `dataroot_lq` or `dataroots`, which must exist, `~` expanded."""
    single, several = settings.dataroot_lq, settings.dataroots
    if bool(single) == bool(several):
        raise ValueError('give either dataroot_lq (one folder or .lmdb) or dataroots (a list of them)')
    if several and settings.meta_info_file:
        raise ValueError('meta_info_file selects from one root; give dataroot_lq instead of dataroots')
    return [existing_folder(root) for root in (several or [single or ''])]


def _list_images(root: str, settings: NoisyImageOptions) -> list[ImageEntry]:
    listing = settings.meta_info_file
    is_lmdb = root.rstrip('/').endswith('.lmdb')
    if settings.io_backend is not None and settings.io_backend.type == 'lmdb' and not is_lmdb:
        raise ValueError(f"io_backend is lmdb, but {root} doesn't end in .lmdb")
    entries = (list_lmdb if is_lmdb else list_folder)(root, listing)
    if not entries:
        raise ValueError(f'{listing or root} names no image ({", ".join(READ_SUFFIXES)})')
    absent = [entry.path for entry in entries if entry.missing]
    if absent and not is_lmdb and settings.on_bad_image == 'error':
        raise ValueError(
            f'{len(absent)} of {len(entries)} images that {listing} names are missing: {name_some(absent)}'
        )
    return entries
