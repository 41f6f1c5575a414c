"""The options files that a fit trains by: BasicSR's, to be read by people too."""

from typing import Any

import yaml

from amsnet_basicsr.fit.networks import PASSES, STUDENT_INIT, network_options, student_network
from amsnet_basicsr.fit.state import Fit

_HEAD = """\
# Written by amsnet-denoise fit. Paths are relative to this folder, in which
#   python -m amsnet_basicsr.train -opt {name}.yml --auto_resume
# is what was run. options/train_amsnet_small.yml explains every key.
# {about}
plugin: !!python/name:amsnet_basicsr.__version__

"""
_STEPS_PER_EPOCH = 500  # an epoch's start costs time
_SECONDS_PER_CHECKPOINT = 90


def teacher_options(fit: Fit, pretrained: str | None) -> str:
    """Write the teacher's options: AMSNet from the noisy patches alone."""
    prepared, planned = fit.facts('prepare'), fit.facts('plan')
    folders = {'type': 'NoisyImageDataset', 'dataroot_lq': 'patches/train'}
    strides = {'train_stride': prepared['train_stride'], 'test_stride': prepared['test_stride']}
    options = {
        'model_type': 'AMSNetModel',
        'scheme': {**strides, 'branches': 2},
        'datasets': {
            'train': {'name': 'patches', **folders, 'crop_size': planned['crop'], 'cache_mb': 512},
            'val': {'name': 'held-out', **folders, 'dataroot_lq': 'patches/held_out'},
        },
        'network_g': {'type': 'NAFNet', **network_options(fit.settings.width)},
        'train': {'mask_opt': {'type': 'MaskL1Loss'}},
        'val': {'metrics': {'mask_l1': {'type': 'calculate_mask_l1'}}, 'save_best': 'mask_l1', 'strip': 0},
    }
    about = f'The teacher learns by AMSNet from the noisy patches alone. Strides: {prepared["reason"]}'
    return _complete(fit, 'teacher', about, options, prepared['train'], pretrained, 1e-3 if pretrained else 2e-3)


def student_options(fit: Fit, pretrained: str) -> str:
    """Write the student's options: to do in one pass what the teacher does in 16."""
    planned = fit.facts('plan')
    folders = {'type': 'PairedImageDataset', 'io_backend': {'type': 'disk'}}
    options = {
        'model_type': 'SRModel',
        'scale': 1,
        'datasets': {
            'train': {
                'name': 'pairs', **folders, 'dataroot_lq': 'patches/train', 'dataroot_gt': 'pairs/train',
                'meta_info_file': 'pairs/train.txt', 'gt_size': planned['student_crop'],
                'use_hflip': True, 'use_rot': True,
            },
            'val': {'name': 'held-out', **folders, 'dataroot_lq': 'patches/held_out', 'dataroot_gt': 'pairs/held_out'},
        },
        'network_g': {'type': 'NAFNet', **student_network(fit)},
        'train': {'pixel_opt': {'type': 'L1Loss'}},
        'val': {'metrics': {'psnr_to_teacher': {'type': 'calculate_psnr', 'crop_border': 0}}},
    }  # fmt: skip
    about = f'The student learns to do in one pass what the teacher does in {PASSES}: noisy patches and denoised ones.'
    lr = 5e-4 if pretrained == STUDENT_INIT else 2e-3
    return _complete(fit, 'student', about, options, planned['patches'], pretrained, lr)


def _complete(
    fit: Fit, name: str, about: str, options: dict[str, Any], images: int, pretrained: str | None, lr: float
) -> str:
    """Add what both trainings have in common, and write the file."""
    planned = fit.facts('plan')
    total, batch = planned[name], planned['batch']
    print_freq = max(1, total // 50)
    # A kill costs the steps since the last checkpoint, a checkpoint costs disk.
    wanted = round(_SECONDS_PER_CHECKPOINT / planned['costs'][name])
    options['datasets']['train'] |= {
        'batch_size_per_gpu': batch,
        'num_worker_per_gpu': fit.workers,
        'dataset_enlarge_ratio': max(1, -(-_STEPS_PER_EPOCH * batch // images)),
    }
    options['train'] |= {
        # An average over a tenth of the steps, as a short training has moved far in a hundred.
        'ema_decay': round(min(0.99, max(0.0, 1 - 10 / total)), 4) if total > 10 else 0.5,
        'optim_g': {'type': 'AdamW', 'lr': lr, 'weight_decay': 0},
        'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [total], 'eta_min': 1e-6},
        'total_iter': total,
        'warmup_iter': min(50, total // 10) or -1,
    }
    options['val'] |= {'val_freq': 10 * print_freq if total >= 50 else max(1, total // 2), 'save_img': True}
    options = {
        'name': name,
        'num_gpu': int(fit.device.type == 'cuda'),
        'manual_seed': fit.settings.seed,
        'channels_last': True,
        **options,
        'path': {'pretrain_network_g': pretrained, 'param_key_g': 'params_ema', 'strict_load_g': True},
        'logger': {
            'print_freq': print_freq,
            'save_checkpoint_freq': min(max(wanted, total // 50, 1), max(1, total // 4)),
            'use_tb_logger': False,
        },
    }
    text = yaml.safe_dump(options, sort_keys=False, width=120)
    return _HEAD.format(name=name, about=' '.join(about.split())) + text
