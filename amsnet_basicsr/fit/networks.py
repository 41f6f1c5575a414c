"""The networks of a fit, and the weights that they start from."""

from pathlib import Path
from typing import Any

from amsnet_basicsr.convert import WeightsError, read_denoiser, write_file
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


def check_init(settings: Settings) -> None:
    """Refuse weights for the teacher to start from that can't be read or are of another network."""
    path = start_weights(settings)
    if path is None:
        return
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


def put_start_weights(fit: Fit) -> None:
    """Put the weights that teacher and student start from into the work folder; what is there stays.

    A fit that starts from the shipped teacher continues from the shipped student, which knows how to do that teacher's
    work in one pass. Else the student has the teacher's network and weights: from these it comes closer to it in as
    many steps than from random ones, by 1.2 dB after 160, on patches of SIDD and with a teacher trained for 11500.
    """
    source, student = start_weights(fit.settings), SHIPPED / SHIPPED_STUDENT
    knows = source == SHIPPED / SHIPPED_TEACHER and student.is_file()
    for name, path in ((TEACHER_INIT, source), (STUDENT_INIT, student if knows else None)):
        if path is not None and not (fit.folder / name).is_file():
            found = read_denoiser(path)
            weights = {key: value.float() for key, value in found.weights.items()}
            write_file(fit.folder / name, weights, ARCH, found.options)


def student_network(fit: Fit) -> dict[str, Any]:
    """Hyper-parameters of the student."""
    start = fit.folder / STUDENT_INIT
    return read_denoiser(start).options if start.is_file() else network_options(fit.settings.width)


def trained_weights(name: str, which: str) -> Path:
    """Name the file of weights that BasicSR's training writes, in the work folder."""
    return Path('experiments', name, 'models', f'net_g_{which}.pth')


def denoiser_of(fit: Fit, name: str) -> Denoiser:
    """Load weights of the work folder."""
    return Denoiser.from_pretrained(fit.folder / name, seed=fit.settings.seed, device=fit.device)
