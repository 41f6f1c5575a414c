"""Write options/ablation: Table 3 and Table 4 of the paper, each at paper size and small.

    python scripts/make_ablation_options.py

What the experiments share is said once, here. A test makes sure that the files are what this script writes.
"""

import argparse
import dataclasses
from pathlib import Path
from string import Template
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / 'options' / 'ablation'

TEMPLATE = Template("""\
# $title
# $size_note
# Written by scripts/make_ablation_options.py: change that instead.
plugin: !!python/name:amsnet_basicsr.__version__

name: $name
model_type: $model
num_gpu: auto
manual_seed: 0
$top_level
scheme:
  train_stride: 5
  test_stride: 2
  $scheme

datasets:
$datasets

scale: 1

network_g:
$network

path: {}

train:
  ema_decay: $ema_decay
  optim_g:
    type: AdamW
    lr: !!float $lr
    weight_decay: 0
  scheduler:
    type: CosineAnnealingRestartLR
    periods: [$iterations]
    eta_min: !!float 1e-6
  total_iter: $iterations
  warmup_iter: $warmup
  $loss

val:
  val_freq: $every
  save_img: false
  strip: 4
  metrics:
    psnr: {type: calculate_psnr, crop_border: 0}
    ssim: {type: calculate_ssim, crop_border: 0}

logger:
  print_freq: 100
  save_checkpoint_freq: $every
  use_tb_logger: true
$distributed
# After training: without refinement and with R3, as in the paper's table, beside the noisy input and the best blur.
report:
  refine:
    - ~
    - {type: R3, samples: 8, prob: 0.16}
""")

PAPER_DATASETS = Template("""\
  train:
    name: SIDD-Medium-noisy
    type: NoisyImageDataset
    dataroot_lq: datasets/SIDD_Medium/noisy_512.lmdb
    io_backend: {type: lmdb}
    crop_size: 160
    batch_size_per_gpu: $batch
    num_worker_per_gpu: 4
  val:
    name: SIDD-validation
    type: PairedImageDataset
    dataroot_lq: datasets/SIDD_validation/noisy
    dataroot_gt: datasets/SIDD_validation/clean
    io_backend: {type: disk}""")

SMALL_DATASETS = Template("""\
  train:
    name: sidd-noisy
    type: NoisyImageDataset
    dataroot_lq: datasets/sidd/noisy
    meta_info_file: datasets/sidd/train.txt
    crop_size: $crop
    cache_mb: 512
    batch_size_per_gpu: $batch
    num_worker_per_gpu: 0
    dataset_enlarge_ratio: 10
  val:
    name: sidd-progress
    type: PairedImageDataset
    dataroot_lq: datasets/sidd/noisy
    dataroot_gt: datasets/sidd/clean
    meta_info_file: datasets/sidd/progress.txt
    io_backend: {type: disk}
  val_2:
    name: sidd-report
    type: PairedImageDataset
    dataroot_lq: datasets/sidd/noisy
    dataroot_gt: datasets/sidd/clean
    meta_info_file: datasets/sidd/report.txt
    io_backend: {type: disk}""")

#: What each model has of its own: a line of `scheme` and the loss.
MODELS = {
    'AMSNetModel': {'scheme': 'branches: 2', 'loss': 'mask_opt: {type: MaskL1Loss}'},
    'APBSNModel': {'scheme': 'pad: 2', 'loss': 'pixel_opt: {type: L1Loss}'},
}


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One row of a table.

    Attributes:
        title: First line of the files.
        network: `network_g` at paper size.
        small_network: What is different in the small one.
        model: Model type.
        batch: Crops per step at paper size: official configurations have 2 for Restormer, 4 for the others.
        small_iterations: Steps of the small one, equal within a table.
        small_lr: Learning rate of the small one, equal within a table.
        small_crop: Side of its crops, equal within a table.
    """

    title: str
    network: dict[str, Any]
    small_network: dict[str, Any]
    model: str = 'AMSNetModel'
    batch: int = 4
    small_iterations: int = 1500
    small_lr: str = '1e-3'
    small_crop: int = 160


def _table3(model: str, dilated: bool, figure: str = '') -> Experiment:
    method = 'AP-BSN' if model == 'APBSNModel' else 'AMSNet'
    network = 'D_A (DBSNl: a blind spot)' if dilated else 'D_AS (DBSNl without dilation: no blind spot)'
    dbsnl = {'type': 'DBSNl', 'in_ch': 3, 'out_ch': 3, 'base_ch': 128, 'num_module': 9, 'dilated': dilated}
    title = f"The paper's Table 3: {method} with {network}{figure}."
    # DBSNl has no shortcut from input to output, so that colours are learned late: many small steps, enough channels.
    small = {'base_ch': 32, 'num_module': 2}
    return Experiment(title, dbsnl, small, model, small_iterations=6000, small_crop=80)


def _table4(
    name: str, figure: str, network: dict[str, Any], small_network: dict[str, Any], **settings: Any
) -> Experiment:
    title = f"The paper's Table 4: AMSNet with {name}; {figure} dB there after fine-tuning, with R3."
    return Experiment(title, network, small_network, **settings)


EXPERIMENTS = {
    'table3_apbsn_da': _table3('APBSNModel', True),
    'table3_apbsn_das': _table3('APBSNModel', False, '; 20.91 dB there, with R3'),
    'table3_amsnet_da': _table3('AMSNetModel', True),
    'table3_amsnet_das': _table3('AMSNetModel', False, '; 37.11 dB there, with R3'),
    'table4_restormer': _table4(
        'Restormer',
        '37.93',
        {
            'type': 'Restormer',
            'inp_channels': 3,
            'out_channels': 3,
            'dim': 48,
            'num_blocks': [4, 6, 6, 8],
            'num_refinement_blocks': 4,
            'heads': [1, 2, 4, 8],
            'ffn_expansion_factor': 2.66,
            'bias': False,
            'LayerNorm_type': 'BiasFree',
        },
        {'dim': 12, 'num_blocks': [1, 1, 1, 2], 'num_refinement_blocks': 1, 'heads': [1, 2, 2, 4]},
        batch=2,
    ),
    'table4_deamnet': _table4('DeamNet', '37.80', {'type': 'DeamNet'}, {}),
    'table4_nafnet': _table4(
        'NAFNet (its GELU and SE baseline)',
        '37.10',
        {
            'type': 'NAFNetBaseline',
            'img_channel': 3,
            'width': 32,
            'middle_blk_num': 12,
            'enc_blk_nums': [2, 2, 4, 8],
            'dec_blk_nums': [2, 2, 2, 2],
            'dw_expand': 1,
            'ffn_expand': 2,
        },
        {'width': 16, 'middle_blk_num': 4, 'enc_blk_nums': [1, 1, 2], 'dec_blk_nums': [1, 1, 1]},
    ),
    'table4_unet': _table4(
        'UNet', '36.94', {'type': 'UNet', 'in_nc': 3, 'out_nc': 3, 'n_feature': 128}, {'n_feature': 16}
    ),
    'table4_dncnn': _table4(
        'DnCNN',
        '36.93',
        {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 64, 'nb': 17, 'act_mode': 'BR'},
        {'nc': 24, 'nb': 8},
    ),
}


def render(name: str, small: bool) -> str:
    """Write the options of one experiment.

    Args:
        name: Key of `EXPERIMENTS`.
        small: Small networks and SIDD's validation patches, for a CPU; otherwise the paper's size, for a GPU.

    Returns:
        The options file.
    """
    experiment = EXPERIMENTS[name]
    network = experiment.network | (experiment.small_network if small else {})
    settings: dict[str, Any] = {
        'title': experiment.title,
        'name': f'{name}_small' if small else name,
        'model': experiment.model,
        'network': network_block(network),
        **MODELS[experiment.model],
    }
    if small:
        settings.update(
            size_note=f'Small, for a CPU, with the budget of all {name.split("_")[0]}_*_small.yml; data as in '
            'options/train_amsnet_sidd_small.yml.',
            top_level='channels_last: true\n',
            datasets=SMALL_DATASETS.substitute(batch=2, crop=experiment.small_crop),
            iterations=experiment.small_iterations,
            every=experiment.small_iterations // 6,
            warmup=50,
            lr=experiment.small_lr,
            ema_decay=0.99,
            distributed='',
        )
    else:
        settings.update(
            size_note=f'Paper size, for a GPU; data as in options/train_amsnet_restormer.yml, small: {name}_small.yml.',
            top_level='',
            datasets=PAPER_DATASETS.substitute(batch=experiment.batch),
            iterations=125000,
            every=25000,
            warmup=-1,
            lr='1e-4',
            ema_decay=0.999,
            distributed='\ndist_params:\n  backend: nccl\n  port: 29500\n',
        )
    return TEMPLATE.substitute(settings)


def render_all() -> dict[str, str]:
    """Write all options.

    Returns:
        The contents by file name.
    """
    return {f'{name}{"_small" * small}.yml': render(name, small) for name in EXPERIMENTS for small in (False, True)}


def network_block(network: dict[str, Any]) -> str:
    """Write what stands below `network_g:`."""
    return '\n'.join(f'  {key}: {_scalar(value)}' for key, value in network.items())


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def write_files(description: str, files: dict[str, str], folder: Path) -> None:
    """Be the command that writes rendered options.

    Args:
        description: What its help says.
        files: The contents by file name.
        folder: Where they go, unless the command line says otherwise.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--folder', type=Path, default=folder, help='where to write; default: %(default)s')
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, text in files.items():
        (folder / file_name).write_text(text, encoding='utf-8')
        print(folder / file_name)


if __name__ == '__main__':
    write_files(__doc__.splitlines()[0], render_all(), FOLDER)
