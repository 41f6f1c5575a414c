"""Noisy images with clean ones to compare with: PolyU, CC15 and folders of pairs, for validation and tests."""

import os.path as osp
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import to_tensor
from amsnet_basicsr.data.image_pairs import check_sizes, find_pairs
from amsnet_basicsr.images import decode_image, read_bytes, used_bits
from amsnet_basicsr.options.blocks.datasets import PairedPhotosOptions
from amsnet_basicsr.utils.text import as_text

NOISY = '*_Real.*'
CLEAN = '*_mean.*'


class PairedPhotosDataset(Dataset):
    """Pairs of a noisy and a clean image, whole, read as all of this package's images: upright, 8 or 16 bit.

    Unlike BasicSR's PairedImageDataset, pairs may be in one folder, are sorted, and mismatches are reported before any
    work.

    Args:
        opt: Options, as `PairedPhotosOptions` explains them.

    Raises:
        ValueError: For unknown or contradicting options, training, no images, images without partner, and pairs of
            different sizes.
        FileNotFoundError: If a folder doesn't exist.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        """Find the pairs and compare their sizes."""
        super().__init__()
        self.opt = opt
        self.settings = settings = PairedPhotosOptions.of(opt)
        where = settings.where
        if settings.is_training:
            raise ValueError(f'{where} is for validation and tests; train on noisy images with NoisyImageDataset')
        one, two = bool(settings.dataroot), bool(settings.dataroot_lq) + bool(settings.dataroot_gt)
        if (one, two) not in ((True, 0), (False, 2)):
            raise ValueError(f'{where}: give either dataroot (one folder) or both dataroot_lq and dataroot_gt')
        if two and (settings.noisy or settings.clean):
            raise ValueError(f'{where}: noisy and clean are patterns for the names in dataroot; two folders need none')
        try:
            self.pairs = _find_pairs(settings)
            check_sizes(self.pairs)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from None

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `lq`, `gt`, (C, H, W) float32 in [0, 1], RGB or grey, and `lq_path`, `gt_path`."""
        images = [self._decode(path) for path in self.pairs[index]]
        bits = self._bits if any(image.dtype == np.uint16 for image in images) else 8
        item: dict[str, Any] = {}
        for key, path, image in zip(('lq', 'gt'), self.pairs[index], images, strict=True):
            item[key] = to_tensor(image, bits)
            item[f'{key}_path'] = as_text(path)
        if item['lq'].shape != item['gt'].shape:  # headers may lie
            raise ValueError(f'{item["lq_path"]} and {item["gt_path"]} have different sizes')
        return item

    def _decode(self, path: str) -> np.ndarray:
        return decode_image(read_bytes(path), path, self.settings.channels)

    @cached_property
    def _bits(self) -> int:
        """Range of the 16 bit images: as `bits` says, or the smallest that holds all of them, which are read once."""
        if self.settings.bits:
            return self.settings.bits
        images = (self._decode(path) for pair in self.pairs for path in pair)
        return max(used_bits(image) for image in images if image.dtype == np.uint16)


def _find_pairs(settings: PairedPhotosOptions) -> list[tuple[str, str]]:
    if settings.dataroot:
        root = osp.expanduser(settings.dataroot)
        return find_pairs(root, root, settings.noisy or NOISY, settings.clean or CLEAN)
    return find_pairs(*(osp.expanduser(root or '') for root in (settings.dataroot_lq, settings.dataroot_gt)))
