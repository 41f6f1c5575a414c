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
    difference_hash,
    encode_patch,
    find_similar,
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


def find_images(folder: Path) -> Inputs:
    """Search a folder and its subfolders for images."""
    if not folder.is_dir():
        raise UserError(f'there is no folder {folder}')
    inputs = find_inputs([str(folder)], folder)
    if not inputs.found:
        there = f'; it holds {inputs.passed_over_in_words()}' if inputs.passed_over else ''
        raise UserError(f'{folder} holds no image ({", ".join(READ_SUFFIXES)}){there}')
    return inputs


def prepare_images(folder: Path, target: Path, rules: PatchRules, choices: Choices) -> list[str]:
    """Cut the images in a folder and its subfolders into patches and write them to a BasicSR LMDB, see `open_build`.

    What was taken and what was left out is in `report.json` in the LMDB's folder; returns it in words.
    """
    if rules.size < 32 or rules.step < 1:
        raise UserError(f'--size must be at least 32 and --step at least 1, got {rules.size} and {rules.step}')
    check_target(target, choices.overwrite)
    inputs = find_images(folder)
    codes: dict[str, int] = {}
    names = sorted(one.relative.as_posix() for one in inputs.found)
    sources = [
        Source(image_key(name), name, _fingerprint(folder / name), partial(cut_image, folder / name, name, rules))
        for name in names
    ]

    def accept(source: Source, facts: dict[str, Any]) -> dict[str, Any]:
        if rules.drop_duplicates and 'code' in facts:
            code = int(facts['code'], 16)
            if other := find_similar(code, codes):
                return {'left_out': ['near-duplicate', f'of {other}']}
            codes[source.title] = code
        return facts

    settings = {'of': str(folder.resolve()), **asdict(rules)}
    with open_build(target, settings, choices) as build:
        build.fill(sources, accept=accept)
        groups = {source.title: build.groups[source.name] for source in sources}
        taken = [name for name, group in groups.items() if group.count]
        left_out = {name: group.facts['left_out'] for name, group in groups.items() if not group.count}
        reasons = Counter(reason for reason, _ in left_out.values())
        if not taken:
            example = ': '.join(filter(None, [names[0], *left_out[names[0]]]))
            raise UserError(f'none of the {len(names)} images serves: {_counts(reasons)}; e.g. {example}')
        for path, reason in inputs.problems.items():
            left_out[os.path.relpath(path, folder)] = ['unreadable', reason]
            reasons['unreadable'] += 1
        noise = estimate_noise([folder / name for name in taken], rules.keep_grey, choices.workers)
        report = {
            'source': settings['of'],
            'rules': asdict(rules),
            'found': len(names),
            'taken': len(taken),
            'jpeg': sum(name.lower().endswith(('.jpg', '.jpeg')) for name in taken),
            'patches': build.images,
            'stored': build.stored,  # bytes
            'flat_patches': sum(groups[name].facts['flat'] for name in taken),  # left out, of the images taken
            'left_out': dict(reasons.most_common()),
            'files_left_out': {name: ': '.join(filter(None, why)) for name, why in left_out.items()},
            'others': dict(inputs.passed_over),  # files that are not read, by suffix
            'noise': asdict(noise),
        }
        content = json.dumps(report, indent=2, ensure_ascii=False) + '\n'
        with atomic_write(build.folder / REPORT) as file:
            file.write(content.encode(errors='backslashreplace'))
        build.publish((rules.size, rules.size))
    return [*_lines(report, noise, target)]


def _lines(report: Mapping[str, Any], noise: NoiseReport, target: Path) -> Iterator[str]:
    """Say line by line what was made at `target`, what was left out, and what to do next."""
    size = report['rules']['size']
    yield (
        f'{target}: {report["patches"]} patches of {size}×{size} from {report["taken"]} of {report["found"]} images, '
        f'{human_bytes(report["stored"])}'
    )
    if report['left_out']:
        yield f'Left out: {_counts(report["left_out"])}; {target / REPORT} names them'
    if report['flat_patches']:
        yield f'Flat patches left out: {report["flat_patches"]}'
    if report['others']:
        yield f'Passed over, as not read here: {_counts(report["others"])}'
    yield from noise.lines()
    if report['jpeg']:
        yield (
            f'{report["jpeg"]} of {report["taken"]} are JPEG: compression in blocks of 8×8 pixels correlates noise '
            'beyond what any stride undoes; prefer TIFF, PNG, or JPEG of the best quality'
        )
    stride = noise.stride or USUAL_STRIDE
    yield f'Next: set in {OPTIONS}'
    yield f'  datasets.train.dataroot_lq: {target}'
    yield f'  datasets.train.crop_size: {min(_CROP, size) // stride * stride}'
    yield f'  datasets.val.dataroot_lq: a folder with a few other noisy images, at least {stride * 2} pixels wide'
    yield f'  scheme.train_stride: {stride}'
    yield f'  scheme.test_stride: {2 if stride > 2 else 1}'
    yield 'and then'
    yield f'  python basicsr/train.py -opt {OPTIONS}'


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
    return Made(patches, {'flat': flat, 'code': f'{difference_hash(image):064x}'})


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
