"""Teacher and student: AMSNet on the noisy patches, and one network that does the same in a single pass."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from amsnet_basicsr.convert import read_denoiser, write_file
from amsnet_basicsr.fit import networks
from amsnet_basicsr.fit.patches import patch_files, read_png, spread, write_png
from amsnet_basicsr.fit.progress_images import write_progress
from amsnet_basicsr.fit.stages.options import student_options, teacher_options
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.resume.states import newest_intact
from amsnet_basicsr.scheme import pixel_downsample
from amsnet_basicsr.scheme.pad import pad_to_multiple
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

_ITERATION = re.compile(r'iter:\s*([\d,]+),.*?(?:l_\w+: ([\d.e+-]+))')
_METRIC = re.compile(r'# (\w+): ([\d.]+)')
_END = 'End of training'
_KEPT_STATES = 2


def train_teacher(fit: Fit, facts: dict[str, Any]) -> None:
    """Train the teacher on noisy patches, and write `teacher.safetensors`."""
    prepared = fit.facts('prepare')
    held_out = [read_png(file) for file in patch_files(fit.folder, 'held_out')]
    neighbours = [neighbour_loss(patch, prepared['train_stride']) for patch in held_out]
    facts.update(neighbours=sum(neighbours) / len(neighbours))
    start = networks.TEACHER_INIT if (fit.folder / networks.TEACHER_INIT).is_file() else None
    _train(fit, 'teacher', teacher_options(fit, start), 'loss on hidden pixels {:.4f}')
    refine = {'type': 'PartitionAverage', 'samples': networks.SAMPLES}
    scheme = {'type': 'amsnet', 'stride': prepared['test_stride'], 'branches': 2, 'refine': refine}
    best = read_denoiser(fit.folder / networks.trained_weights('teacher', 'best')).weights
    options = networks.network_options(fit.settings.width)
    write_file(fit.folder / networks.TEACHER, best, networks.ARCH, options, overwrite=True, scheme=scheme)


def make_pairs(fit: Fit, facts: dict[str, Any]) -> None:
    """Denoise patches by the teacher; those that are there already stay."""
    teacher = networks.denoiser_of(fit, networks.TEACHER)
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
    say(f'pairs: {len(chosen["train"])} patches denoised by the teacher')


def train_student(fit: Fit, facts: dict[str, Any]) -> None:
    """Train a network to do in one pass what the teacher does."""
    known = (fit.folder / networks.STUDENT_INIT).is_file()
    start = networks.STUDENT_INIT if known else networks.trained_weights('teacher', 'best').as_posix()
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


def run_training(folder: Path, name: str, total: int) -> Generator[tuple[int, str, float], None, None]:
    """Train by `NAME.yml`, from the last intact checkpoint on if there is one; the output goes to `NAME.log`.

    Yields the iteration, 'loss' (now and then) or 'metric' (of a validation), and its value. The training ends with
    this process.
    """
    experiment = folder / 'experiments' / name
    if newest_intact(experiment / 'training_states', ['net_g'])[0] is None:
        shutil.rmtree(experiment, ignore_errors=True)  # of a kill before the first checkpoint; else it is put aside
    command = [sys.executable, '-m', 'amsnet_basicsr.fit.stages.child', '-opt', f'{name}.yml', '--auto_resume']
    # The child finds this package where this process did, whatever folder it is run in.
    paths = [str(Path(__file__).resolve().parents[3]), *filter(None, [os.environ.get('PYTHONPATH')])]
    environment = {'PYTHONUNBUFFERED': '1', 'PYTHONIOENCODING': 'utf-8', 'PYTHONPATH': os.pathsep.join(paths)}
    iteration, validated, last = 0, -1, ''
    # In a session of its own: Ctrl-C reaches only this process, which then ends the training.
    with (folder / f'{name}.log').open('a', buffering=1, encoding='utf-8') as log, subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding='utf-8', errors='replace', start_new_session=True,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout or ():
                log.write(line)
                last = line.strip() or last
                if found := _ITERATION.search(line):
                    iteration = int(found[1].replace(',', ''))
                    yield iteration, 'loss', float(found[2])
                elif _END in line:
                    iteration = total
                elif iteration and (found := _METRIC.search(line)) and iteration != validated:  # the last is repeated
                    validated = iteration
                    yield iteration, 'metric', float(found[2])
                    _prune(experiment)
            process.wait()  # before its input is closed, which would end it
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise UserError(
            f'the training of the {name} failed (exit code {process.returncode}): {last}; all of it is in '
            f'{folder / name}.log'
        )


def _prune(experiment: Path) -> None:
    """Remove all checkpoints but the newest ones."""
    states = sorted((experiment / 'training_states').glob('*.state'), key=lambda path: -int(path.stem))
    for state in states[_KEPT_STATES:]:
        state.unlink(missing_ok=True)
        (experiment / 'models' / f'net_g_{state.stem}.pth').unlink(missing_ok=True)
