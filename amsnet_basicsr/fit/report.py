"""What a finished fit says: figures that need no clean image, what was used, and what to do next."""

import os
import shlex
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt.measure import psnr, risks
from amsnet_basicsr.fit.adapt.noise import NoiseModel, estimate_noise_model
from amsnet_basicsr.fit.images import HELD_OUT_PATCHES, spread
from amsnet_basicsr.fit.learn import (
    ARCH,
    TEACHER,
    averaged_weights,
    denoiser_of,
    start_weights,
    student_start,
    weights_file,
)
from amsnet_basicsr.fit.progress_images import comparison, held_out, held_out_rows, read_png, write_png
from amsnet_basicsr.fit.state import STAGES, Record, Runner
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.utils.atomic_write import atomic_write

MODEL = 'model.safetensors'
_ENOUGH_LIKENESS = 32.0
"""PSNR of the student to its teacher, in dB, from which on they are hard to tell apart."""
_PATCHES_FOR_NOISE = 64


def is_finished(record: Record) -> bool:
    """Whether a fit is done."""
    return record.done('pack') and (record.folder / MODEL).is_file()


def pack(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Write the model, compare it with the teacher, and report."""
    folder = record.folder
    weights = averaged_weights(weights_file(folder, 'student', 'latest'))
    # Under another name until it has been used: the model is there only when the fit is finished.
    candidate = folder / 'student.safetensors'
    network, crop = student_start(record)[0], record.facts('plan')['student_crop']
    write_file(candidate, weights, ARCH, network, overwrite=True, scheme={'type': 'plain'}, crop=crop)
    rows = held_out_rows(folder)
    files = sorted({*rows, *held_out(folder)[:HELD_OUT_PATCHES]})
    teacher, student = (denoiser_of(record, runner, name) for name in (TEACHER, candidate.name))
    compared, image = compare(files, rows, teacher, student)
    (folder / 'progress').mkdir(exist_ok=True)
    write_png(folder / 'progress' / 'result.png', image)
    facts.update(compared, **against_shipped(record, candidate, files, runner))
    record.tick()
    with atomic_write(folder / 'report.md') as file:
        file.write(report(record).encode(errors='backslashreplace'))
    os.replace(candidate, folder / MODEL)


def against_shipped(record: Record, candidate: Path, files: Sequence[Path], runner: Runner) -> dict[str, float]:
    """Estimate the PSNR of the shipped model and of the student on held-out patches, see `risks`.

    Returns:
        `shipped_psnr` and `student_psnr` in dB; nothing if the noise can't be estimated.
    """
    try:
        models = [load_model(model) for model in (None, candidate)]
    except ValueError:  # nothing is shipped
        return {}
    for model in models:
        model.pool_locally()  # as they are run
    nets = [model.net.to(runner.device).eval() for model in models]
    crops = []
    for file in files:
        image = read_png(file)
        height, width = (min(side, 256) // 16 * 16 for side in image.shape[:2])
        with suppress(ValueError):  # too few flat places
            crops.append((image[:height, :width].astype(np.float32) / 255, _noise_of(image, record.folder)))
    errors = risks(nets, crops, runner.device, record.settings.seed)
    count, found = psnr(errors)
    return dict(zip(('shipped_psnr', 'student_psnr'), found, strict=True)) if count else {}


def _noise_of(image: np.ndarray, folder: Path) -> NoiseModel:
    """Estimate the noise of a patch, from other patches too if it has too few flat places."""
    with suppress(ValueError):
        return estimate_noise_model([noise_spectra(image)])
    others = spread(sorted((folder / 'patches' / 'train').glob('*.png')), _PATCHES_FOR_NOISE)
    return estimate_noise_model(noise_spectra(read_png(file)) for file in others)


def is_advised(record: Record) -> bool:
    """Whether the student is better than the shipped model, as far as noisy images tell."""
    pack = record.facts('pack')
    return pack.get('student_psnr', np.inf) > pack.get('shipped_psnr', -np.inf)


def compare(
    files: Sequence[Path], rows: Sequence[Path], teacher: Denoiser, student: Denoiser
) -> tuple[dict[str, float], np.ndarray]:
    """Denoise held-out patches by teacher and student.

    Returns:
        PSNR to the teacher's result in dB, and seconds to denoise a megapixel; and an image of some of them.
    """
    noisy = [read_png(file) for file in files]
    megapixels = sum(image.shape[0] * image.shape[1] for image in noisy) / 1e6
    results, seconds = [], []
    for denoiser in (teacher, student):
        denoiser(noisy[0][:32, :32])  # the first pass costs more than the others
        start = time.perf_counter()
        results.append([denoiser(image) for image in noisy])
        seconds.append((time.perf_counter() - start) / megapixels)
    shown = [files.index(row) for row in rows]
    image = comparison(
        [(noisy[i], results[0][i], results[1][i]) for i in shown], ('noisy', 'teacher', 'student (the model)')
    )
    figures = {
        'noisy_to_teacher': _psnr(noisy, results[0]),
        'student_to_teacher': _psnr(results[1], results[0]),
        'teacher_seconds': seconds[0],
        'student_seconds': seconds[1],
    }
    return figures, image


def _psnr(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Mean PSNR of images against others, uint8, in dB."""
    errors = [np.mean((x.astype(np.float64) - y) ** 2) for x, y in zip(a, b, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-10)) for error in errors]))


def report(record: Record) -> str:
    """Write the report of a fit whose figures are all there, Markdown."""
    prepare, plan, teacher, pack = (record.facts(name) for name in ('prepare', 'plan', 'teacher', 'pack'))
    settings, curve = record.settings, teacher['curve']
    of_curve = [f'| loss on hidden pixels, teacher after {step} steps | {value:.4f} |' for step, value in curve]
    init = f', from {path}' if (path := start_weights(settings)) else ''
    images = f'{prepare["images"]} used'
    if prepare['held_out_images']:
        images += f' ({prepare["held_out_images"]} of them held out)'
    if prepare['left_out']:
        images += f', {len(prepare["left_out"])} left out'
    if prepare['thinned']:
        images += f', {prepare["thinned"]} more not needed'
    left_out = [f'- {name}: {why}' for name, why in prepare['left_out'].items()]
    return '\n'.join([
        f'# {record.folder.name}: a denoiser for these images',
        '',
        '![noisy, teacher, student](progress/result.png)',
        '',
        '*Held-out crops: noisy | teacher | student. Look at these first: the figures below need no clean image, and '
        'none of them says how good the result looks.*',
        '',
        '| on the held-out patches | |',
        '|---|---|',
        f'| loss on hidden pixels, mean of the neighbours | {teacher["neighbours"]:.4f} |',
        *dict.fromkeys([*of_curve[:1], *of_curve[-1:]]),
        f"| PSNR of the noisy patches to the teacher's result | {pack['noisy_to_teacher']:.2f} dB |",
        f"| PSNR of the student's result to the teacher's | {pack['student_to_teacher']:.2f} dB |",
        *(
            f'| PSNR to the clean image, estimated from the noise, {name} | {pack[f"{key}_psnr"]:.2f} dB |'
            for name, key in (('shipped model', 'shipped'), ("the student's result", 'student'))
            if f'{key}_psnr' in pack
        ),
        f'| teacher, seconds a megapixel | {pack["teacher_seconds"]:.1f} |',
        f'| student, seconds a megapixel | {pack["student_seconds"]:.2f} |',
        '',
        'Most of the loss on hidden pixels is the noise itself, so it falls little; it must fall below that of the '
        'neighbours. The PSNR to the teacher tells how well the student copies, not how well either denoises.',
        '',
        *(f'**{line}**\n' for line in doubts(record)),
        '## What was done',
        '',
        f'- Images: {images}',
        f'- Patches: {prepare["train"]} to train on, {prepare["held_out"]} held out, {prepare["side"]} to '
        f'{prepare["largest"]} pixels wide',
        f'- Strides: {prepare["train_stride"]} to train, {prepare["test_stride"]} to denoise; {prepare["reason"]}',
        f'- Teacher: NAFNet of width {settings.width}, {plan["teacher"]} steps of {plan["batch"]} crops of '
        f'{plan["crop"]}×{plan["crop"]}{init}',
        f'- Student: NAFNet, {plan["student"]} steps on {plan["patches"]} patches denoised by the teacher',
        f'- Seed {settings.seed}. `--iterations {plan["teacher"]}` does the same again, without regard to time; on a '
        'CPU with as many threads, interrupted or not, to the last bit',
        '',
        '| stage | seconds |',
        '|---|---|',
        *(f'| {name} | {record.facts(name)["seconds"]:.0f} |' for name in STAGES),
        '',
        *(['Left out:', '', *left_out, ''] if left_out else []),
        '## Next',
        '',
        '```bash',
        *next_steps(record),
        '```',
        '',
    ])  # fmt: skip


def doubts(record: Record) -> list[str]:
    """Say what the figures leave to be desired, a sentence each."""
    teacher, pack = record.facts('teacher'), record.facts('pack')
    likeness, found = pack['student_to_teacher'], []
    if not is_advised(record):
        found.append(
            f'The shipped model denoises these images better: {pack["shipped_psnr"]:.2f} dB, this one '
            f'{pack["student_psnr"]:.2f} dB (estimated from the noise alone). Use amsnet-denoise without --model, try '
            'amsnet-denoise adapt, or train longer (--minutes).'
        )
    elif 'shipped_psnr' not in pack:
        found.append(
            'These images have too few flat places to tell whether this model is better than the shipped one: compare '
            'the results by eye.'
        )
    if teacher['curve'] and teacher['curve'][-1][1] >= teacher['neighbours']:
        found.append(
            f'The teacher predicts hidden pixels no better ({teacher["curve"][-1][1]:.4f}) than the mean of their '
            f'neighbours does ({teacher["neighbours"]:.4f}): it needs longer training (--minutes).'
        )
    if likeness < _ENOUGH_LIKENESS:
        found.append(
            f'The student is still far from its teacher ({likeness:.1f} dB): train longer (--minutes), or denoise by '
            'teacher.safetensors, which takes longer.'
        )
    return found


def next_steps(record: Record) -> list[str]:
    """Commands to type next, a comment above each."""
    folder, minutes = record.folder, 4 * record.settings.minutes
    model, teacher = shlex.quote(str(folder)), shlex.quote(str(folder / TEACHER))
    use = [
        '# clean the images',
        f'amsnet-denoise IMAGES -o cleaned --model {model}',
        '# slower, often a little better: the teacher itself',
        f'amsnet-denoise IMAGES -o cleaned_by_teacher --model {teacher}',
    ]
    if not is_advised(record):
        use = ['# clean the images, by the shipped model', 'amsnet-denoise IMAGES -o cleaned']
    return [
        *use,
        '# longer training from where this one ended',
        f'amsnet-denoise fit IMAGES -o {shlex.quote(f"{folder}_2")} --minutes {minutes:g} --init {teacher}',
    ]
