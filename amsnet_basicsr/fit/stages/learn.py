"""Teacher and student: AMSNet on the noisy patches, and one network that does the same in a single pass."""

from contextlib import closing
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.fit.images import spread
from amsnet_basicsr.fit.networks import (
    ARCH,
    SAMPLES,
    STUDENT_INIT,
    TEACHER,
    TEACHER_INIT,
    averaged_weights,
    denoiser_of,
    network_options,
    trained_weights,
)
from amsnet_basicsr.fit.patches import patch_files, read_png, write_png
from amsnet_basicsr.fit.progress_images import write_progress
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.fit.training.options import student_options, teacher_options
from amsnet_basicsr.fit.training.run import run_training
from amsnet_basicsr.scheme import pixel_downsample
from amsnet_basicsr.scheme.pad import pad_to_multiple
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.text import say


def train_teacher(fit: Fit, facts: dict[str, Any]) -> None:
    """Train the teacher on noisy patches, and write `teacher.safetensors`."""
    prepared = fit.facts('prepare')
    held_out = [read_png(file) for file in patch_files(fit.folder, 'held_out')]
    neighbours = [neighbour_loss(patch, prepared['train_stride']) for patch in held_out]
    facts.update(neighbours=sum(neighbours) / len(neighbours))
    start = TEACHER_INIT if (fit.folder / TEACHER_INIT).is_file() else None
    _train(fit, 'teacher', teacher_options(fit, start), 'loss on hidden pixels {:.4f}')
    refine = {'type': 'PartitionAverage', 'samples': SAMPLES}
    scheme = {'type': 'amsnet', 'stride': prepared['test_stride'], 'branches': 2, 'refine': refine}
    best = averaged_weights(fit.folder / trained_weights('teacher', 'best'))
    options = network_options(fit.settings.width)
    write_file(fit.folder / TEACHER, best, ARCH, options, overwrite=True, scheme=scheme)


def make_pairs(fit: Fit, facts: dict[str, Any]) -> None:
    """Denoise patches by the teacher; those that are there already stay."""
    teacher = denoiser_of(fit, TEACHER)
    chosen = {
        'held_out': patch_files(fit.folder, 'held_out'),
        'train': spread(patch_files(fit.folder, 'train'), fit.facts('plan')['patches']),
    }
    targets = {file: fit.folder / 'pairs' / part / file.name for part, files in chosen.items() for file in files}
    for file, target in tqdm(targets.items(), 'denoising', unit='patch', disable=None, leave=False):
        if not target.exists():
            write_png(target, teacher(read_png(file)))
    with atomic_write(fit.folder / 'pairs' / 'train.txt') as listing:
        listing.writelines(f'{file.name}\n'.encode() for file in chosen['train'])
    facts.update(train=len(chosen['train']))
    say(f'pairs: {len(chosen["train"])} patches denoised by the teacher')


def train_student(fit: Fit, facts: dict[str, Any]) -> None:
    """Train a network to do in one pass what the teacher does."""
    known = (fit.folder / STUDENT_INIT).is_file()
    start = STUDENT_INIT if known else trained_weights('teacher', 'best').as_posix()
    _train(fit, 'student', student_options(fit, start), 'PSNR to the teacher {:.2f} dB')


def _train(fit: Fit, name: str, options: str, what: str) -> None:
    """Run a training; the course of its metric is recorded as `curve`."""
    total, facts = fit.facts('plan')[name], fit.facts(name)
    with atomic_write(fit.folder / f'{name}.yml') as file:
        file.write(options.encode())
    with (
        tqdm(total=total, desc=name, unit='step', disable=None, leave=False) as progress,
        closing(run_training(fit.folder, name, total)) as training,
    ):
        for iteration, kind, value in training:
            if kind == 'loss':
                progress.update(iteration - progress.n)
                progress.set_postfix_str(f'loss {value:.4f}')
            else:  # a resumed run repeats some
                earlier = [point for point in facts.get('curve', []) if point[0] < iteration]
                facts['curve'] = [*earlier, [iteration, value]]
                fit.save()
                image = write_progress(fit.folder, name, iteration)
                shown = f'; {image.relative_to(fit.folder)}' if image else ''
                say(f'{name}: step {iteration} of {total}, {what.format(value)}{shown}')


def neighbour_loss(noisy: np.ndarray, stride: int) -> float:
    """Predict every pixel by the mean of the eight around it in its sub-image: the baseline a network must beat.

    Returns the mean absolute error in units of the image range, to be compared with `calculate_mask_l1`.
    """
    x = torch.from_numpy(noisy.astype(np.float32) / 255).permute(2, 0, 1)[None]
    sub = pixel_downsample(pad_to_multiple(x, stride), stride)
    padded = torch.nn.functional.pad(sub, (1, 1, 1, 1), mode='reflect')
    mean = (9 * torch.nn.functional.avg_pool2d(padded, 3, stride=1) - sub) / 8
    return float((mean - sub).abs().mean())
