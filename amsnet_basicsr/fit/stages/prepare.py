"""Stages `prepare` and `plan`: patches, the strides that their noise asks for, and the steps that the time allows."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from amsnet_basicsr.archs import NAFNet
from amsnet_basicsr.fit.networks import PASSES, SAMPLES, network_bytes, network_options, student_network
from amsnet_basicsr.fit.patches import (
    Cut,
    hold_one_out,
    patch_files,
    plan_cuts,
    read_pixels,
    spread,
    survey,
    survey_for_training,
    write_patches,
)
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


LEAST_ITERATIONS = 50
_ON_CPU, _ON_GPU = (120, 2), (160, 16)
"""Side of the training crops in pixels, and crops in a step. The paper's side is 160; where time is short, more steps
of less do better."""
_PATCHES_PER_ITERATION = 1 / 20  # for each step of the teacher, so many patches are denoised for the student
_LEAST_PATCHES = 16
_TRAINING_OVERHEAD = 1.25  # BasicSR's step against a pass and its gradient: optimizer, reading, averaging, logging
_START = 10.0  # seconds until a training begins
_VALIDATIONS = 6
_WARM_UP, _TIMED = 1, 3


class Steps(NamedTuple):
    """Training steps of teacher and student, patches denoised for the student, and about how many seconds it takes."""

    teacher: int
    student: int
    patches: int
    seconds: float


def plan(fit: Fit, facts: dict[str, Any]) -> None:
    """Time training steps on this machine, and divide the time among the stages."""
    settings, prepared = fit.settings, fit.facts('prepare')
    facts.update(measure(fit, prepared, prepared['train_stride']))
    costs = facts['costs']
    steps = plan_steps(costs, prepared['train'], prepared['held_out'], settings.minutes, settings.iterations)
    facts.update(teacher=steps.teacher, student=steps.student, patches=steps.patches)
    say(
        f'plan: about {_duration(steps.seconds)} in all on {fit.device}: teacher {steps.teacher} steps '
        f'({_duration(steps.teacher * costs["teacher"])}), {steps.patches} patches denoised '
        f'({_duration(steps.patches * costs["patch"])}), student {steps.student} steps '
        f'({_duration(steps.student * costs["student"])}), start and images'
    )


def _duration(seconds: float) -> str:
    """Write a time in minutes or hours."""
    return f'{seconds / 60:.1f} min' if seconds < 6000 else f'{seconds / 3600:.1f} h'


def measure(fit: Fit, sides: Mapping[str, Any], stride: int) -> dict[str, Any]:
    """Choose crops and batch for patches of these sides, and time a few steps.

    Returns:
        `batch`, `crop`, `student_crop`, and `costs`: seconds of a training step of `teacher` and `student`, and of
        denoising a `patch` by the teacher.

    Raises:
        UserError: If memory runs out.
    """
    wanted, crops = _ON_GPU if fit.device.type == 'cuda' else _ON_CPU
    batch = fit.settings.batch or crops
    side, costs = {}, {}
    try:
        for name, options, apart in (
            ('student', student_network(fit), 1), ('teacher', network_options(fit.settings.width), stride)
        ):  # fmt: skip
            # Each level of a network halves its crops.
            crop = side[name] = crop_size(sides['side'], apart, wanted, 2 ** len(options['enc_blk_nums']))
            net = NAFNet(**options).to(fit.device).to(memory_format=torch.channels_last)
            images = torch.rand((batch * apart**2, 3, crop // apart, crop // apart), device=fit.device)
            costs[name] = _TRAINING_OVERHEAD * _seconds(net, images, training=True)
        costs['patch'] = PASSES * _seconds(net, images, training=False) / (batch * crop**2) * sides['mean_side'] ** 2
    except (MemoryError, RuntimeError) as error:
        if 'memory' not in str(error) and 'alloc' not in str(error):
            raise
        raise UserError(f'memory ran out with {batch} crops in a step: give a smaller --batch or --width') from None
    return {'batch': batch, 'crop': side['teacher'], 'student_crop': side['student'], 'costs': costs}


def _seconds(net: torch.nn.Module, images: torch.Tensor, training: bool) -> float:
    """Time a pass, or a pass and its gradient: without an optimizer, whose first step costs seconds of imports."""
    taken = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        with torch.set_grad_enabled(training):
            result = net(images).mean()
        if training:
            result.backward()
        result.item()  # waits for a GPU
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[_WARM_UP:])


def crop_size(patch: int, stride: int, wanted: int, multiple: int = 8) -> int:
    """Choose the side of the training crops: at most that of the patches and the one wanted.

    It is a multiple of the train stride, and if possible the sub-images' sides are multiples of what the network wants.
    """
    most = min(patch, wanted)
    return most // (multiple * stride) * multiple * stride or most // stride * stride


def plan_steps(
    costs: Mapping[str, float], available: int, held_out: int, minutes: float, iterations: int | None
) -> Steps:
    """Divide the time among the stages, given the number of patches to train on and held out.

    One number fixes all: the teacher's steps N, at least `LEAST_ITERATIONS`, or `iterations` if that is given. The
    student gets N / 2 of them, and N / 20 patches.
    """
    # A validation denoises once and predicts the hidden pixels once; pairs and pack denoise once each.
    fixed = 2 * _START + held_out * costs['patch'] * (2 * _VALIDATIONS / SAMPLES + 2)

    def plan(count: int) -> Steps:
        student = max(1, count // 2)
        patches = min(available, max(_LEAST_PATCHES, round(count * _PATCHES_PER_ITERATION)))
        seconds = fixed + count * costs['teacher'] + student * costs['student'] + patches * costs['patch']
        return Steps(count, student, patches, seconds)

    if iterations is not None:
        return plan(iterations)
    count = int(max(0.0, minutes * 60 - fixed) / (costs['teacher'] + costs['student'] / 2)) // 50 * 50
    while count > LEAST_ITERATIONS and plan(count).seconds > minutes * 60:
        count -= 50
    return plan(max(count, LEAST_ITERATIONS))


def refuse_too_little_time(costs: Mapping[str, float], available: int, held_out: int, minutes: float) -> None:
    """Stop if the time isn't enough for `LEAST_ITERATIONS`."""
    least = plan_steps(costs, available, held_out, minutes, LEAST_ITERATIONS).seconds / 60
    if least > minutes:
        raise UserError(
            f'{minutes:g} minutes are too few here: --minutes {math.ceil(10 * least) / 10:g} is the least, and a good '
            'result takes many times that'
        )
