"""The user's own images: patches of them in an LMDB to train on, and a report."""

import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from amsnet_basicsr.denoise.command.inputs import Inputs, find_inputs
from amsnet_basicsr.images import READ_SUFFIXES
from amsnet_basicsr.prepare.build_records import Choices, Made, Source
from amsnet_basicsr.prepare.image_patches import (
    LeftOutError,
    SimilarImages,
    difference_hash,
    encode_patch,
    is_flat,
    patch_offsets,
    read_usable,
)
from amsnet_basicsr.prepare.lmdb_build import check_target, open_build
from amsnet_basicsr.prepare.noise_report import USUAL_STRIDE, NoiseReport, estimate_noise
from amsnet_basicsr.prepare.outputs import human_bytes
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError

REPORT = 'report.json'
"""Name of the report inside the LMDB's folder; BasicSR reads nothing but `data.mdb` and `meta_info.txt` there."""
OPTIONS = 'options/train_amsnet_small.yml'
_CROP = 160


@dataclass(frozen=True)
class PatchRules:
    """Which images and patches are taken.

    Attributes:
        size: Side of a patch in pixels; images with a shorter side are left out.
        step: Distance between patches in pixels; the last row and column are flush with the border.
        keep_grey: Take grey images too, with three equal channels.
        drop_flat: Leave out patches without noise to learn from, see `is_flat`.
        drop_duplicates: Leave out near-duplicates of earlier images.
    """

    size: int = 256
    step: int = 256
    keep_grey: bool = False
    drop_flat: bool = False
    drop_duplicates: bool = False


@dataclass(frozen=True)
class ImagesReport:
    """What was taken and what was left out; `report.json` in the LMDB's folder."""

    source: str
    rules: dict[str, Any]
    found: int
    taken: int
    jpeg: int
    patches: int
    stored: int  # bytes
    flat_patches: int  # left out, of the images taken
    left_out: dict[str, int]  # by reason
    files_left_out: dict[str, str]  # relative to the folder
    others: dict[str, int]  # files that are not read, by suffix
    noise: NoiseReport

    def lines(self, target: Path) -> Iterator[str]:
        """Say line by line what was made at `target`, what was left out, and what to do next."""
        size = self.rules['size']
        yield (
            f'{target}: {self.patches} patches of {size}×{size} from {self.taken} of {self.found} images, '
            f'{human_bytes(self.stored)}'
        )
        if self.left_out:
            yield f'Left out: {_counts(self.left_out)}; {target / REPORT} names them'
        if self.flat_patches:
            yield f'Flat patches left out: {self.flat_patches}'
        if self.others:
            yield f'Passed over, as not read here: {_counts(self.others)}'
        yield from self.noise.lines()
        if self.jpeg:
            yield (
                f'{self.jpeg} of {self.taken} are JPEG: compression in blocks of 8×8 pixels correlates noise beyond '
                'what any stride undoes; prefer TIFF, PNG, or JPEG of the best quality'
            )
        stride = self.noise.stride or USUAL_STRIDE
        yield f'Next: set in {OPTIONS}'
        yield f'  datasets.train.dataroot_lq: {target}'
        yield f'  datasets.train.crop_size: {min(_CROP, size) // stride * stride}'
        yield f'  datasets.val.dataroot_lq: a folder with a few other noisy images, at least {stride * 2} pixels wide'
        yield f'  scheme.train_stride: {stride}'
        yield f'  scheme.test_stride: {2 if stride > 2 else 1}'
        yield 'and then'
        yield f'  python basicsr/train.py -opt {OPTIONS}'


def find_images(folder: Path) -> Inputs:
    """Search a folder and its subfolders for images."""
    if not folder.is_dir():
        raise UserError(f'there is no folder {folder}')
    inputs = find_inputs([str(folder)], folder)
    if not inputs.found:
        there = f'; it holds {inputs.passed_over_in_words()}' if inputs.passed_over else ''
        raise UserError(f'{folder} holds no image ({", ".join(READ_SUFFIXES)}){there}')
    return inputs


def prepare_images(folder: Path, target: Path, rules: PatchRules, choices: Choices) -> ImagesReport:
    """Cut the images in a folder and its subfolders into patches and write them to a BasicSR LMDB, see `open_build`."""
    if rules.size < 32 or rules.step < 1:
        raise UserError(f'--size must be at least 32 and --step at least 1, got {rules.size} and {rules.step}')
    check_target(target, choices.overwrite)
    inputs, similar = find_images(folder), SimilarImages()
    names = sorted(one.relative.as_posix() for one in inputs.found)
    sources = [
        Source(image_key(name), name, _fingerprint(folder / name), partial(cut_image, folder / name, name, rules))
        for name in names
    ]

    def accept(source: Source, facts: dict[str, Any]) -> dict[str, Any]:
        if rules.drop_duplicates and 'code' in facts:
            code = bytes.fromhex(facts['code'])
            if other := similar.find(code):
                return {'left_out': ['near-duplicate', f'of {other}']}
            similar.add(source.title, code)
        return facts

    settings = {'of': str(folder.resolve()), **asdict(rules)}
    with open_build(target, settings, choices) as build:
        groups = build.fill(sources, accept=accept).groups
        taken = {source.title: group for source in sources if (group := groups[source.name]).count}
        left_out = {
            source.title: groups[source.name].facts['left_out'] for source in sources if source.title not in taken
        }
        if not taken:
            name, why = next(iter(left_out.items()))
            reasons = _counts(Counter(reason for reason, _ in left_out.values()))
            example = ': '.join(filter(None, [name, *why]))
            raise UserError(f'none of the {len(names)} images serves: {reasons}; e.g. {example}')
        for path, reason in inputs.problems.items():
            left_out[os.path.relpath(path, folder)] = ['unreadable', reason]
        report = ImagesReport(
            source=settings['of'],
            rules=asdict(rules),
            found=len(names),
            taken=len(taken),
            jpeg=sum(name.lower().endswith(('.jpg', '.jpeg')) for name in taken),
            patches=sum(group.count for group in taken.values()),
            stored=sum(group.stored for group in taken.values()),
            flat_patches=sum(group.facts['flat'] for group in taken.values()),
            left_out=dict(Counter(reason for reason, _ in left_out.values()).most_common()),
            files_left_out={name: ': '.join(filter(None, why)) for name, why in left_out.items()},
            others=dict(inputs.passed_over),
            noise=estimate_noise([folder / name for name in taken], rules.keep_grey, choices.workers),
        )
        content = json.dumps(asdict(report), indent=2, ensure_ascii=False) + '\n'
        with atomic_write(build.folder / REPORT) as file:
            file.write(content.encode(errors='backslashreplace'))
        build.publish((rules.size, rules.size))
    return report


def cut_image(path: Path, name: str, rules: PatchRules) -> Made:
    """Read an image and cut it into PNG patches, of 8 or 16 bit as the image; or say why it is left out."""
    try:
        image = read_usable(path, rules.size, rules.keep_grey, keep_alpha=False)
        height, width, _ = image.shape
        patches, flat = {}, 0
        for top, left in patch_offsets(height, width, rules.size, rules.step):
            patch = image[top : top + rules.size, left : left + rules.size]
            if rules.drop_flat and is_flat(patch):
                flat += 1
            else:
                patches[f'{image_key(name)}_y{top:05d}_x{left:05d}'] = encode_patch(patch)
        if not patches:
            raise LeftOutError('flat', 'all its patches are')
    except LeftOutError as error:
        return Made({}, {'left_out': [error.reason, error.detail]})
    return Made(patches, {'flat': flat, 'code': difference_hash(image).hex()})


def image_key(name: str) -> str:
    """Make the start of an image's keys: ASCII, without dots, unique, e.g. `holiday_IMG_0012_jpg_1f3a90c2`."""
    return f'{re.sub("[^A-Za-z0-9-]+", "_", name)[-80:]}_{zlib.crc32(name.encode("utf-8", "surrogateescape")):08x}'


def _fingerprint(path: Path) -> list[int]:
    with suppress(OSError):  # a link that leads nowhere
        return [(status := path.stat()).st_size, status.st_mtime_ns]
    return [0, 0]


def _counts(counts: Mapping[str, int]) -> str:
    """Write counts, the largest first, e.g. `3 too small, 1 grey`."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ', '.join(f'{count} {what}' for what, count in ordered)
