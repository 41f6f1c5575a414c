"""A folder of people's own images: patches in an LMDB to train on, and what its noise is like."""

import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amsnet_basicsr.images import READ_SUFFIXES
from amsnet_basicsr.prepare.build_lmdb import Choices, check_target
from amsnet_basicsr.prepare.errors import PrepareError
from amsnet_basicsr.prepare.noise_correlation import (
    NoiseCorrelation,
    NoiseSpectra,
    combine_spectra,
    noise_spectra,
    recommend_stride,
)
from amsnet_basicsr.prepare.photo_rules import CutImage, ImageRules, LeftOutError, cut_image, read_usable
from amsnet_basicsr.prepare.photo_similarity import SimilarImages
from amsnet_basicsr.prepare.resumable_lmdb import Listing, ResumableLmdb, finished_lines
from amsnet_basicsr.prepare.whole_output import discard, only_run, partial_path, publish
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.parallel import available_cores, ordered_map

REPORT = 'report.json'
"""Name of the report inside the LMDB's folder; BasicSR reads nothing but `data.mdb` and `meta_info.txt` there."""
ESTIMATED_FROM = 256
"""So many images, evenly chosen, tell what the noise is like."""
_SPECTRA = 16384  # flat patches in all: bounds the memory of the estimate to about 300 MB


@dataclass(frozen=True)
class FoundImages:
    """What a folder holds.

    Attributes:
        folder: The folder.
        names: Images, relative to it, sorted.
        others: Number of other files by suffix.
    """

    folder: Path
    names: tuple[str, ...]
    others: Mapping[str, int]


@dataclass(frozen=True)
class NoiseReport:
    """What the noise is like, in plain values.

    Attributes:
        stride: Recommended train stride; None if there is no estimate.
        why_not: Why there is none.
        images: Number of images that the estimate is from.
        patches: Number of flat patches in them.
        sigma: Standard deviation of red, green and blue in flat patches, of 255.
        horizontal: Correlation at lags 0, 1, 2, … in rows, mean of the channels.
        vertical: The same in columns.
        mean: Mean of both.
        doubtful: Whether texture of the scene must have been taken for noise.
    """

    stride: int | None
    why_not: str = ''
    photos: int = 0
    patches: int = 0
    sigma: tuple[float, ...] = ()
    horizontal: tuple[float, ...] = ()
    vertical: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    doubtful: bool = False


@dataclass(frozen=True)
class ImagesReport:
    """What was taken and what was left; stands in the LMDB's folder as `report.json`.

    Attributes:
        source: The folder, absolute.
        rules: The rules, see `ImageRules`.
        found: Number of images found.
        taken: Number of images that patches are from.
        jpeg: How many of those are JPEG.
        patches: Number of patches.
        stored: Their bytes.
        flat_patches: Patches left out as flat, of the images taken.
        left_out: Number of images left out, by reason.
        files_left_out: For each of those its name, relative to the folder, and why.
        others: Files that are no images, by suffix.
        noise: What the noise is like.
    """

    source: str
    rules: dict[str, Any]
    found: int
    taken: int
    jpeg: int
    patches: int
    stored: int
    flat_patches: int
    left_out: dict[str, int]
    files_left_out: dict[str, str]
    others: dict[str, int]
    noise: NoiseReport


def find_images(folder: Path) -> FoundImages:
    """Search a folder and its subfolders for images; hidden ones are passed over.

    Args:
        folder: The folder.

    Returns:
        What was found.

    Raises:
        PrepareError: If there is no such folder, or it holds no image.
    """
    if not folder.is_dir():
        raise PrepareError(f'there is no folder {folder}')
    names, others = [], Counter()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.') and not name.endswith('.lmdb')]
        for name in files:
            suffix = Path(name).suffix.lower()
            if name.startswith('.'):
                continue
            if suffix in READ_SUFFIXES:
                names.append(Path(parent, name).relative_to(folder).as_posix())
            else:
                others[suffix] += 1
    if not names:
        there = f'; it holds {_count_others(others)}' if others else ''
        raise PrepareError(f'{folder} holds no image ({", ".join(READ_SUFFIXES)}){there}')
    return FoundImages(folder, tuple(sorted(names)), dict(others))


def prepare_photos(folder: Path, target: Path, rules: ImageRules, choices: Choices | None = None) -> ImagesReport:
    """Cut a folder of images into patches and write them to a BasicSR LMDB.

    The LMDB is written as `<target>.partial` and renamed when it is whole; if a run is stopped, however that happens,
    the next one with the same folder and rules goes on. Of the images one per worker and two more are in memory.

    Args:
        folder: The folder, searched with its subfolders.
        target: The LMDB; its name ends in `.lmdb`.
        rules: What is taken.
        choices: Workers, overwriting, restarting.

    Returns:
        What was made.

    Raises:
        PrepareError: If there is something to mend, or no image serves.
    """
    choices = choices or Choices()
    check_rules(rules)
    check_target(target, choices.overwrite)
    found = find_images(folder)
    partial = partial_path(target)
    with only_run(partial):
        if choices.restart:
            discard(partial)
        settings = {'of': str(folder.resolve()), **asdict(rules)}
        report = _finished_earlier(partial, settings)
        if report is None:
            with ResumableLmdb(partial, settings) as output:
                report = _fill(output, found, rules, choices)
        publish(partial, target)
    return report


def estimate_noise(found: FoundImages, names: Sequence[str], rules: ImageRules, workers: int | None) -> NoiseReport:
    """Estimate the noise of images and its correlation.

    Args:
        found: The folder.
        names: Which of its images to look at; at most `ESTIMATED_FROM` of them, evenly chosen, are.
        rules: What serves; the size of patches doesn't matter.
        workers: Threads; None for one per core.

    Returns:
        The estimate, or why there is none.
    """
    chosen = [names[i * len(names) // ESTIMATED_FROM] for i in range(ESTIMATED_FROM)]
    chosen = list(dict.fromkeys(chosen))  # fewer images come several times
    limit = max(16, _SPECTRA // max(1, len(chosen)))

    def look(name: str) -> NoiseSpectra | None:
        try:
            return noise_spectra(read_usable(found.folder / name, rules), limit)
        except LeftOutError:
            return None

    bar = tqdm(
        ordered_map(look, chosen, workers or available_cores()), 'noise', len(chosen), unit='image', disable=None
    )
    spectra = [result for result in bar if result is not None and len(result.power)]
    try:
        correlation = combine_spectra(spectra)
    except ValueError as error:
        return NoiseReport(None, str(error))
    return _describe_noise(correlation, len(spectra))


def check_rules(rules: ImageRules) -> None:
    """Refuse sizes that cannot be.

    Args:
        rules: The rules.

    Raises:
        PrepareError: If a number is out of range.
    """
    if rules.size < 32 or rules.step < 1:
        raise PrepareError(f'--size must be at least 32 and --step at least 1, got {rules.size} and {rules.step}')


def image_key(name: str) -> str:
    """Make the start of an image's keys: ASCII, without dots, different for different names.

    Args:
        name: Name of the file, relative to its folder.

    Returns:
        For example `holiday_IMG_0012_jpg_1f3a90c2`.
    """
    return f'{re.sub("[^A-Za-z0-9-]+", "_", name)[-80:]}_{zlib.crc32(name.encode("utf-8", "surrogateescape")):08x}'


def _patch_key(image: str, top: int, left: int) -> str:
    return f'{image}_y{top:05d}_x{left:05d}'


def _describe_noise(correlation: NoiseCorrelation, images: int) -> NoiseReport:
    def plain(values: Iterable[float], digits: int = 4) -> tuple[float, ...]:
        return tuple(round(float(value), digits) for value in values)

    return NoiseReport(
        stride=recommend_stride(correlation),
        photos=images,
        patches=correlation.patches,
        sigma=plain(correlation.sigma * 255, 2),
        horizontal=plain(correlation.horizontal.mean(axis=0)),
        vertical=plain(correlation.vertical.mean(axis=0)),
        mean=plain(correlation.mean),
        doubtful=correlation.doubtful,
    )


def _finished_earlier(partial: Path, settings: Mapping[str, Any]) -> ImagesReport | None:
    """Take over what a run that was stopped at the very end left, which needs nothing but its name."""
    if finished_lines(partial) is None:
        return None
    try:
        report = json.loads((partial / REPORT).read_text(encoding='utf-8'))
        report = ImagesReport(**{**report, 'noise': NoiseReport(**report['noise'])})
    except (OSError, ValueError, TypeError, KeyError):
        report = None
    if report is None or {'of': report.source, **report.rules} != settings:
        raise PrepareError(f'{partial} is whole, but holds something else than asked for; --restart begins anew')
    return report


def _fill(output: ResumableLmdb, found: FoundImages, rules: ImageRules, choices: Choices) -> ImagesReport:
    """Write the patches of all images, then estimate the noise, write the report and list the patches."""
    records = _earlier_records(output, found)
    if records:
        choices.say(f'Going on: {len(records)} of {len(found.names)} images are done already')
    similar = SimilarImages()
    results = ordered_map(
        lambda name: _cut_or_leave(found.folder / name, rules),
        [name for name in found.names if name not in records],
        choices.workers or available_cores(),
    )
    for name in tqdm(found.names, 'patches', unit='image', disable=None):
        if name not in records:
            records[name] = _store(output, found, name, next(results), similar if rules.drop_duplicates else None)
        if rules.drop_duplicates and records[name]['code']:
            similar.add(name, bytes.fromhex(records[name]['code']))
    taken = [name for name in found.names if records[name]['patches']]
    if not taken:
        reasons = Counter(record['left_out'][0] for record in records.values())
        first = next(iter(found.names))
        why = ': '.join(filter(None, records[first]['left_out']))
        raise PrepareError(f'none of the {len(records)} images serves: {count_reasons(reasons)}; e.g. {first}: {why}')
    noise = estimate_noise(found, taken, rules, choices.workers)
    report = _report(found, rules, records, taken, noise, sum(group.stored for group in output.groups().values()))
    with atomic_write(output.folder / REPORT) as file:
        file.write((json.dumps(asdict(report), indent=2, ensure_ascii=False) + '\n').encode(errors='backslashreplace'))
    output.finish(_list_patches(records, taken, rules.size))
    return report


def _cut_or_leave(path: Path, rules: ImageRules) -> CutImage | LeftOutError:
    try:
        return cut_image(path, rules)
    except LeftOutError as reason:
        return reason


def _store(
    output: ResumableLmdb, found: FoundImages, name: str, result: CutImage | LeftOutError, similar: SimilarImages | None
) -> dict[str, Any]:
    """Write the patches of an image, or that it was left out."""
    if isinstance(result, CutImage) and similar is not None:
        other = similar.find(result.code)
        if other is not None:
            result = LeftOutError('near-duplicate', f'of {other}')
    record: dict[str, Any] = {'file': _fingerprint(found.folder / name), 'patches': [], 'flat': 0, 'code': ''}
    key, images = image_key(name), {}
    if isinstance(result, LeftOutError):
        record['left_out'] = [result.reason, result.detail]
    else:
        images = {_patch_key(key, *place): content for place, content in result.patches.items()}
        record.update(patches=[list(place) for place in result.patches], flat=result.flat, code=result.code.hex())
    output.put_group(key, images, record)
    return record


def _fingerprint(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere
        return [0, 0]
    return [status.st_size, status.st_mtime_ns]


def _earlier_records(output: ResumableLmdb, found: FoundImages) -> dict[str, dict[str, Any]]:
    """Read what an earlier run did, and make sure that the images are still the same."""
    groups = output.groups()
    records = {name: groups.pop(image_key(name)).source for name in found.names if image_key(name) in groups}
    changed = [name for name, record in records.items() if record['file'] != _fingerprint(found.folder / name)]
    if groups or changed:
        what = f'{changed[0]} has changed' if changed else f'{len(groups)} images are gone'
        raise PrepareError(f'{found.folder}: {what} since {output.folder} was begun; --restart begins anew')
    return records


def _list_patches(records: Mapping[str, dict[str, Any]], taken: Iterable[str], size: int) -> Listing:
    for name in taken:
        for top, left in records[name]['patches']:
            yield _patch_key(image_key(name), top, left), (size, size)


def _report(
    found: FoundImages,
    rules: ImageRules,
    records: Mapping[str, dict[str, Any]],
    taken: Sequence[str],
    noise: NoiseReport,
    stored: int,
) -> ImagesReport:
    left_out = {name: records[name]['left_out'] for name in found.names if not records[name]['patches']}
    return ImagesReport(
        source=str(found.folder.resolve()),
        rules=asdict(rules),
        found=len(found.names),
        taken=len(taken),
        jpeg=sum(name.lower().endswith(('.jpg', '.jpeg')) for name in taken),
        patches=sum(len(records[name]['patches']) for name in taken),
        stored=stored,
        flat_patches=sum(records[name]['flat'] for name in taken),
        left_out=dict(Counter(reason for reason, _ in left_out.values()).most_common()),
        files_left_out={name: ': '.join(filter(None, why)) for name, why in left_out.items()},
        others=dict(found.others),
        noise=noise,
    )


def count_reasons(reasons: Mapping[str, int]) -> str:
    """Write counts by reason, the most frequent first.

    Args:
        reasons: Counts by reason.

    Returns:
        For example `3 too small, 1 grey`.
    """
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ', '.join(f'{count} {reason}' for reason, count in ordered)


def _count_others(others: Mapping[str, int]) -> str:
    return ', '.join(f'{count} {suffix or "without suffix"}' for suffix, count in Counter(others).most_common(5))
