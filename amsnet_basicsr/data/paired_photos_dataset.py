"""Noisy images with clean ones to compare with: PolyU, CC15 and folders of pairs, for validation and tests."""

import os.path as osp
import re
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from amsnet_basicsr.data.augment import to_tensor
from amsnet_basicsr.data.image_list import existing_folder, find_images, naming
from amsnet_basicsr.images import READ_SUFFIXES, decode_image, read_bytes, read_size, used_bits
from amsnet_basicsr.options.blocks.datasets import PairedPhotosOptions
from amsnet_basicsr.utils.text import as_text, name_some

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
        with naming(settings.where):
            self.pairs = _find_pairs(settings)
            check_sizes(self.pairs)

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
    """Find the pairs in one folder by two patterns, or in two folders by equal names."""
    if settings.is_training:
        raise ValueError('it is for validation and tests; train on noisy images with NoisyImageDataset')
    one, two = settings.dataroot, [root for root in (settings.dataroot_lq, settings.dataroot_gt) if root]
    if (bool(one), len(two)) not in ((True, 0), (False, 2)):
        raise ValueError('give either dataroot (one folder) or both dataroot_lq and dataroot_gt')
    if one:
        root = osp.expanduser(one)
        return find_pairs(root, root, settings.noisy or NOISY, settings.clean or CLEAN)
    if settings.noisy or settings.clean:
        raise ValueError('noisy and clean are patterns for the names in dataroot; two folders need none')
    return find_pairs(*map(osp.expanduser, two))


def find_pairs(
    noisy_root: str, clean_root: str, noisy: str | None = None, clean: str | None = None
) -> list[tuple[str, str]]:
    """Find the pairs of noisy and clean images, in the order of their names.

    Args:
        noisy_root: Folder of the noisy ones; subfolders count.
        clean_root: Folder of the clean ones, or the same.
        noisy: Pattern of the noisy ones' names, e.g. `*_Real.*`. The first `*` stands for what a pair has in common,
            a later one for anything. Letters match in either case. None: pairs have the same path in their folders but
            for suffix and case.
        clean: Pattern of the clean ones' names.

    Returns:
        Paths of each pair; both lie in the same subfolder.

    Raises:
        FileNotFoundError: If a folder doesn't exist.
        ValueError: If no image matches, one has no partner, or several have the same one.
    """
    one, other = _by_partner(noisy_root, noisy), _by_partner(clean_root, clean)
    texts = []
    for mine, theirs, root, pattern in ((one, other, noisy_root, noisy), (other, one, clean_root, clean)):
        alone = [path for key, path in sorted(mine.items()) if key not in theirs]
        if alone:
            like = '' if pattern is None else f'like {pattern!r} '
            texts.append(f'{len(alone)} images {like}in {root} ({name_some(alone)})')
    if texts:
        raise ValueError(f'{" and ".join(texts)} have no partner; take them out or add what is missing')
    return [(osp.join(noisy_root, one[key]), osp.join(clean_root, other[key])) for key in sorted(one)]


def check_sizes(pairs: list[tuple[str, str]]) -> None:
    """Raise a `ValueError` that counts and names pairs of unequal size, and images whose header cannot be read."""
    problems = []
    for noisy, clean in pairs:
        try:
            sizes = [read_size(path) for path in (noisy, clean)]
        except ValueError as error:
            problems.append(str(error))
            continue
        if sizes[0] != sizes[1]:
            texts = [f'{height}×{width}' for height, width in sizes]
            problems.append(f'{noisy} has {texts[0]} pixels, {clean} {texts[1]}')
    if problems:
        raise ValueError(f'{len(problems)} of {len(pairs)} pairs cannot be compared: {name_some(problems)}')


def _by_partner(root: str, pattern: str | None) -> dict[str, str]:
    """List a folder's images, relative to it, by what they have in common with their partners."""
    expression = _expression('*.*' if pattern is None else pattern)
    found: dict[str, str] = {}
    for path in (osp.relpath(path, root) for path in find_images(existing_folder(root))):
        folder, name = osp.split(path)
        if match := expression.fullmatch(name):
            key = osp.join(folder.lower() if pattern is None else folder, match[1].lower())
            if found.setdefault(key, path) != path:
                raise ValueError(f'{root}: {found[key]} and {path} would have the same partner; take one of them out')
    if not found:
        like = '' if pattern is None else f' whose name is like {pattern!r}'
        raise ValueError(f'{root} holds no image{like} ({", ".join(READ_SUFFIXES)})')
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    if '*' not in pattern:
        raise ValueError(f"the pattern {pattern!r} needs a * for what the names of a pair have in common: '*_Real.*'")
    before, after = pattern.split('*', 1)
    # Greedy, so that a stem may hold the rest of the pattern too.
    rest = '.*'.join(map(re.escape, after.split('*')))
    return re.compile(f'{re.escape(before)}(.*){rest}', re.IGNORECASE | re.DOTALL)
