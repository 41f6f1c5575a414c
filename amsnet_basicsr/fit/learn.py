"""Teacher and student: AMSNet on the noisy patches, and one network that does the same in a single pass."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from amsnet_basicsr.convert import WeightsError, read_denoiser, read_file, write_file
from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.denoise.load_model import SHIPPED
from amsnet_basicsr.denoise.load_model import STUDENT as SHIPPED_STUDENT
from amsnet_basicsr.denoise.load_model import TEACHER as SHIPPED_TEACHER
from amsnet_basicsr.fit import progress_images
from amsnet_basicsr.fit.images import spread
from amsnet_basicsr.fit.options import Training, student_options, teacher_options
from amsnet_basicsr.fit.plan import SAMPLES, network_options
from amsnet_basicsr.fit.progress_images import held_out, read_png, write_png
from amsnet_basicsr.fit.state import Record, Runner, Settings
from amsnet_basicsr.fit.training import run_training, validation_curve
from amsnet_basicsr.scheme import pixel_downsample
from amsnet_basicsr.scheme.pad import pad_to_multiple
from amsnet_basicsr.utils.atomic_write import atomic_write
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import say

ARCH = 'NAFNet'
TEACHER = 'teacher.safetensors'
_STUDENT_INIT = 'student_init.pth'


def weights_file(folder: Path, name: str, which: str) -> Path:
    """Name the file of weights that BasicSR's training writes."""
    return folder / 'experiments' / name / 'models' / f'net_g_{which}.pth'


def averaged_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the averaged weights of a training."""
    try:
        return read_file(path)[0]['params_ema']
    except (WeightsError, KeyError, TypeError) as error:
        raise UserError(f'{path}: {error}; was the disk full? Run the same command again') from None


def denoiser_of(record: Record, runner: Runner, name: str) -> Denoiser:
    """Load weights of the work folder."""
    return Denoiser.from_pretrained(record.folder / name, seed=record.settings.seed, device=runner.device)


def _training(
    record: Record, runner: Runner, name: str, images: int, crop: int, pretrained: str | None, lr: float
) -> Training:
    settings, planned = record.settings, record.facts('plan')
    return Training(
        name, planned[name], crop, planned['batch'], images, network_options(settings.width), pretrained, lr,
        settings.seed, runner.gpu, runner.workers, planned['costs'][name],
    )  # fmt: skip


def _train(
    record: Record, runner: Runner, name: str, text: str, what: str, draw: Callable[[Path, int], Path | None]
) -> None:
    folder, total = record.folder, record.facts('plan')[name]
    with atomic_write(folder / f'{name}.yml') as file:
        file.write(text.encode())
    with tqdm(total=total, desc=name, unit='step', disable=None, leave=False) as progress:

        def on_step(iteration: int, loss: float) -> None:
            progress.update(iteration - progress.n)
            progress.set_postfix_str(f'loss {loss:.4f}')

        def on_validation(iteration: int, value: float) -> None:
            image = draw(folder, iteration)
            record.tick()
            shown = f'; {image.relative_to(folder)}' if image else ''
            say(f'{name}: step {iteration} of {total}, {what.format(value)}{shown}')

        run_training(folder, name, total, on_step, on_validation)


def train_teacher(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Train the teacher on noisy patches, and write `teacher.safetensors`."""
    folder, settings = record.folder, record.settings
    prepared, planned, pretrained = record.facts('prepare'), record.facts('plan'), None
    options = network_options(settings.width)
    if start_weights(settings) is not None:
        pretrained = 'init.pth'
        if not (folder / pretrained).is_file():
            write_file(folder / pretrained, read_init(settings) or {}, ARCH, options)
    strides = prepared['train_stride'], prepared['test_stride']
    lr = 1e-3 if pretrained else 2e-3
    training = _training(record, runner, 'teacher', prepared['train'], planned['crop'], pretrained, lr)
    text = teacher_options(training, strides, prepared['reason'])
    _train(record, runner, 'teacher', text, 'loss on hidden pixels {:.4f}', progress_images.teacher_progress)
    neighbours = [neighbour_loss(read_png(file), strides[0]) for file in held_out(folder)]
    facts.update(
        curve=validation_curve(folder, 'teacher', 'mask_l1', planned['teacher']),
        neighbours=sum(neighbours) / len(neighbours),
    )
    refine = {'type': 'PartitionAverage', 'samples': SAMPLES}
    scheme = {'type': 'amsnet', 'stride': strides[1], 'branches': 2, 'refine': refine}
    best = averaged_weights(weights_file(folder, 'teacher', 'best'))
    write_file(folder / TEACHER, best, ARCH, options, overwrite=True, scheme=scheme)


def start_weights(settings: Settings) -> Path | None:
    """Name the file of weights that the teacher starts from; None to start from scratch."""
    if settings.init is None:
        shipped = SHIPPED / SHIPPED_TEACHER
        return shipped if settings.width == Settings.width and shipped.is_file() else None
    return None if settings.init == 'none' else Path(settings.init)


def read_init(settings: Settings) -> dict[str, torch.Tensor] | None:
    """Read the weights that the teacher starts from, float32; None to start from scratch.

    Raises:
        UserError: If they can't be read or are those of another network.
    """
    path = start_weights(settings)
    if path is None:
        return None
    try:
        found = read_denoiser(path)
    except WeightsError as error:
        raise UserError(f'--init {path}: {error}') from None
    wanted = network_options(settings.width)
    differing = {name: found.options.get(name) for name, value in wanted.items() if found.options.get(name) != value}
    if found.arch != ARCH or differing:
        what = found.arch if found.arch != ARCH else ', '.join(f'{name} {value}' for name, value in differing.items())
        hint = f'; give --width {differing["width"]}' if found.arch == ARCH and list(differing) == ['width'] else ''
        raise UserError(f'--init {path}: another network than is trained here ({what}){hint}')
    return {name: value.float() for name, value in found.weights.items()}


def neighbour_loss(noisy: np.ndarray, stride: int) -> float:
    """Predict every pixel by the mean of the eight around it in its sub-image: what a network must beat.

    Returns the mean absolute error in units of the image range, to be compared with `calculate_mask_l1`.
    """
    x = torch.from_numpy(noisy.astype(np.float32) / 255).permute(2, 0, 1)[None]
    sub = pixel_downsample(pad_to_multiple(x, stride), stride)
    padded = torch.nn.functional.pad(sub, (1, 1, 1, 1), mode='reflect')
    mean = (9 * torch.nn.functional.avg_pool2d(padded, 3, stride=1) - sub) / 8
    return float((mean - sub).abs().mean())


def make_pairs(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Denoise patches by the teacher; those that are there already stay."""
    folder, teacher = record.folder, denoiser_of(record, runner, TEACHER)
    chosen = spread(sorted((folder / 'patches' / 'train').glob('*.png')), record.facts('plan')['patches'])
    jobs = [(file, 'held_out') for file in held_out(folder)] + [(file, 'train') for file in chosen]
    for name in ('held_out', 'train'):
        (folder / 'pairs' / name).mkdir(parents=True, exist_ok=True)
    for file, name in tqdm(jobs, 'denoising', unit='patch', disable=None, leave=False):
        target = folder / 'pairs' / name / file.name
        if not target.exists():
            write_png(target, teacher(read_png(file)))
    with atomic_write(folder / 'pairs' / 'train.txt') as listing:
        listing.writelines(f'{file.name}\n'.encode() for file in chosen)
    facts.update(train=len(chosen))
    say(f'pairs: {len(chosen)} patches denoised by the teacher')


def train_student(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Train a network to do in one pass what the teacher does."""
    planned = record.facts('plan')
    network, pretrained = student_start(record)
    lr = 5e-4 if pretrained == _STUDENT_INIT else 2e-3
    # Crops are halved as often as the network halves them.
    coarsest = 2 ** len(network['enc_blk_nums'])
    crop = max(planned['student_crop'] // coarsest, 1) * coarsest
    training = _training(record, runner, 'student', planned['patches'], crop, pretrained, lr)
    text = student_options(replace(training, network=network), 2 * SAMPLES)
    _train(record, runner, 'student', text, 'PSNR to the teacher {:.2f} dB', progress_images.student_progress)
    facts.update(curve=validation_curve(record.folder, 'student', 'psnr_to_teacher', training.total))


def student_start(record: Record) -> tuple[dict[str, Any], str]:
    """Choose what the student starts from: of the same origin as its teacher.

    A fit that starts from the shipped teacher continues from the shipped student, which knows how to do that teacher's
    work in one pass. Else the student has the teacher's network and weights: from these it comes closer to it in as
    many steps than from random ones, by 1.2 dB after 160, on patches of SIDD and with a teacher trained for 11500.

    Args:
        record: The fit. The shipped weights are copied into its folder.

    Returns:
        The network's hyper-parameters, and the file of weights in the folder.
    """
    own = weights_file(Path(), 'teacher', 'best').as_posix()
    path = record.folder / _STUDENT_INIT
    if path.is_file():  # chosen before; the package may lie elsewhere by now
        return read_denoiser(path).options, _STUDENT_INIT
    if start_weights(record.settings) != SHIPPED / SHIPPED_TEACHER or not (SHIPPED / SHIPPED_STUDENT).is_file():
        return network_options(record.settings.width), own
    shipped = read_denoiser(SHIPPED / SHIPPED_STUDENT)
    weights = {name: value.float() for name, value in shipped.weights.items()}
    write_file(path, weights, ARCH, shipped.options)
    return shipped.options, _STUDENT_INIT
