"""The options files that a fit trains by: BasicSR's, to be read by people too."""

from dataclasses import dataclass
from typing import Any

import yaml

_HEAD = """\
# Written by amsnet-denoise fit. Paths are relative to this folder, in which
#   python -m amsnet_basicsr.train -opt {name}.yml --auto_resume
# is what was run. options/train_amsnet_small.yml explains every key.
# {about}
plugin: !!python/name:amsnet_basicsr.__version__

"""
_STEPS_PER_EPOCH = 500  # an epoch's start costs time
_SECONDS_PER_CHECKPOINT = 90


@dataclass(frozen=True)
class Training:
    """What the options of one training are made from."""

    name: str
    total: int  # steps
    crop: int
    batch: int
    images: int
    network: dict[str, Any]  # hyper-parameters of the NAFNet
    pretrained: str | None
    lr: float
    seed: int
    gpu: bool
    workers: int
    step_seconds: float  # about


def teacher_options(training: Training, strides: tuple[int, int], reason: str) -> str:
    """Write the teacher's options: AMSNet from the noisy patches alone, with these train and test strides."""
    folders = {'type': 'NoisyImageDataset', 'dataroot_lq': 'patches/train'}
    return _write(
        training,
        f'The teacher learns by AMSNet from the noisy patches alone. Strides: {reason}',
        model={
            'model_type': 'AMSNetModel',
            'scheme': {'train_stride': strides[0], 'test_stride': strides[1], 'branches': 2},
        },
        train={'name': 'patches', **folders, 'crop_size': training.crop, 'cache_mb': 512},
        val={'name': 'held-out', **folders, 'dataroot_lq': 'patches/held_out'},
        loss={'mask_opt': {'type': 'MaskL1Loss'}},
        metrics={'mask_l1': {'type': 'calculate_mask_l1'}},
        validation={'save_img': False, 'strip': 8, 'save_best': 'mask_l1'},
    )


def student_options(training: Training, passes: int) -> str:
    """Write the student's options: to do in one pass what the teacher does in `passes`."""
    folders = {'type': 'PairedImageDataset', 'io_backend': {'type': 'disk'}}
    return _write(
        training,
        f"The student learns to do in one pass what the teacher does in {passes}: noisy patches and the teacher's "
        'denoised ones.',
        model={'model_type': 'SRModel', 'scale': 1},
        train={
            'name': 'pairs', **folders, 'dataroot_lq': 'patches/train', 'dataroot_gt': 'pairs/train',
            'meta_info_file': 'pairs/train.txt', 'gt_size': training.crop, 'use_hflip': True, 'use_rot': True,
        },
        val={'name': 'held-out', **folders, 'dataroot_lq': 'patches/held_out', 'dataroot_gt': 'pairs/held_out'},
        loss={'pixel_opt': {'type': 'L1Loss'}},
        metrics={'psnr_to_teacher': {'type': 'calculate_psnr', 'crop_border': 0}},
        validation={'save_img': True},
    )  # fmt: skip


def _write(
    training: Training,
    about: str,
    model: dict[str, Any],
    train: dict[str, Any],
    val: dict[str, Any],
    loss: dict[str, Any],
    metrics: dict[str, Any],
    validation: dict[str, Any],
) -> str:
    total = training.total
    print_freq = max(1, total // 50)
    # A kill costs the steps since the last checkpoint, a checkpoint costs disk.
    wanted = round(_SECONDS_PER_CHECKPOINT / training.step_seconds)
    loader = {
        'batch_size_per_gpu': training.batch, 'num_worker_per_gpu': training.workers,
        'dataset_enlarge_ratio': max(1, -(-_STEPS_PER_EPOCH * training.batch // training.images)),
    }  # fmt: skip
    options = {
        'name': training.name,
        **model,
        'num_gpu': int(training.gpu),
        'manual_seed': training.seed,
        'channels_last': True,
        'datasets': {'train': {**train, **loader}, 'val': val},
        'network_g': {'type': 'NAFNet', **training.network},
        'path': {'pretrain_network_g': training.pretrained, 'param_key_g': 'params_ema', 'strict_load_g': True},
        'train': {
            # An average over a tenth of the steps, as a short training has moved far in a hundred.
            'ema_decay': round(min(0.99, max(0.0, 1 - 10 / total)), 4) if total > 10 else 0.5,
            'optim_g': {'type': 'AdamW', 'lr': training.lr, 'weight_decay': 0},
            'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [total], 'eta_min': 1e-6},
            'total_iter': total,
            'warmup_iter': min(50, total // 10) or -1,
            **loss,
        },
        'val': {
            'val_freq': 10 * print_freq if total >= 50 else max(1, total // 2),
            **validation,
            'metrics': metrics,
        },
        'logger': {
            'print_freq': print_freq,
            'save_checkpoint_freq': min(max(wanted, total // 50, 1), max(1, total // 4)),
            'use_tb_logger': False,
        },
    }  # fmt: skip
    text = yaml.safe_dump(options, sort_keys=False, width=120)
    return _HEAD.format(name=training.name, about=' '.join(about.split())) + text
