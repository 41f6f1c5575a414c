"""The stages of a fit. Each can be run again after a kill and resumes where it was."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amsnet_basicsr.denoise.denoiser import DenoiseError
from amsnet_basicsr.fit.images import (
    Cut,
    choose_strides,
    plan_cuts,
    read_sizes,
    spread,
    survey_for_training,
    write_patches,
)
from amsnet_basicsr.fit.learn import TEACHER, make_pairs, train_student, train_teacher, weights_file
from amsnet_basicsr.fit.plan import (
    CPU_BATCH,
    CPU_CROP,
    GPU_BATCH,
    GPU_CROP,
    Costs,
    crop_size,
    make_plan,
    measure,
    network_bytes,
    refuse_too_little_time,
)
from amsnet_basicsr.fit.report import is_finished, pack
from amsnet_basicsr.fit.state import Record, Runner, duration
from amsnet_basicsr.prepare.outputs import check_space
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

_BYTES_PER_PIXEL = 4.0  # of a noisy patch and its denoised one, as PNG


def run_stages(record: Record, runner: Runner) -> None:
    """Do what is left to do.

    Raises:
        UserError: If something can't be done; a later run resumes.
    """
    stages: list[tuple[str, Callable[[Record, Runner, dict[str, Any]], None], Callable[[Record], bool]]] = [
        ('prepare', prepare, _has_patches),
        ('plan', plan, lambda record: True),
        ('teacher', train_teacher, lambda record: (record.folder / TEACHER).is_file()),
        ('pairs', make_pairs, lambda record: (record.folder / 'pairs' / 'train.txt').is_file()),
        ('student', train_student, lambda record: weights_file(record.folder, 'student', 'latest').is_file()),
        ('pack', pack, is_finished),
    ]
    for name, run, is_there in stages:
        if record.done(name) and is_there(record):
            say(f'{name}: done before')
            continue
        try:
            with record.stage(name) as facts:
                run(record, runner, facts)
        except DenoiseError as error:
            raise UserError(f'{name}: {error}') from None


def _has_patches(record: Record) -> bool:
    facts = record.facts('prepare')
    found = {name: len(list((record.folder / 'patches' / name).glob('*.png'))) for name in ('train', 'held_out')}
    if any(found[name] != facts[name] for name in found):
        raise UserError(f'{record.folder / "patches"}: patches are missing or added since; --restart starts over')
    return True


def prepare(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Survey the images, choose the strides, cut patches."""
    settings = record.settings
    paths = [Path(path) for path, _ in record.images]
    chosen = spread(paths)
    if settings.iterations is None and (likely := read_sizes(chosen)):  # a time that is too short: before the work
        cuts = plan_cuts(likely, settings.patch, settings.patches, settings.seed)
        strides = settings.train_stride or 5, settings.test_stride or 2
        costs, _, _ = _costs(record, runner, _sides(cuts), strides)
        train, held_out = (sum(len(getattr(cut, name)) for cut in cuts) for name in ('train', 'held_out'))
        refuse_too_little_time(costs, train, held_out, settings.minutes)
    usable, spectra, left_out = survey_for_training(chosen)
    chosen_strides = choose_strides(spectra, settings.train_stride, settings.test_stride)
    cuts = plan_cuts(usable, settings.patch, settings.patches, settings.seed)
    sides = _sides(cuts)
    needed = sides['patches'] * sides['mean_side'] ** 2 * _BYTES_PER_PIXEL + network_bytes(settings.width)
    check_space(needed, record.folder, 'take fewer --patches')
    train, held_out = write_patches(cuts, record.folder / 'patches')
    facts.update(
        images=len(usable), held_out_images=sum(bool(cut.held_out) and not cut.train for cut in cuts),
        left_out=left_out, thinned=len(paths) - len(chosen), train=train, held_out=held_out, **sides,
        train_stride=chosen_strides.train, test_stride=chosen_strides.test, reason=chosen_strides.reason,
    )  # fmt: skip
    say(
        f'prepare: {train} patches to train on, {held_out} held out, {sides["side"]} to {sides["largest"]} pixels '
        f'wide, of {len(usable)} images; strides {chosen_strides.train} and {chosen_strides.test} '
        f'({chosen_strides.reason})'
    )


def _sides(cuts: Sequence[Cut]) -> dict[str, int]:
    """Number of patches, and their least, largest and mean side."""
    sides = [side for cut in cuts for side in cut.sides]
    pixels = sum(height * width for height, width in sides)
    return {
        'patches': len(sides),
        'side': min(map(min, sides)),
        'largest': max(map(max, sides)),
        'mean_side': round((pixels / len(sides)) ** 0.5),
    }


def plan(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Measure what steps cost here, and share out the time."""
    settings, prepared = record.settings, record.facts('prepare')
    strides = prepared['train_stride'], prepared['test_stride']
    costs, crops, batch = _costs(record, runner, prepared, strides)
    made = make_plan(costs, prepared['train'], prepared['held_out'], settings.minutes, settings.iterations)
    estimate = asdict(made)
    facts.update(estimate=estimate.pop('seconds'), **estimate)
    facts.update(batch=batch, crop=crops[0], student_crop=crops[1], costs=asdict(costs))
    minutes = [made.teacher * costs.teacher, made.patches * costs.patch, made.student * costs.student]
    say(
        f'plan: about {duration(made.seconds)} in all on {runner.device}: teacher {made.teacher} steps '
        f'({duration(minutes[0])}), {made.patches} patches denoised ({duration(minutes[1])}), student {made.student} '
        f'steps ({duration(minutes[2])}), start and images'
    )


def _costs(
    record: Record, runner: Runner, sides: dict[str, Any], strides: tuple[int, int]
) -> tuple[Costs, tuple[int, int], int]:
    """Time the steps; returns the costs, the crops of teacher and student, and the batch."""
    settings = record.settings
    batch = settings.batch or (GPU_BATCH if runner.gpu else CPU_BATCH)
    wanted = GPU_CROP if runner.gpu else CPU_CROP
    crops = crop_size(sides['side'], strides[0], wanted), crop_size(sides['side'], 1, wanted)
    costs = measure(settings.width, sides['mean_side'], crops, strides, batch, runner.device, settings.seed)
    return costs, crops, batch
