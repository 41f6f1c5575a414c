"""Compare refinements, the noisy input and plain blur on sets with ground truth: the table that `report:` asks for."""

import copy
import os.path as osp
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from basicsr.data import build_dataset
from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.utils import imwrite
from scipy.ndimage import gaussian_filter

from amsnet_basicsr.models.validation.images import image_strip, to_image
from amsnet_basicsr.scheme import build_refinement

_BLUR_SIGMAS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)

Images = list[np.ndarray]


def compare_refinements(
    opt: dict[str, Any], weights: str, folder: str, stop_if_asked: Callable[[], None] = lambda: None
) -> str:
    """Denoise the sets that have ground truth with each refinement of `report.refine`, and compare with plain blur.

    Blur is the Gaussian whose sigma does best against the clean images: better than could be chosen without them.

    Args:
        opt: Options with `report: {refine: [~, {type: R3, …}, …]}`.
        weights: Path of the trained weights.
        folder: Where the table (`report.md`) goes, and images: strips noisy | denoised | clean with the refinement
            that has the best PSNR, and `…_crop.png`, the middle of every row of the table and of the clean image.
        stop_if_asked: Called before each image is denoised; may raise.

    Returns:
        For each set a table in Markdown: mean PSNR and SSIM over the images (RGB, 8 bit), and the seconds it took to
        denoise a megapixel.
    """
    opt = copy.deepcopy(opt)
    opt.update(is_train=False, dist=False)
    opt['path'].update(pretrain_network_g=weights, param_key_g='params_ema', strict_load_g=True)
    model, tables = build_model(opt), []
    for phase, dataset_opt in opt['datasets'].items():
        dataset = build_dataset(dataset_opt) if phase.split('_')[0] in ('val', 'test') else []
        pairs = [item for item in (dataset[index] for index in range(len(dataset))) if 'gt' in item]
        if pairs:
            tables.append(_compare_on(pairs, dataset_opt['name'], model, folder, stop_if_asked))
    text = '\n\n'.join(tables) or 'No set has ground truth, so there is nothing to compare.'
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, 'report.md').write_text(f'{text}\n', encoding='utf-8')
    return text


def _compare_on(
    pairs: list[dict[str, Any]], set_name: str, model: Any, folder: str, stop_if_asked: Callable[[], None]
) -> str:
    noisy, clean = ([to_image(pair[key][None]) for pair in pairs] for key in ('lq', 'gt'))
    megapixels = sum(image.shape[0] * image.shape[1] for image in clean) / 1e6
    blurred = {sigma: [_blur(image, sigma) for image in noisy] for sigma in _BLUR_SIGMAS}
    sigma = max(_BLUR_SIGMAS, key=lambda s: _mean('psnr', blurred[s], clean))
    rows = [('noisy input', noisy, ''), (f'Gaussian blur, best sigma ({sigma})', blurred[sigma], '')]
    for refine in model.opt['report'].get('refine', [None]):
        model.scheme = model.scheme.model_copy(update={'refine': build_refinement(refine)})
        start, denoised = time.perf_counter(), []
        for pair in pairs:
            stop_if_asked()
            model.feed_data({'lq': pair['lq'][None]})
            model.test()
            denoised.append(to_image(model.output))
        seconds = (time.perf_counter() - start) / megapixels
        settings = ', '.join(f'{key} {value}' for key, value in (refine or {}).items() if key != 'type')
        name = f'{refine["type"]} ({settings})' if refine else 'no refinement'
        rows.append((f'{model.opt["model_type"].removesuffix("Model")}, {name}', denoised, f'{seconds:.1f}'))
    candidates = [images for _, images, _ in rows[2:]]
    best = max(candidates, key=lambda images: _mean('psnr', images, clean), default=noisy)
    for number, pair in enumerate(pairs):
        path = osp.join(folder, set_name, osp.splitext(osp.basename(pair['lq_path']))[0])
        imwrite(image_strip([noisy[number], best[number], clean[number]]), f'{path}.png')
        crops = [_centre(images[number]) for images in [*(images for _, images, _ in rows), clean]]
        imwrite(image_strip(crops), f'{path}_crop.png')
    table = [f'| {set_name}: {len(pairs)} images | PSNR dB | SSIM | s/MP |', '|---|---|---|---|']
    for name, images, time_taken in rows:
        table.append(
            f'| {name} | {_mean("psnr", images, clean):.2f} | {_mean("ssim", images, clean):.4f} | {time_taken} |'
        )
    return '\n'.join(table)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)[: image.ndim]).round().astype(np.uint8)


def _centre(image: np.ndarray, size: int = 224) -> np.ndarray:
    """Cut the middle out, at most `size` pixels wide and high."""
    top, left = (max(0, (length - size) // 2) for length in image.shape[:2])
    return image[top : top + size, left : left + size]


def _mean(metric: str, images: Images, references: Images) -> float:
    settings = {'type': f'calculate_{metric}', 'crop_border': 0}
    pairs = zip(images, references, strict=True)
    return float(np.mean([calculate_metric({'img': image, 'img2': clean}, settings) for image, clean in pairs]))
