"""Stage `prepare`: which patches, their files, and the strides that the noise asks for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amsnet_basicsr.fit.images import read_pixels, spread, survey, survey_for_training
from amsnet_basicsr.fit.networks import network_bytes
from amsnet_basicsr.fit.patches import Cut, hold_one_out, patch_files, plan_cuts, write_patches
from amsnet_basicsr.fit.stages.time_budget import measure, refuse_too_little_time
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.prepare.noise_correlation import NoiseSpectra, noise_spectra
from amsnet_basicsr.prepare.noise_report import choose_strides, report_noise
from amsnet_basicsr.prepare.outputs import check_space
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

_MOST_IMAGES = 200  # more are thinned out evenly: patches are bounded, and reading takes time
_IMAGES_FOR_NOISE = 32
_BYTES_PER_PIXEL = 4.0  # of a noisy patch and its denoised one, as PNG


def has_patches(fit: Fit) -> bool:
    """Check that all patches are still there."""
    if any(len(patch_files(fit.folder, part)) != fit.facts('prepare')[part] for part in ('train', 'held_out')):
        raise UserError(f'{fit.folder / "patches"}: patches are missing or added since; --restart starts over')
    return True


def prepare(fit: Fit, facts: dict[str, Any]) -> None:
    """Choose the patches, cut them, and choose the strides."""
    settings = fit.settings
    paths = [*map(Path, fit.images)]
    images, left_out = survey_for_training(spread(paths, _MOST_IMAGES))
    cuts = plan_cuts(images, settings.patch, settings.patches, settings.seed)
    sides = _sides(cuts)
    if settings.iterations is None:  # a time that is too short is told before the work
        costs = measure(fit, sides, settings.train_stride or 5)['costs']
        spared = sum(len(cut.held_out) for cut in cuts)
        refuse_too_little_time(costs, sides['patches'] - spared, spared, settings.minutes)
    needed = sides['patches'] * sides['mean_side'] ** 2 * _BYTES_PER_PIXEL + network_bytes(settings.width)
    check_space(needed, fit.folder, 'take fewer --patches')
    numbered = {cut.path: (number, cut) for number, cut in enumerate(cuts)}

    def cut_up(path: Path) -> list[NoiseSpectra]:
        number, cut = numbered[path]
        pixels = read_pixels(path)
        write_patches(cut, pixels, fit.folder, f'image{number:04d}')
        return [] if number % -(-len(cuts) // _IMAGES_FOR_NOISE) else [noise_spectra(pixels)]

    spectra, unreadable = survey([*numbered], cut_up)
    train, held_out = hold_one_out(fit.folder)
    noise = report_noise([one for found in spectra.values() for one in found])
    facts.update(sides | choose_strides(noise, settings.train_stride, settings.test_stride))
    facts.update(
        train=train,
        held_out=held_out,
        images=len(images) - len(unreadable),
        held_out_images=sum(not cut.train for cut in cuts),
        left_out=left_out | unreadable,
        thinned=max(0, len(paths) - _MOST_IMAGES),
    )
    say(
        'prepare: {train} patches to train on, {held_out} held out, {side} to {largest} pixels wide, '
        'of {images} images; strides {train_stride} and {test_stride} ({reason})'.format(**facts)
    )


def _sides(cuts: Sequence[Cut]) -> dict[str, int]:
    """Number of patches, and their least, largest and mean side."""
    sides = [(bottom - top, right - left) for cut in cuts for top, left, bottom, right in (*cut.train, *cut.held_out)]
    pixels = sum(height * width for height, width in sides)
    return {
        'patches': len(sides),
        'side': min(map(min, sides)),
        'largest': max(map(max, sides)),
        'mean_side': round((pixels / len(sides)) ** 0.5),
    }
