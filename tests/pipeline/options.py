"""A small complete set of options, to be varied by tests."""

import copy
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml

TINY_DNCNN = {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 8, 'nb': 4, 'act_mode': 'BR'}
PSNR = {'type': 'calculate_psnr', 'crop_border': 0}


def train_options(folder: Path | str, **changes: Any) -> dict[str, Any]:
    """Options that train a few iterations on a folder of images, which also serves for validation without pairs."""
    options: dict[str, Any] = {
        'name': 'tiny',
        'model_type': 'AMSNetModel',
        'num_gpu': 'auto',
        'manual_seed': 0,
        'scheme': {},
        'datasets': {
            'train': {
                'name': 'noisy', 'type': 'NoisyImageDataset', 'dataroot_lq': str(folder), 'crop_size': 40,
                'batch_size_per_gpu': 2, 'num_worker_per_gpu': 0, 'dataset_enlarge_ratio': 10,
            },
            'val': {'name': 'held-out', 'type': 'NoisyImageDataset', 'dataroot_lq': str(folder)},
        },
        'network_g': TINY_DNCNN,
        'path': {},
        'train': {
            'ema_decay': 0.9,
            'optim_g': {'type': 'AdamW', 'lr': 1e-3, 'weight_decay': 0},
            'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [6], 'eta_min': 1e-6},
            'total_iter': 6,
            'mask_opt': {'type': 'MaskL1Loss'},
        },
        'val': {'val_freq': 3, 'save_img': False, 'metrics': {'mask_l1': {'type': 'calculate_mask_l1'}}},
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 3, 'use_tb_logger': False},
    }  # fmt: skip
    options.update(copy.deepcopy(changes))
    return copy.deepcopy(options)


def test_options(folder: Path | str, weights: Path | str, **changes: Any) -> dict[str, Any]:
    """Options that test weights on a folder of images."""
    options = train_options(folder, **changes)
    for key in ('train', 'logger'):
        del options[key]
    options['datasets'] = {'test': options['datasets']['val']}
    options['path'] = {'pretrain_network_g': str(weights), 'param_key_g': 'params_ema'}
    return options


test_options.__test__ = False  # not a test, whatever its name looks like to pytest


def some_weights(path: Path) -> Path:
    """Write weights that can be read, though they fit no network."""
    torch.save({key: {'x': torch.zeros(1)} for key in ('params', 'params_ema')}, path)
    return path


def write(path: Path, options: dict[str, Any], plugin: bool = False) -> Path:
    """Write an options file, with the plugin line if asked for."""
    line = 'plugin: !!python/name:amsnet_basicsr.__version__\n' if plugin else ''
    path.write_text(line + yaml.safe_dump(options, sort_keys=False), encoding='utf-8')
    return path


class AThousandImages(list):
    """In the place of a dataset whose images are not there."""

    paths: ClassVar[list] = []


def a_thousand_images(dataset: dict[str, Any]) -> AThousandImages:
    return AThousandImages(range(1000))
