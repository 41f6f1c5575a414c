"""Comparing the sizes of BasicSR's pairs: where they differ, training or validation ends without the file's name."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from amsnet_basicsr.images import png, read_size
from amsnet_basicsr.options.blocks.messages import Finding
from amsnet_basicsr.utils.text import name_some

Size = tuple[int, int]


def unequal_pairs(opt: Mapping[str, Any], images: Mapping[str, int]) -> Iterator[Finding]:
    """Find pairs that cannot be cropped alike for training, or compared in validation, by the files' headers.

    Outside training, BasicSR crops a clean image that is too large. `images` has the phases of the sets without fault.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    scale = opt.get('scale', 1)
    for phase in images:
        dataset = opt['datasets'][phase]
        compared = phase == 'train' or opt['val'].get('metrics')
        if dataset['type'] != 'PairedImageDataset' or not compared:
            continue
        try:
            pairs = DATASET_REGISTRY.get('PairedImageDataset')(copy.deepcopy(dataset)).paths
        except Exception:  # found when its images were counted
            continue
        noisy_size, clean_size = _sizes(dataset, 'dataroot_lq'), _sizes(dataset, 'dataroot_gt')
        wrong = []
        for pair in pairs:
            noisy, clean = noisy_size(pair['lq_path']), clean_size(pair['gt_path'])
            if noisy is None or clean is None:
                continue
            wanted = noisy[0] * scale, noisy[1] * scale
            fits = clean == wanted if phase == 'train' else clean[0] >= wanted[0] and clean[1] >= wanted[1]
            if not fits:
                times = f' (scale: {scale})' if scale != 1 else ''
                wrong.append(f'{pair["lq_path"]} has {_text(noisy)} pixels, {pair["gt_path"]} {_text(clean)}{times}')
        if wrong:
            said = f'{len(wrong)} of {len(pairs)} pairs are of unequal size: {name_some(wrong, 3, "; ")}'
            yield Finding(('datasets', phase), f'datasets.{phase}: {said}; crop them alike, or take them out')


def _sizes(dataset: Mapping[str, Any], root: str) -> Callable[[str], Size | None]:
    """Return a function from path or key to size, which reads the list of an LMDB or a file's header."""
    if dataset['io_backend']['type'] != 'lmdb':
        return _size_of_file
    listing = Path(dataset[root], 'meta_info.txt').expanduser().read_text('utf-8', 'surrogateescape')
    found = re.findall(r'^(.+?)\.\w+ \((\d+),(\d+),', listing, re.MULTILINE)
    return {name: (int(height), int(width)) for name, height, width in found}.get


def _size_of_file(path: str) -> Size | None:
    """Read a size; None if the file cannot be read, which the run itself reports."""
    try:
        with open(path, 'rb') as file:
            return png.read_size(file.read(png.HEADER_BYTES))
    except OSError:
        return None
    except ValueError:  # another format
        pass
    try:
        return read_size(path)
    except ValueError:
        return None


def _text(size: Size) -> str:
    return f'{size[0]}×{size[1]}'
