"""The stages of a fit. Each can be run again after a kill and resumes where it was."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amsnet_basicsr.archs import NAFNet
from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.fit.images import choose_strides, read_pixels, refuse_all, say_left_out, spread, survey_for_training
from amsnet_basicsr.fit.learn import make_pairs, train_student, train_teacher
from amsnet_basicsr.fit.networks import TEACHER, network_bytes, network_options, student_network, trained_weights
from amsnet_basicsr.fit.pack import is_finished, pack
from amsnet_basicsr.fit.patches import Cut, hold_one_out, patch_files, plan_cuts, write_patches
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.fit.time_budget import Costs, crop_size, measure, plan_steps, refuse_too_little_time
from amsnet_basicsr.prepare.image_patches import LeftOutError
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.prepare.outputs import check_space
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import printable, say

_MOST_IMAGES = 200  # more are thinned out evenly: patches are bounded, and reading takes time
_IMAGES_FOR_NOISE = 32
_BYTES_PER_PIXEL = 4.0  # of a noisy patch and its denoised one, as PNG
_ON_CPU, _ON_GPU = (120, 2), (160, 16)
"""Side of the training crops in pixels, and crops in a step. The paper's side is 160; where time is short, more steps
of less do better."""


def run_stages(fit: Fit) -> None:
    """Do what is left to do.

    Raises:
        UserError: If something can't be done; a later run resumes.
    """
    stages: dict[str, tuple[Callable[[Fit, dict[str, Any]], None], Callable[[], bool]]] = {
        'prepare': (prepare, lambda: _has_patches(fit)),
        'plan': (plan, lambda: True),
        'teacher': (train_teacher, (fit.folder / TEACHER).is_file),
        'pairs': (make_pairs, (fit.folder / 'pairs' / 'train.txt').is_file),
        'student': (train_student, (fit.folder / trained_weights('student', 'latest')).is_file),
        'pack': (pack, lambda: is_finished(fit)),
    }
    for name, (run, is_there) in stages.items():
        if fit.done(name) and is_there():
            say(f'{name}: done before')
            continue
        try:
            with fit.stage(name) as facts:
                run(fit, facts)
        except DenoiseError as error:
            raise UserError(f'{name}: {error}') from None


def _has_patches(fit: Fit) -> bool:
    if any(len(patch_files(fit.folder, part)) != fit.facts('prepare')[part] for part in ('train', 'held_out')):
        raise UserError(f'{fit.folder / "patches"}: patches are missing or added since; --restart starts over')
    return True


def prepare(fit: Fit, facts: dict[str, Any]) -> None:
    """Choose the patches, cut them, and choose the strides."""
    settings, folder = fit.settings, fit.folder / 'patches'
    paths = [Path(path) for path, _ in fit.images]
    chosen = spread(paths, _MOST_IMAGES)
    images, left_out = survey_for_training(chosen)
    cuts = plan_cuts(images, settings.patch, settings.patches, settings.seed)
    sides = _sides(cuts)
    if settings.iterations is None:  # a time that is too short is told before the work
        costs = _measure(fit, sides, settings.train_stride or 5)['costs']
        held_out = sum(len(cut.held_out) for cut in cuts)
        refuse_too_little_time(Costs(**costs), sides['patches'] - held_out, held_out, settings.minutes)
    needed = sides['patches'] * sides['mean_side'] ** 2 * _BYTES_PER_PIXEL + network_bytes(settings.width)
    check_space(needed, fit.folder, 'take fewer --patches')
    spectra, unreadable = [], {}
    for number, cut in enumerate(tqdm(cuts, 'reading', unit='image', disable=None, leave=False)):
        try:
            pixels = read_pixels(cut.image.path)
        except LeftOutError as error:
            unreadable[printable(str(cut.image.path))] = str(error)
            say_left_out(str(cut.image.path), str(error))
            continue
        if number % -(-len(cuts) // _IMAGES_FOR_NOISE) == 0:
            spectra.append(noise_spectra(pixels))
        write_patches(cut, pixels, folder, f'image{number:04d}')
    if len(unreadable) == len(cuts):
        refuse_all(left_out | unreadable)
    train, held_out = hold_one_out(folder)
    strides = choose_strides(spectra, settings.train_stride, settings.test_stride)
    facts.update(
        images=len(images) - len(unreadable), held_out_images=sum(not cut.train for cut in cuts),
        left_out=left_out | unreadable, thinned=len(paths) - len(chosen), train=train, held_out=held_out, **sides,
        train_stride=strides.train, test_stride=strides.test, reason=strides.reason,
    )  # fmt: skip
    say(
        f'prepare: {train} patches to train on, {held_out} held out, {sides["side"]} to {sides["largest"]} pixels '
        f'wide, of {facts["images"]} images; strides {strides.train} and {strides.test} ({strides.reason})'
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


def plan(fit: Fit, facts: dict[str, Any]) -> None:
    """Measure what steps cost here, and share out the time."""
    settings, prepared = fit.settings, fit.facts('prepare')
    measured = _measure(fit, prepared, prepared['train_stride'])
    costs = Costs(**measured['costs'])
    steps = plan_steps(costs, prepared['train'], prepared['held_out'], settings.minutes, settings.iterations)
    facts.update(teacher=steps.teacher, student=steps.student, patches=steps.patches, **measured)
    say(
        f'plan: about {_duration(steps.seconds)} in all on {fit.device}: teacher {steps.teacher} steps '
        f'({_duration(steps.teacher * costs.teacher)}), {steps.patches} patches denoised '
        f'({_duration(steps.patches * costs.patch)}), student {steps.student} steps '
        f'({_duration(steps.student * costs.student)}), start and images'
    )


def _measure(fit: Fit, sides: dict[str, Any], stride: int) -> dict[str, Any]:
    """Choose crops and batch, and time the steps."""
    settings = fit.settings
    wanted, crops = _ON_GPU if fit.device.type == 'cuda' else _ON_CPU
    teacher, student = network_options(settings.width), student_network(fit)
    # Each level of a network halves its crops.
    crop, student_crop = (
        crop_size(sides['side'], apart, wanted, 2 ** len(network['enc_blk_nums']))
        for network, apart in ((teacher, stride), (student, 1))
    )
    batch = settings.batch or crops
    nets = NAFNet(**teacher), NAFNet(**student)
    costs = measure(*nets, (crop, student_crop), stride, sides['mean_side'], batch, fit.device)
    return {'batch': batch, 'crop': crop, 'student_crop': student_crop, 'costs': asdict(costs)}


def _duration(seconds: float) -> str:
    """Write a time in minutes or hours."""
    return f'{seconds / 60:.1f} min' if seconds < 6000 else f'{seconds / 3600:.1f} h'
