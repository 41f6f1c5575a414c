"""The stages of a fit. Each can be run again after a kill and goes on where it was."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from amsnet_basicsr.convert import WeightsError, read_denoiser, read_file, write_file
from amsnet_basicsr.denoise.denoiser import DenoiseError, Denoiser
from amsnet_basicsr.denoise.load_model import SHIPPED, STUDENT, TEACHER
from amsnet_basicsr.fit import progress_images
from amsnet_basicsr.fit.options import Training, student_options, teacher_options
from amsnet_basicsr.fit.photos import (
    HELD_OUT_PATCHES,
    choose_strides,
    plan_cuts,
    survey,
    thin_out,
    write_patches,
)
from amsnet_basicsr.fit.plan import (
    CPU_BATCH,
    CPU_CROP,
    GPU_BATCH,
    GPU_CROP,
    SAMPLES,
    Costs,
    crop_size,
    make_plan,
    measure,
    network_options,
)
from amsnet_basicsr.fit.report import compare, neighbour_loss, report
from amsnet_basicsr.fit.state import FitError, Record, Settings
from amsnet_basicsr.fit.targets import choose_patches, denoise_patches, read_png, write_list, write_png
from amsnet_basicsr.fit.training import run_training, validation_curve
from amsnet_basicsr.prepare.whole_output import human_bytes
from amsnet_basicsr.utils.atomic_write import atomic_write

ARCH = 'NAFNet'
STUDENT_LR, SHIPPED_LR = 2e-3, 5e-4
"""Learning rate of a student that starts from its teacher's weights, and of one that starts from the shipped ones."""
_SHIPPED_STUDENT = 'student_init.pth'
_BYTES_PER_PIXEL = 4.0  # of a noisy patch and its denoised one, as PNG
_CHECKPOINTS = 6  # files of weights and states that lie there at once, for each training
_TEACHER, _MODEL = 'teacher.safetensors', 'model.safetensors'


@dataclass(frozen=True)
class Runner:
    """How stages are run this time; nothing of it changes the result but by rounding.

    Attributes:
        device: Where to run.
        workers: Processes that read images.
        say: Prints a line.
    """

    device: torch.device
    workers: int
    say: Callable[[str], None]


def run_stages(record: Record, runner: Runner) -> None:
    """Do what is left to do.

    Args:
        record: The record.
        runner: How to run.

    Raises:
        FitError: If something can't be done; a later run goes on.
    """
    stages: list[tuple[str, Callable[[Record, Runner, dict[str, Any]], None], Callable[[Record], bool]]] = [
        ('prepare', prepare, _has_patches),
        ('plan', plan, lambda record: True),
        ('teacher', train_teacher, lambda record: (record.folder / _TEACHER).is_file()),
        ('pairs', make_pairs, lambda record: (record.folder / 'pairs' / 'train.txt').is_file()),
        ('student', train_student, lambda record: _weights_file(record.folder, 'student', 'latest').is_file()),
        ('pack', pack, is_finished),
    ]
    for name, run, is_there in stages:
        if record.done(name) and is_there(record):
            runner.say(f'{name}: done before')
            continue
        try:
            with record.stage(name) as facts:
                run(record, runner, facts)
        except DenoiseError as error:
            raise FitError(f'{name}: {error}') from None


def is_finished(record: Record) -> bool:
    """Whether a fit is done.

    Args:
        record: Its record.
    """
    return record.done('pack') and (record.folder / _MODEL).is_file()


def _has_patches(record: Record) -> bool:
    facts = record.facts('prepare')
    found = {name: len(list((record.folder / 'patches' / name).glob('*.png'))) for name in ('train', 'held_out')}
    if any(found[name] != facts[name] for name in found):
        raise FitError(f'{record.folder / "patches"}: patches are missing or added since; --restart begins anew')
    return True


def _bar(total: int, what: str, unit: str = 'step') -> tqdm:
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False)


def prepare(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Survey the images, choose the strides, cut patches."""
    paths = [Path(path) for path, _ in record.photos]
    chosen, settings = thin_out(paths), record.settings
    with _bar(len(chosen), 'reading', 'image') as bar:
        usable, left_out, spectra = survey(chosen, lambda done: bar.update(done - bar.n))
    strides = choose_strides(spectra, settings.train_stride, settings.test_stride)
    size, cuts = plan_cuts(usable, settings.patch, settings.patches, settings.seed)
    for name, reason in left_out.items():
        runner.say(f'left out: {name}: {reason}')
    count = sum(len(cut.train) + len(cut.held_out) for cut in cuts)
    check_space(count * size**2 * _BYTES_PER_PIXEL + 2 * _CHECKPOINTS * network_bytes(settings), record.folder)
    with _bar(len(cuts), 'cutting', 'image') as bar:
        train, held_out = write_patches(
            cuts, size, record.folder / 'patches', lambda done: (bar.update(done - bar.n), None)[1]
        )
    facts.update(
        photos=len(usable), held_out_photos=sum(bool(cut.held_out) and not cut.train for cut in cuts),
        left_out=left_out, thinned=len(paths) - len(chosen), size=size, train=train, held_out=held_out,
        train_stride=strides.train, test_stride=strides.test, reason=strides.reason,
    )  # fmt: skip
    runner.say(
        f'prepare: {train} patches of {size}×{size} to train on, {held_out} held out, of {len(usable)} images; '
        f'strides {strides.train} and {strides.test} ({strides.reason})'
    )


def network_bytes(settings: Settings) -> float:
    """Bytes of a file with the network's weights and their average, about."""
    return 2 * 4 * 0.69e6 * max(settings.width / 16, 0.1) ** 2


def check_space(needed: float, folder: Path) -> None:
    """Stop if the disk has too little room.

    Args:
        needed: Bytes.
        folder: A folder on it.

    Raises:
        FitError: If it has less.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FitError(
            f'about {human_bytes(needed)} are needed, but {folder} has {human_bytes(free)} free: make room, name a '
            'place on another disk with -o, or take fewer --patches'
        )


def plan(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Measure what steps cost here, and share out the time."""
    settings, prepared = record.settings, record.facts('prepare')
    batch = settings.batch or (GPU_BATCH if runner.device.type == 'cuda' else CPU_BATCH)
    strides, size = (prepared['train_stride'], prepared['test_stride']), prepared['size']
    wanted = GPU_CROP if runner.device.type == 'cuda' else CPU_CROP
    crops = (crop_size(size, strides[0], wanted), crop_size(size, 1, wanted))
    costs = measure(settings.width, size, crops, strides, batch, runner.device, settings.seed)
    made = make_plan(costs, prepared['train'], prepared['held_out'], settings.minutes, settings.iterations)
    estimate = asdict(made)
    facts.update(estimate=estimate.pop('seconds'), **estimate)
    facts.update(batch=batch, crop=crops[0], student_crop=crops[1], costs=asdict(costs))
    minutes = [made.teacher * costs.teacher, made.patches * costs.patch, made.student * costs.student]
    runner.say(
        f'plan: about {_minutes(made.seconds)} in all on {runner.device}: teacher {made.teacher} steps '
        f'({_minutes(minutes[0])}), {made.patches} patches denoised ({_minutes(minutes[1])}), student {made.student} '
        f'steps ({_minutes(minutes[2])}), start and images'
    )


def _minutes(seconds: float) -> str:
    return f'{seconds / 60:.1f} min' if seconds < 6000 else f'{seconds / 3600:.1f} h'


def _training(record: Record, runner: Runner, name: str, images: int, crop: int, pretrained: str | None) -> Training:
    settings, planned = record.settings, record.facts('plan')
    return Training(
        planned[name], crop, planned['batch'], images, network_options(settings.width), pretrained, settings.seed,
        runner.device.type == 'cuda', runner.workers, Costs(**planned['costs']).__dict__[name],
    )  # fmt: skip


def _train(
    record: Record, runner: Runner, name: str, text: str, what: str, draw: Callable[[Path, int], Path | None]
) -> None:
    folder, total = record.folder, record.facts('plan')[name]
    with atomic_write(folder / f'{name}.yml') as file:
        file.write(text.encode())
    with _bar(total, name) as bar:

        def on_step(iteration: int, loss: float) -> None:
            bar.update(iteration - bar.n)
            bar.set_postfix_str(f'loss {loss:.4f}')

        def on_validation(iteration: int, value: float) -> None:
            image = draw(folder, iteration)
            record.tick()
            shown = f'; {image.relative_to(folder)}' if image else ''
            with tqdm.external_write_mode():
                runner.say(f'{name}: step {iteration} of {total}, {what.format(value)}{shown}')

        run_training(folder, name, total, on_step, on_validation)


def _weights_file(folder: Path, name: str, which: str) -> Path:
    return folder / 'experiments' / name / 'models' / f'net_g_{which}.pth'


def _average(path: Path) -> dict[str, torch.Tensor]:
    try:
        return read_file(path)[0]['params_ema']
    except (WeightsError, KeyError, TypeError) as error:
        raise FitError(f'{path}: {error}; was the disk full? Run the same command again') from None


def train_teacher(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Train the teacher on noisy patches, and pack it."""
    folder, settings = record.folder, record.settings
    prepared, planned = record.facts('prepare'), record.facts('plan')
    pretrained = None
    if settings.init not in (None, 'none'):
        pretrained = 'init.pth'
        if not (folder / pretrained).is_file():
            write_file(folder / pretrained, read_init(settings) or {}, ARCH, network_options(settings.width))
    strides = (prepared['train_stride'], prepared['test_stride'])
    training = _training(record, runner, 'teacher', prepared['train'], planned['crop'], pretrained)
    text = teacher_options(training, strides, prepared['reason'])
    _train(record, runner, 'teacher', text, 'loss on hidden pixels {:.4f}', progress_images.teacher_progress)
    held_out = sorted((folder / 'patches' / 'held_out').glob('*.png'))
    neighbours = [neighbour_loss(read_png(file), strides[0]) for file in held_out]
    facts.update(
        curve=validation_curve(folder, 'teacher', 'mask_l1', planned['teacher']),
        neighbours=sum(neighbours) / len(neighbours),
    )
    best = _weights_file(folder, 'teacher', 'best')
    scheme = {
        'type': 'amsnet', 'stride': strides[1], 'branches': 2,
        'refine': {'type': 'PartitionAverage', 'samples': SAMPLES},
    }  # fmt: skip
    options = network_options(settings.width)
    write_file(folder / _TEACHER, _average(best), ARCH, options, overwrite=True, scheme=scheme)


def read_init(settings: Settings) -> dict[str, torch.Tensor] | None:
    """Read the weights that the teacher starts from.

    Args:
        settings: With the file.

    Returns:
        The weights, float32, or None to start from scratch.

    Raises:
        FitError: If they can't be read or are those of another network.
    """
    if settings.init in (None, 'none'):
        return None
    try:
        found = read_denoiser(Path(settings.init))
    except WeightsError as error:
        raise FitError(f'--init {settings.init}: {error}') from None
    wanted = network_options(settings.width)
    differing = {name: found.options.get(name) for name, value in wanted.items() if found.options.get(name) != value}
    if found.arch != ARCH or differing:
        what = found.arch if found.arch != ARCH else ', '.join(f'{name} {value}' for name, value in differing.items())
        hint = f'; give --width {differing["width"]}' if found.arch == ARCH and list(differing) == ['width'] else ''
        raise FitError(f'--init {settings.init}: another network than is trained here ({what}){hint}')
    return {name: value.float() for name, value in found.weights.items()}


def _denoiser(record: Record, runner: Runner, name: str) -> Denoiser:
    return Denoiser.from_pretrained(record.folder / name, seed=record.settings.seed, device=runner.device)


def make_pairs(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Denoise patches by the teacher."""
    folder, count = record.folder, record.facts('plan')['patches']
    teacher = _denoiser(record, runner, _TEACHER)
    chosen = choose_patches(folder / 'patches' / 'train', count)
    held_out = sorted((folder / 'patches' / 'held_out').glob('*.png'))
    with _bar(len(chosen) + len(held_out), 'denoising', 'patch') as bar:
        for files, name in ((held_out, 'held_out'), (chosen, 'train')):
            start = bar.n
            denoise_patches(
                files, folder / 'pairs' / name, teacher, lambda done, start=start: bar.update(start + done - bar.n)
            )
    write_list(folder / 'pairs' / 'train.txt', chosen)
    facts.update(train=len(chosen))
    runner.say(f'pairs: {len(chosen)} patches denoised by the teacher')


def train_student(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Train a network to do in one pass what the teacher does."""
    planned = record.facts('plan')
    network, pretrained = student_start(record)
    training = _training(record, runner, 'student', planned['patches'], planned['student_crop'], pretrained)
    # Crops are halved as often as the network halves them.
    coarsest = 2 ** len(network['enc_blk_nums'])
    crop = max(training.crop // coarsest, 1) * coarsest
    training = replace(training, network=network, crop=crop)
    text = student_options(training, 2 * SAMPLES, SHIPPED_LR if pretrained == _SHIPPED_STUDENT else STUDENT_LR)
    _train(record, runner, 'student', text, 'PSNR to the teacher {:.2f} dB', progress_images.student_progress)
    facts.update(curve=validation_curve(record.folder, 'student', 'psnr_to_teacher', training.total))


def student_start(record: Record) -> tuple[dict[str, Any], str]:
    """Choose what the student starts from: of the same origin as its teacher.

    A fit that starts from the shipped teacher goes on with the shipped student, which knows how to do that teacher's
    work in one pass. Else the student has the teacher's network and weights: from these it comes closer to it in as
    many steps than from random ones, by 1.2 dB after 160, on patches of SIDD and with a teacher trained for 11500.

    Args:
        record: The fit. The shipped weights are copied into its folder.

    Returns:
        The network's hyper-parameters, and the file of weights in the folder.
    """
    own = _weights_file(Path(), 'teacher', 'best').as_posix()
    path = record.folder / _SHIPPED_STUDENT
    if path.is_file():  # chosen before; the package may lie elsewhere by now
        return read_denoiser(path).options, _SHIPPED_STUDENT
    if record.settings.init != str(SHIPPED / TEACHER) or not (SHIPPED / STUDENT).is_file():
        return network_options(record.settings.width), own
    shipped = read_denoiser(SHIPPED / STUDENT)
    weights = {name: value.float() for name, value in shipped.weights.items()}
    write_file(path, weights, ARCH, shipped.options)
    return shipped.options, _SHIPPED_STUDENT


def pack(record: Record, runner: Runner, facts: dict[str, Any]) -> None:
    """Write the model, compare it with the teacher, and report."""
    folder = record.folder
    weights = _average(_weights_file(folder, 'student', 'latest'))
    options, _ = student_start(record)
    # Under another name until it has been used: the model is there only when the fit is finished.
    candidate = folder / 'student.safetensors'
    write_file(candidate, weights, ARCH, options, overwrite=True, scheme={'type': 'plain'})
    files = sorted((folder / 'patches' / 'held_out').glob('*.png'))[:HELD_OUT_PATCHES]
    rows = progress_images.held_out_rows(folder)
    teacher, student = (_denoiser(record, runner, name) for name in (_TEACHER, candidate.name))
    compared = compare(files, rows, teacher, student)
    (folder / 'progress').mkdir(exist_ok=True)
    write_png(folder / 'progress' / 'result.png', compared.image)
    facts.update({name: value for name, value in vars(compared).items() if name != 'image'})
    record.tick()
    with atomic_write(folder / 'report.md') as file:
        file.write(report(record).encode())
    os.replace(candidate, folder / _MODEL)
