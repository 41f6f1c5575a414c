"""What a finished fit says: figures that need no clean image, what was used, and what to do next."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.fit.progress_images import comparison
from amsnet_basicsr.fit.state import Record
from amsnet_basicsr.fit.targets import read_png
from amsnet_basicsr.scheme import pixel_downsample
from amsnet_basicsr.scheme.pad import pad_to_multiple

STAGES = ('prepare', 'plan', 'teacher', 'pairs', 'student', 'pack')
"""Names of the stages, in order."""

ENOUGH_LIKENESS = 32.0
"""PSNR of the student to its teacher, in dB, from which on they are hard to tell apart."""


def neighbour_loss(noisy: np.ndarray, stride: int) -> float:
    """Predict every pixel by the mean of the eight around it in its sub-image: what a network must beat.

    Args:
        noisy: EncodedImage, (H, W, 3), uint8.
        stride: The train stride.

    Returns:
        The mean absolute error, in units of the image range, to be compared with `calculate_mask_l1`.
    """
    x = torch.from_numpy(noisy.astype(np.float32) / 255).permute(2, 0, 1)[None]
    sub = pixel_downsample(pad_to_multiple(x, stride), stride)
    padded = torch.nn.functional.pad(sub, (1, 1, 1, 1), mode='reflect')
    mean = (9 * torch.nn.functional.avg_pool2d(padded, 3, stride=1) - sub) / 8
    return float((mean - sub).abs().mean())


def psnr(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Mean peak signal-to-noise ratio of images against others.

    Args:
        a: Images, uint8.
        b: As many, of the same shapes.

    Returns:
        The mean over the images, in dB.
    """
    errors = [np.mean((x.astype(np.float64) - y) ** 2) for x, y in zip(a, b, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-10)) for error in errors]))


@dataclass(frozen=True)
class Comparison:
    """Teacher and student on the held-out patches.

    Attributes:
        noisy_to_teacher: PSNR of the noisy patches against the teacher's result, in dB.
        student_to_teacher: The same of the student's.
        teacher_seconds: Seconds in which the teacher denoises a megapixel.
        student_seconds: The same of the student.
        image: Rows noisy | teacher | student.
    """

    noisy_to_teacher: float
    student_to_teacher: float
    teacher_seconds: float
    student_seconds: float
    image: np.ndarray


def compare(files: Sequence[Path], rows: Sequence[Path], teacher: Denoiser, student: Denoiser) -> Comparison:
    """Denoise held-out patches by teacher and student.

    Args:
        files: The patches.
        rows: Those that the image shows.
        teacher: The teacher.
        student: The student.

    Returns:
        The figures and the image.
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
    rows_shown = comparison(
        [(noisy[i], results[0][i], results[1][i]) for i in shown], ('noisy', 'teacher', 'student (the model)')
    )
    return Comparison(psnr(noisy, results[0]), psnr(results[1], results[0]), *seconds, rows_shown)


def report(record: Record) -> str:
    """Write the report.

    Args:
        record: The record of a fit whose figures are all there.

    Returns:
        Markdown.
    """
    prepare, plan, teacher, pack = (record.facts(name) for name in ('prepare', 'plan', 'teacher', 'pack'))
    seconds = {name: record.facts(name)['seconds'] for name in STAGES}
    folder, settings = record.folder.name, record.settings
    curve = teacher['curve']
    lines = [
        f'# {folder}: a denoiser for these images',
        '',
        '![noisy, teacher, student](progress/result.png)',
        '',
        '*Held-out crops: noisy | teacher | student. Look at these first: the figures below need no clean image, and '
        'none of them says how good the result looks.*',
        '',
        '| on the held-out patches | |',
        '|---|---|',
        f'| loss on hidden pixels, mean of the neighbours | {teacher["neighbours"]:.4f} |',
        f'| loss on hidden pixels, teacher after {curve[0][0]} steps | {curve[0][1]:.4f} |' if curve else None,
        f'| loss on hidden pixels, teacher after {curve[-1][0]} steps | {curve[-1][1]:.4f} |' if curve else None,
        f"| PSNR of the noisy patches to the teacher's result | {pack['noisy_to_teacher']:.2f} dB |",
        f"| PSNR of the student's result to the teacher's | {pack['student_to_teacher']:.2f} dB |",
        f'| teacher, seconds a megapixel | {pack["teacher_seconds"]:.1f} |',
        f'| student, seconds a megapixel | {pack["student_seconds"]:.2f} |',
        '',
        'Most of the loss on hidden pixels is the noise itself, so it falls little; it must fall below that of the '
        'neighbours. The PSNR to the teacher tells how well the student copies, not how well either denoises.',
        '',
        *(f'**{line}**\n' for line in doubts(record)),
        '## What was done',
        '',
        f'- Images: {prepare["photos"]} used'
        + (f' ({prepare["held_out_photos"]} of them held out)' if prepare['held_out_photos'] else '')
        + (f', {len(prepare["left_out"])} left out' if prepare['left_out'] else '')
        + (f', {prepare["thinned"]} more not needed' if prepare['thinned'] else ''),
        f'- Patches: {prepare["train"]} to train on, {prepare["held_out"]} held out, of {prepare["size"]}×'
        f'{prepare["size"]} pixels',
        f'- Strides: {prepare["train_stride"]} to train, {prepare["test_stride"]} to denoise; {prepare["reason"]}',
        f'- Teacher: NAFNet of width {settings.width}, {plan["teacher"]} steps of {plan["batch"]} crops of '
        f'{plan["crop"]}×{plan["crop"]}' + (f', from {settings.init}' if settings.init not in (None, 'none') else ''),
        f'- Student: NAFNet, {plan["student"]} steps on {plan["patches"]} patches denoised by the teacher',
        f'- Seed {settings.seed}. `--iterations {plan["teacher"]}` does the same again, without regard to time; on a '
        'CPU with as many threads, interrupted or not, to the last bit',
        '',
        '| stage | seconds |',
        '|---|---|',
        *(f'| {name} | {value:.0f} |' for name, value in seconds.items()),
        '',
    ]
    if prepare['left_out']:
        lines += ['Left out:', '', *(f'- {name}: {why}' for name, why in prepare['left_out'].items()), '']
    lines += ['## Next', '', '```bash', *next_steps(record.folder, settings.minutes), '```', '']
    return '\n'.join(line for line in lines if line is not None)


def doubts(record: Record) -> list[str]:
    """Say what the figures leave to be desired.

    Args:
        record: The record of a fit whose figures are all there.

    Returns:
        Sentences.
    """
    teacher, likeness = record.facts('teacher'), record.facts('pack')['student_to_teacher']
    found = []
    if teacher['curve'] and teacher['curve'][-1][1] >= teacher['neighbours']:
        found.append(
            f'The teacher predicts hidden pixels no better ({teacher["curve"][-1][1]:.4f}) than the mean of their '
            f'neighbours does ({teacher["neighbours"]:.4f}): it needs longer training (--minutes).'
        )
    if likeness < ENOUGH_LIKENESS:
        found.append(
            f'The student is still far from its teacher ({likeness:.1f} dB): train longer (--minutes), or denoise by '
            'teacher.safetensors, which takes longer.'
        )
    return found


def next_steps(folder: Path, minutes: float) -> list[str]:
    """Say what to do with the result.

    Args:
        folder: The work folder.
        minutes: Time that was asked for.

    Returns:
        Commands, a comment above each.
    """
    model = shlex.quote(str(folder))
    return [
        '# clean the images',
        f'amsnet-denoise IMAGES -o cleaned --model {model}',
        '# slower, often a little better: the teacher itself',
        f'amsnet-denoise IMAGES -o cleaned_by_teacher --model {shlex.quote(str(folder / "teacher.safetensors"))}',
        '# longer training from where this one ended',
        f'amsnet-denoise fit IMAGES -o {shlex.quote(f"{folder}_2")} --minutes {4 * minutes:g} '
        f'--init {shlex.quote(str(folder / "teacher.safetensors"))}',
    ]
