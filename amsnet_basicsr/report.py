"""What a finished training says: figures before and after, where everything lies, and what to run next."""

import copy
import dataclasses
import os
import os.path as osp
import time
from typing import Any

import numpy as np
from basicsr.data import build_dataset
from basicsr.metrics import calculate_metric
from basicsr.models import build_model
from basicsr.utils import imwrite, tensor2img
from scipy.ndimage import gaussian_filter

from amsnet_basicsr.models.validation import picture_strip
from amsnet_basicsr.scheme import build_refinement

_METRICS = {
    'PSNR': {'type': 'calculate_psnr', 'crop_border': 0},
    'SSIM': {'type': 'calculate_ssim', 'crop_border': 0},
}
_BLUR_SIGMAS = (0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.6, 2.0, 2.5, 3.0)


def report_training(opt: dict[str, Any], opt_file: str) -> None:
    """Print the closing words of a training run, with the comparison that `report:` asks for.

    Args:
        opt: The options of the run.
        opt_file: Path of its options file.
    """
    root = opt['path']['experiments_root']
    weights = osp.join(opt['path']['models'], 'net_g_latest.pth')
    lines = []
    if opt.get('report'):
        table = compare_refinements(opt, weights, osp.join(root, 'report'))
        lines += ['', table, '', f'Pictures   {_show(osp.join(root, "report"))} (noisy | denoised | clean)']
        with open(osp.join(root, 'report', 'report.md'), 'w', encoding='utf-8') as file:
            file.write(f'{table}\n')
    elif osp.isdir(opt['path']['visualization']) and os.listdir(opt['path']['visualization']):
        lines.append(f'Pictures   {_show(opt["path"]["visualization"])}')
    lines += [
        f'Weights    {_show(weights)}',
        f'Log        {_show(opt["path"]["log"])}',
    ]
    if opt['logger'].get('use_tb_logger'):
        board = osp.join(opt['root_path'], 'tb_logger', opt['name'])
        lines.append(f'Curves     tensorboard --logdir {_show(board)}')
    if opt.get('report'):
        lines += [
            'Next       train on your own noisy photographs: put them (or patches of them) in a folder, set',
            '           dataroot_lq in options/train_amsnet_small.yml and run',
            '           python basicsr/train.py -opt options/train_amsnet_small.yml',
        ]
    print('\n'.join(lines), flush=True)


def compare_refinements(opt: dict[str, Any], weights: str, folder: str) -> str:
    """Denoise the validation sets with each refinement of `report.refine`, and compare with plain blur.

    Blur is the Gaussian whose sigma does best on each set against the clean pictures: more than anybody could choose
    without them, so a bar that says something.

    Args:
        opt: The options of the run, with `report: {refine: [~, {type: R3, …}, …]}`.
        weights: Path of the trained weights.
        folder: Where strips noisy | denoised | clean of the best refinement go.

    Returns:
        A table in Markdown: mean PSNR and SSIM over the images (RGB, 8 bit), and seconds per megapixel.
    """
    pairs = []
    for phase, dataset_opt in opt['datasets'].items():
        if phase.split('_')[0] == 'val':
            dataset = build_dataset(dataset_opt)
            pairs += [item for item in (dataset[i] for i in range(len(dataset))) if 'gt' in item]
    if not pairs:
        return 'No validation set has ground truth, so there is nothing to compare.'
    noisy, clean = ([tensor2img(pair[key].clone()) for pair in pairs] for key in ('lq', 'gt'))
    megapixels = sum(image.shape[0] * image.shape[1] for image in clean) / 1e6
    rows = [('noisy input', noisy, None)]
    blurred = {
        sigma: [
            gaussian_filter(image.astype(np.float32), (sigma, sigma, 0)).round().astype(np.uint8) for image in noisy
        ]
        for sigma in _BLUR_SIGMAS
    }
    sigma = max(_BLUR_SIGMAS, key=lambda s: _mean('PSNR', blurred[s], clean))
    rows.append((f'Gaussian blur, best sigma ({sigma})', blurred[sigma], None))
    model = _load(opt, weights)
    results = []
    for refine in opt['report'].get('refine', [None]):
        model.scheme = dataclasses.replace(model.scheme, refine=build_refinement(refine))
        start = time.perf_counter()
        denoised = [_denoise(model, pair) for pair in pairs]
        seconds = (time.perf_counter() - start) / megapixels
        settings = ', '.join(f'{key} {value}' for key, value in (refine or {}).items() if key != 'type')
        name = f'AMSNet, {refine["type"]} ({settings})' if refine else 'AMSNet, no refinement'
        results.append((name, denoised, seconds))
    best = max(results, key=lambda row: _mean('PSNR', row[1], clean))
    os.makedirs(folder, exist_ok=True)
    for pair, *pictures in zip(pairs, noisy, best[1], clean, strict=True):
        name = osp.splitext(osp.basename(pair['lq_path']))[0]
        imwrite(picture_strip(pictures), osp.join(folder, f'{name}.png'))
    table = [f'| {len(pairs)} validation images | PSNR dB | SSIM | s/MP |', '|---|---|---|---|']
    for name, images, seconds in rows + results:
        time_text = f'{seconds:.1f}' if seconds is not None else ''
        table.append(
            f'| {name} | {_mean("PSNR", images, clean):.2f} | {_mean("SSIM", images, clean):.4f} | {time_text} |'
        )
    return '\n'.join(table)


def _load(opt: dict[str, Any], weights: str) -> Any:
    """Build the model as for testing, with the averaged weights if there are any."""
    opt = copy.deepcopy(opt)
    opt.update(is_train=False, dist=False)
    opt['path'].update(pretrain_network_g=weights, param_key_g='params_ema', strict_load_g=True)
    return build_model(opt)


def _denoise(model: Any, pair: dict[str, Any]) -> np.ndarray:
    model.feed_data({'lq': pair['lq'][None]})
    model.test()
    return tensor2img(model.output.detach().clone())


def _mean(metric: str, images: list[np.ndarray], references: list[np.ndarray]) -> float:
    values = [
        calculate_metric({'img': image, 'img2': reference}, _METRICS[metric])
        for image, reference in zip(images, references, strict=True)
    ]
    return float(np.mean(values))


def _show(path: str) -> str:
    relative = osp.relpath(path)
    return path if relative.startswith('..') else relative
