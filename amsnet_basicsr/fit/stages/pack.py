"""The last stage of a fit: the model, compared with its teacher and with the shipped model, and the report."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from amsnet_basicsr.convert import read_denoiser, write_file
from amsnet_basicsr.denoise.load_model import load_model
from amsnet_basicsr.fit import networks
from amsnet_basicsr.fit.adapt.measure import SIDE, as_run, as_tile, crops_of, gain, is_better, risks, run
from amsnet_basicsr.fit.adapt.noise import NoiseModel, estimate_noise_model
from amsnet_basicsr.fit.patches import patch_files, read_png, spread, write_png
from amsnet_basicsr.fit.progress_images import comparison, shown_patches
from amsnet_basicsr.fit.report import write_report
from amsnet_basicsr.fit.state import Fit
from amsnet_basicsr.utils.atomic_write import atomic_write

_PATCHES_FOR_NOISE = 64


def is_finished(fit: Fit) -> bool:
    """Whether a fit is done."""
    return fit.done('pack') and (fit.folder / networks.MODEL).is_file()


def pack(fit: Fit, facts: dict[str, Any]) -> None:
    """Write the model, compare it with the teacher and with the shipped model, and report."""
    found = read_denoiser(fit.folder / networks.trained_weights('student', 'latest'))
    # Under another name until it has been used: the model is there only when the fit is finished.
    candidate = fit.folder / 'student.safetensors'
    crop, scheme = fit.facts('plan')['student_crop'], {'type': 'plain'}
    write_file(candidate, found.weights, found.arch, found.options, overwrite=True, scheme=scheme, crop=crop)
    facts.update(compare(fit, candidate.name), **against_shipped(fit, candidate))
    fit.save()
    with atomic_write(fit.folder / 'report.md') as file:
        file.write(write_report(fit).encode(errors='backslashreplace'))
    os.replace(candidate, fit.folder / networks.MODEL)


def compare(fit: Fit, student: str) -> dict[str, float]:
    """Denoise the held-out patches by teacher and student, and draw some of them in `progress/result.png`.

    Returns the PSNR to the teacher's result in dB, and the seconds that each takes to denoise a megapixel.
    """
    noisy = {file: read_png(file) for file in patch_files(fit.folder, 'held_out')}
    megapixels = sum(image.shape[0] * image.shape[1] for image in noisy.values()) / 1e6
    results, seconds = [], []
    for denoiser in (networks.denoiser_of(fit, networks.TEACHER), networks.denoiser_of(fit, student)):
        denoiser(next(iter(noisy.values()))[:32, :32])  # the first pass costs more than the others
        start = time.perf_counter()
        results.append({file: denoiser(image) for file, image in noisy.items()})
        seconds.append((time.perf_counter() - start) / megapixels)
    teacher, own = results
    rows = [(noisy[file], teacher[file], own[file]) for file in shown_patches(fit.folder)]
    write_png(fit.folder / 'progress' / 'result.png', comparison(rows, ('noisy', 'teacher', 'student (the model)')))

    def psnr_to_teacher(images: Mapping[Path, np.ndarray]) -> float:
        return float(np.mean([cv2.PSNR(image, teacher[file]) for file, image in images.items()]))

    return {
        'noisy_to_teacher': psnr_to_teacher(noisy),
        'student_to_teacher': psnr_to_teacher(own),
        'teacher_seconds': seconds[0],
        'student_seconds': seconds[1],
    }


def against_shipped(fit: Fit, candidate: Path) -> dict[str, float | bool]:
    """Estimate how much better the student is than the shipped model on held-out patches, if their noise can be."""
    try:
        nets = as_run([load_model(model) for model in (None, candidate)], fit.device)
    except ValueError:  # nothing is shipped
        return {}
    noise = noise_of_patches(fit.folder, nets[0], fit.device)
    if noise is None:
        return {}
    crops = crops_of(as_tile(read_png(file), SIDE) for file in patch_files(fit.folder, 'held_out'))
    errors = risks(nets, crops, noise, fit.device, fit.settings.seed)
    count, mean, standard_error = gain(errors)
    return {'gain': mean, 'standard_error': standard_error, 'is_better': is_better(errors)} if count > 1 else {}


def noise_of_patches(folder: Path, shipped: nn.Module, device: torch.device) -> NoiseModel | None:
    """Estimate the noise that the patches of a work folder have in common; None if it can't be."""
    files = [*patch_files(folder, 'held_out'), *spread(patch_files(folder, 'train'), _PATCHES_FOR_NOISE)]
    tiles = (as_tile(read_png(file), SIDE) for file in files)
    with suppress(ValueError):
        return estimate_noise_model((tile, run(shipped, tile, device)) for tile in tiles)
    return None
