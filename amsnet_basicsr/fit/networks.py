"""The networks of a fit, and the weights that they start from."""

from pathlib import Path
from typing import Any

import torch

from amsnet_basicsr.convert import WeightsError, read_denoiser, read_file, write_file
from amsnet_basicsr.denoise.denoiser import Denoiser
from amsnet_basicsr.denoise.load_model import SHIPPED
from amsnet_basicsr.denoise.load_model import STUDENT as SHIPPED_STUDENT
from amsnet_basicsr.denoise.load_model import TEACHER as SHIPPED_TEACHER
from amsnet_basicsr.fit.state import Fit, Settings
from amsnet_basicsr.utils.errors import UserError

ARCH = 'NAFNet'
MODEL, TEACHER = 'model.safetensors', 'teacher.safetensors'
"""What a fit makes: the student, which is the model, and its teacher."""
TEACHER_INIT, STUDENT_INIT = 'init.pth', 'student_init.pth'
SAMPLES = 8
"""Partitions that the teacher averages over: better than R3 at the same cost, see docs/results/results.md."""
PASSES = 2 * SAMPLES
"""Passes through the teacher to denoise once: each partition has two branches."""


def network_options(width: int) -> dict[str, Any]:
    """Hyper-parameters of the teacher: a NAFNet of 0.68 million parameters at width 16."""
    return {'img_channel': 3, 'width': width, 'middle_blk_num': 4, 'enc_blk_nums': [1, 1, 2], 'dec_blk_nums': [1, 1, 1]}


def network_bytes(width: int) -> float:
    """Bytes of the checkpoints that lie there at once: six of each training, with weights and their average."""
    return 2 * 6 * 2 * 4 * 0.69e6 * max(width / 16, 0.1) ** 2


def start_weights(settings: Settings) -> Path | None:
    """Name the file of weights that the teacher starts from; None to start from scratch."""
    if settings.init is None:
        shipped = SHIPPED / SHIPPED_TEACHER
        return shipped if settings.width == Settings.width and shipped.is_file() else None
    return None if settings.init == 'none' else Path(settings.init)


def read_init(settings: Settings) -> dict[str, torch.Tensor] | None:
    """Read the weights that the teacher starts from, float32; None to start from scratch."""
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


def teacher_start(fit: Fit) -> str | None:
    """Put the weights that the teacher starts from into the work folder; returns the file, None for from scratch."""
    path = fit.folder / TEACHER_INIT
    if start_weights(fit.settings) is None:
        return None
    if not path.is_file():
        write_file(path, read_init(fit.settings) or {}, ARCH, network_options(fit.settings.width))
    return path.name


def student_network(fit: Fit) -> dict[str, Any]:
    """Hyper-parameters of the student."""
    source = _student_source(fit)
    return read_denoiser(source).options if source else network_options(fit.settings.width)


def student_start(fit: Fit) -> str:
    """Put the weights that the student starts from into the work folder; returns the file."""
    source, path = _student_source(fit), fit.folder / STUDENT_INIT
    if source is None:
        return trained_weights('teacher', 'best').as_posix()
    if source != path:
        found = read_denoiser(source)
        write_file(path, {name: value.float() for name, value in found.weights.items()}, ARCH, found.options)
    return path.name


def _student_source(fit: Fit) -> Path | None:
    """Choose what the student starts from, of the same origin as its teacher; None for the teacher's own weights.

    A fit that starts from the shipped teacher continues from the shipped student, which knows how to do that teacher's
    work in one pass. Else the student has the teacher's network and weights: from these it comes closer to it in as
    many steps than from random ones, by 1.2 dB after 160, on patches of SIDD and with a teacher trained for 11500.
    """
    kept, shipped = fit.folder / STUDENT_INIT, SHIPPED / SHIPPED_STUDENT
    if kept.is_file():  # chosen before; what ships may be another by now
        return kept
    return shipped if start_weights(fit.settings) == SHIPPED / SHIPPED_TEACHER and shipped.is_file() else None


def trained_weights(name: str, which: str) -> Path:
    """Name the file of weights that BasicSR's training writes, in the work folder."""
    return Path('experiments', name, 'models', f'net_g_{which}.pth')


def averaged_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the averaged weights of a training."""
    try:
        return read_file(path)[0]['params_ema']
    except (WeightsError, KeyError, TypeError) as error:
        raise UserError(f'{path}: {error}; was the disk full? Run the same command again') from None


def denoiser_of(fit: Fit, name: str) -> Denoiser:
    """Load weights of the work folder."""
    return Denoiser.from_pretrained(fit.folder / name, seed=fit.settings.seed, device=fit.device)
