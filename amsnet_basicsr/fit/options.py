"""The options files that a fit trains by: BasicSR's, to be read by people too."""

from dataclasses import dataclass
from typing import Any

import yaml

_HEAD = """\
# Written by amsnet-denoise fit. Paths are relative to this folder, in which
#   python -m amsnet_basicsr.train -opt {name}.yml --auto_resume
# is what was run. The documentation of options/train_amsnet_small.yml explains every key.
plugin: !!python/name:amsnet_basicsr.__version__

name: {name}
model_type: {model_type}
num_gpu: {num_gpu}
manual_seed: {seed}
channels_last: true
"""

_TAIL = """
network_g:
  type: NAFNet
{network}

path:
  pretrain_network_g: {pretrained}
  param_key_g: params_ema
  strict_load_g: true

train:
  ema_decay: {ema_decay}
  optim_g:
    type: AdamW
    lr: !!float {lr}
    weight_decay: 0
  scheduler:
    type: CosineAnnealingRestartLR
    periods: [{total}]
    eta_min: !!float 1e-6
  total_iter: {total}
  warmup_iter: {warmup}
"""

_LOGGER = """
logger:
  print_freq: {print_freq}
  save_checkpoint_freq: {checkpoint}
  use_tb_logger: false
"""

_TEACHER = """
# The teacher learns by AMSNet from the noisy patches alone.
scheme:
  train_stride: {train_stride}  # {reason}
  test_stride: {test_stride}
  branches: 2

datasets:
  train:
    name: patches
    type: NoisyImageDataset
    dataroot_lq: patches/train
    crop_size: {crop}
    cache_mb: 512
    batch_size_per_gpu: {batch}
    num_worker_per_gpu: {workers}
    dataset_enlarge_ratio: {enlarge}
  val:
    name: held-out
    type: NoisyImageDataset
    dataroot_lq: patches/held_out
"""

_TEACHER_LOSS = """\
  mask_opt:
    type: MaskL1Loss

val:
  val_freq: {val_freq}
  save_img: false
  strip: 8
  save_best: mask_l1
  metrics:
    mask_l1:
      type: calculate_mask_l1
"""

_STUDENT = """
# The student learns to do in one pass what the teacher does in {passes}: noisy patches and the teacher's denoised ones.
scale: 1

datasets:
  train:
    name: pairs
    type: PairedImageDataset
    dataroot_lq: patches/train
    dataroot_gt: pairs/train
    meta_info_file: pairs/train.txt
    io_backend: {{type: disk}}
    gt_size: {crop}
    use_hflip: true
    use_rot: true
    batch_size_per_gpu: {batch}
    num_worker_per_gpu: {workers}
    dataset_enlarge_ratio: {enlarge}
  val:
    name: held-out
    type: PairedImageDataset
    dataroot_lq: patches/held_out
    dataroot_gt: pairs/held_out
    io_backend: {{type: disk}}
"""

_STUDENT_LOSS = """\
  pixel_opt:
    type: L1Loss

val:
  val_freq: {val_freq}
  save_img: true
  metrics:
    psnr_to_teacher:
      type: calculate_psnr
      crop_border: 0
"""

_STEPS_PER_EPOCH = 500  # an epoch's start costs time
_SECONDS_PER_CHECKPOINT = 90


@dataclass(frozen=True)
class Training:
    """What the two trainings' options are made from.

    Attributes:
        total: Training steps.
        crop: Side of the crops.
        batch: Crops in a step.
        images: Number of patches.
        network: Hyper-parameters of the NAFNet.
        pretrained: File of weights to start from, or None.
        seed: Seed.
        gpu: Whether to train on a GPU.
        workers: Processes that read images.
        step_seconds: About how long a step takes.
    """

    total: int
    crop: int
    batch: int
    images: int
    network: dict[str, Any]
    pretrained: str | None
    seed: int
    gpu: bool
    workers: int
    step_seconds: float


def teacher_options(training: Training, strides: tuple[int, int], reason: str) -> str:
    """Write the teacher's options file.

    Args:
        training: What it is made from.
        strides: Train and test stride.
        reason: Why these, one line.

    Returns:
        The file's text.
    """
    values = _values(training, 'teacher', 'AMSNetModel', lr=1e-3 if training.pretrained else 2e-3)
    values |= {'train_stride': strides[0], 'test_stride': strides[1], 'reason': reason}
    return (_HEAD + _TEACHER + _TAIL + _TEACHER_LOSS + _LOGGER).format(**values)


def student_options(training: Training, passes: int, lr: float) -> str:
    """Write the student's options file.

    Args:
        training: What it is made from.
        passes: Passes of the network by which the teacher denoises.
        lr: Learning rate.

    Returns:
        The file's text.
    """
    values = _values(training, 'student', 'SRModel', lr=lr)
    return (_HEAD + _STUDENT + _TAIL + _STUDENT_LOSS + _LOGGER).format(**values, passes=passes)


def _values(training: Training, name: str, model_type: str, lr: float) -> dict[str, Any]:
    total = training.total
    print_freq = max(1, total // 50)
    val_freq = 10 * print_freq if total >= 50 else max(1, total // 2)
    # A kill costs the steps since the last checkpoint, a checkpoint costs disk.
    wanted = round(_SECONDS_PER_CHECKPOINT / training.step_seconds)
    checkpoint = min(max(wanted, total // 50, 1), max(1, total // 4))
    network = yaml.safe_dump(training.network, default_flow_style=None, sort_keys=False)
    return {
        'name': name, 'model_type': model_type, 'num_gpu': int(training.gpu), 'seed': training.seed,
        'crop': training.crop, 'batch': training.batch, 'workers': training.workers,
        'enlarge': max(1, -(-_STEPS_PER_EPOCH * training.batch // training.images)),
        'network': ''.join(f'  {line}\n' for line in network.splitlines()).rstrip('\n'),
        'pretrained': training.pretrained or '~', 'lr': f'{lr:g}', 'total': total,
        # An average over a tenth of the steps, as a short training has moved far in a hundred.
        'ema_decay': round(min(0.99, max(0.0, 1 - 10 / total)), 4) if total > 10 else 0.5,
        'warmup': min(50, total // 10) or -1, 'print_freq': print_freq, 'val_freq': val_freq, 'checkpoint': checkpoint,
    }  # fmt: skip
