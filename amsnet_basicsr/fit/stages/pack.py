"""The last stage of a fit: the model, compared with its teacher and with the shipped model, and the report."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from amsnet_basicsr.convert import write_file
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit.adapt.measure import psnr, risks
from amsnet_basicsr.fit.adapt.noise import NoiseModel, estimate_noise_model
from amsnet_basicsr.fit.images import spread
from amsnet_basicsr.fit.networks import (
    ARCH,
    MODEL,
    TEACHER,
    averaged_weights,
    denoiser_of,
    student_network,
    trained_weights,
)
from amsnet_basicsr.fit.patches import patch_files, read_png, write_png
from amsnet_basicsr.fit.progress_images import comparison, shown_patches
from amsnet_basicsr.fit.report import write_report
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.prepare.noise_correlation import noise_spectra
from amsnet_basicsr.utils.atomic_write import atomic_write

_PATCHES_FOR_NOISE = 64


def is_finished(fit: Fit) -> bool:
    """Whether a fit is done."""
    return fit.done('pack') and (fit.folder / MODEL).is_file()


def pack(fit: Fit, facts: dict[str, Any]) -> None:
    """Write the model, compare it with the teacher and with the shipped model, and report."""
    weights = averaged_weights(fit.folder / trained_weights('student', 'latest'))
    # Under another name until it has been used: the model is there only when the fit is finished.
    candidate = fit.folder / 'student.safetensors'
    crop = fit.facts('plan')['student_crop']
    write_file(candidate, weights, ARCH, student_network(fit), overwrite=True, scheme={'type': 'plain'}, crop=crop)
    facts.update(compare(fit, candidate.name), **against_shipped(fit, candidate))
    fit.save()
    with atomic_write(fit.folder / 'report.md') as file:
        file.write(write_report(fit).encode(errors='backslashreplace'))
    os.replace(candidate, fit.folder / MODEL)


def compare(fit: Fit, student: str) -> dict[str, float]:
    """Denoise the held-out patches by teacher and student, and draw some of them in `progress/result.png`.

    Returns the PSNR to the teacher's result in dB, and the seconds that each takes to denoise a megapixel.
    """
    files = patch_files(fit.folder, 'held_out')
    noisy = [read_png(file) for file in files]
    megapixels = sum(image.shape[0] * image.shape[1] for image in noisy) / 1e6
    results, seconds = [], []
    for denoiser in (denoiser_of(fit, TEACHER), denoiser_of(fit, student)):
        denoiser(noisy[0][:32, :32])  # the first pass costs more than the others
        start = time.perf_counter()
        results.append([denoiser(image) for image in noisy])
        seconds.append((time.perf_counter() - start) / megapixels)
    shown = [files.index(file) for file in shown_patches(fit.folder)]
    rows = [(noisy[i], results[0][i], results[1][i]) for i in shown]
    (fit.folder / 'progress').mkdir(exist_ok=True)
    write_png(fit.folder / 'progress' / 'result.png', comparison(rows, ('noisy', 'teacher', 'student (the model)')))
    return {
        'noisy_to_teacher': _psnr(noisy, results[0]),
        'student_to_teacher': _psnr(results[1], results[0]),
        'teacher_seconds': seconds[0],
        'student_seconds': seconds[1],
    }


def _psnr(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """Mean PSNR of images against others, uint8, in dB."""
    errors = [np.mean((x.astype(np.float64) - y) ** 2) for x, y in zip(a, b, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-10)) for error in errors]))


def against_shipped(fit: Fit, candidate: Path) -> dict[str, float]:
    """Estimate the PSNR of the shipped model and of the student on held-out patches, if their noise can be."""
    try:
        models = [load_model(model) for model in (None, candidate)]
    except ValueError:  # nothing is shipped
        return {}
    for model in models:
        model.pool_locally()  # as they are run
    nets = [model.net.to(fit.device).eval() for model in models]
    if (noise := noise_of_patches(fit.folder)) is None:
        return {}
    crops = []
    for file in patch_files(fit.folder, 'held_out'):
        image = read_png(file)
        height, width = (min(side, 256) // 16 * 16 for side in image.shape[:2])
        crops.append((image[:height, :width].astype(np.float32) / 255, noise))
    count, found = psnr(risks(nets, crops, fit.device, fit.settings.seed))
    return dict(zip(('shipped_psnr', 'student_psnr'), found, strict=True)) if count else {}


def noise_of_patches(folder: Path) -> NoiseModel | None:
    """Estimate the noise that the patches of a work folder have in common; None if it can't be.

    Not for each patch: it has few flat places, and where it has none its texture is taken for noise.
    """
    files = [*patch_files(folder, 'held_out'), *spread(patch_files(folder, 'train'), _PATCHES_FOR_NOISE)]
    with suppress(ValueError):
        return estimate_noise_model(noise_spectra(read_png(file)) for file in files)
    return None
