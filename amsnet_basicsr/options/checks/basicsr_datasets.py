"""Images of BasicSR's own datasets that are missing, and pairs of unequal size: the run itself would not name them."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from amsnet_basicsr.images import png, read_size
from amsnet_basicsr.options.blocks.messages import Finding, wrong
from amsnet_basicsr.utils.text import name_some

Size = tuple[int, int]


def wrong_files(opt: Mapping[str, Any], built: Mapping[str, Any]) -> Iterator[Finding]:
    """Find listed images that are missing, and pairs that cannot be cropped or compared in the sets built."""
    for phase, made in built.items():
        dataset = opt['datasets'][phase]
        if dataset['type'] not in ('PairedImageDataset', 'SingleImageDataset'):
            continue
        if dataset['io_backend']['type'] == 'disk' and (listing := dataset.get('meta_info_file')):
            entries = [tuple(entry.values()) if isinstance(entry, dict) else (entry,) for entry in made.paths]
            paths = dict.fromkeys(path for entry in entries for path in entry)
            missing = [path for path in paths if not Path(path).is_file()]
            if missing:
                bom = any('\ufeff' in path for path in missing)
                hint = f'; {listing} starts with a byte order mark: save it as UTF-8 without' if bom else ''
                said = f'{len(missing)} of {len(paths)} images that {listing} names are missing: {name_some(missing)}'
                yield wrong(f'{said}{hint}', 'datasets', phase, 'meta_info_file')
        if dataset['type'] == 'PairedImageDataset' and (phase == 'train' or opt['val'].get('metrics')):
            pairs = [(entry['lq_path'], entry['gt_path']) for entry in made.paths]
            unequal = list(_unequal(pairs, dataset, opt.get('scale', 1), phase == 'train'))
            if unequal:
                said = f'{len(unequal)} of {len(pairs)} pairs are of unequal size: {name_some(unequal, 3, "; ")}'
                yield wrong(f'{said}; crop them alike, or take them out', 'datasets', phase)


def _unequal(pairs: list[tuple[str, str]], dataset: Mapping[str, Any], scale: int, cropped: bool) -> Iterator[str]:
    """Compare pairs; where they are not cropped for training, BasicSR itself crops a clean image that is too large."""
    noisy_size, clean_size = _sizes(dataset, 'dataroot_lq'), _sizes(dataset, 'dataroot_gt')
    for noisy_path, clean_path in pairs:
        noisy, clean = noisy_size(noisy_path), clean_size(clean_path)
        if noisy is None or clean is None:
            continue
        wanted = noisy[0] * scale, noisy[1] * scale
        if clean != wanted and (cropped or clean[0] < wanted[0] or clean[1] < wanted[1]):
            sizes = [f'{height}×{width}' for height, width in (noisy, clean)]
            times = f' (scale: {scale})' if scale != 1 else ''
            yield f'{noisy_path} has {sizes[0]} pixels, {clean_path} {sizes[1]}{times}'


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
