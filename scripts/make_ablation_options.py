"""Write options/ablation: the paper's comparisons, one folder each, for scripts/run_ablation.py.

    python scripts/make_ablation_options.py

`options/ablation/NAME/SETTING.yml` is one setting at a size for a CPU: within a folder, everything but what is compared
is equal, the budget first of all. `options/ablation/NAME/paper/SETTING.yml` is the same at the paper's size, for a GPU.
`options/ablation/mask_ratio/equal_passes` tests its weights at equal cost.
What the settings share is said once, here. A test makes sure that the files are what this script writes.

A file without `train:` is a test of weights that another setting of the folder has trained; one with
`path.pretrain_network_g` goes on from such weights. scripts/run_ablation.py trains those first.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / 'options' / 'ablation'

HEAD = Template("""\
# $title
# $note
# Written by scripts/make_ablation_options.py: change that instead.
plugin: !!python/name:amsnet_basicsr.__version__

name: $name
model_type: $model
num_gpu: auto
manual_seed: 0
$top_level
scheme:
$scheme

datasets:
$datasets

scale: 1

network_g:
$network

path:$path
""")

TRAIN = Template("""
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
""")

VALIDATION = Template("""
val:
  val_freq: $every
  save_img: false
  strip: 4
  metrics:
    psnr: {type: calculate_psnr, crop_border: 0}
    ssim: {type: calculate_ssim, crop_border: 0}
""")

TEST = """
val:
  save_img: false
"""

LOGGER = Template("""
logger:
  print_freq: 100
  save_checkpoint_freq: $checkpoint
  use_tb_logger: $tensorboard
""")

DISTRIBUTED = """
dist_params:
  backend: nccl
  port: 29500
"""

REPORT = Template("""
# $when, on both sets, beside the noisy input and the best blur.
report:
  refine:
$refine
""")

PAPER_TRAINING_SET = Template("""\
  train:
    name: SIDD-Medium-noisy
    type: NoisyImageDataset
    dataroot_lq: datasets/SIDD_Medium/noisy_512.lmdb
    io_backend: {type: lmdb}
    crop_size: $crop
    batch_size_per_gpu: $batch
    num_worker_per_gpu: 4
""")

PAPER_VALIDATION_SET = """\
  val:
    name: SIDD-validation
    type: PairedImageDataset
    dataroot_lq: datasets/SIDD_validation/noisy
    dataroot_gt: datasets/SIDD_validation/clean
    io_backend: {type: disk}"""

SMALL_TRAINING_SET = Template("""\
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
""")

SMALL_VALIDATION_SETS = """\
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
    io_backend: {type: disk}"""

NOTHING = '~'
AVERAGE = '{type: PartitionAverage, samples: 4}'
R3 = '{type: R3, samples: 8, prob: 0.16}'

#: What each model learns by, and its own line of `scheme`.
LOSSES = {'AMSNetModel': 'mask_opt: {type: MaskL1Loss}', 'APBSNModel': 'pixel_opt: {type: L1Loss}'}
OWN_SCHEME = {'AMSNetModel': {'branches': 2}, 'APBSNModel': {'pad': 2}}

#: 0.18 M weights. Three levels, so that a sub-image's sides should be multiples of 8, and large beside 8: taught on
#: sub-images of 16 pixels, it drew a grid of 8 of their pixels into every image (docs/results/experiments.md).
TINY_NAFNET = {
    'type': 'NAFNet',
    'img_channel': 3,
    'width': 8,
    'middle_blk_num': 4,
    'enc_blk_nums': [1, 1, 2],
    'dec_blk_nums': [1, 1, 1],
}


@dataclass(frozen=True)
class Setting:
    """One options file.

    Attributes:
        title: Its first line.
        network: `network_g`.
        model: Model type.
        train_stride: P_s while training.
        test_stride: P_s while denoising.
        branches: k of AMSNet.
        crop: Side of the training crops; the paper's 160 gives sub-images of 32 pixels at stride 5.
        batch: Crops per step.
        iterations: Steps; 0 for a setting that is only tested.
        lr: Learning rate.
        loss: Class of the mask loss; None for the model's own.
        smoothness: λ; None leaves the smoothness loss out.
        weights: The setting of the same folder whose weights it starts from or tests.
        validations: How often the sets are denoised while it trains; the report comes in any case, and costs as much.
        refine: What is reported.
    """

    title: str
    network: dict[str, Any] = dataclasses.field(default_factory=lambda: TINY_NAFNET)
    model: str = 'AMSNetModel'
    train_stride: int = 5
    test_stride: int = 2
    branches: int = 2
    crop: int = 160
    batch: int = 1
    iterations: int = 2000
    lr: str = '2e-3'
    loss: str | None = None
    smoothness: str | None = None
    weights: str | None = None
    validations: int = 0
    refine: tuple[str, ...] = (NOTHING, AVERAGE)


@dataclass(frozen=True)
class PaperNetwork:
    """A network of Table 4.

    Attributes:
        name: As the paper calls it.
        figure: PSNR in dB there, after fine-tuning, with R3.
        network: `network_g` at the paper's size.
        small: What is different in the small one.
        batch: Crops per step: official configurations have 2 for Restormer, 4 for the others.
    """

    name: str
    figure: str
    network: dict[str, Any]
    small: dict[str, Any]
    batch: int = 4


TABLE4 = {
    'restormer': PaperNetwork(
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
    'deamnet': PaperNetwork('DeamNet', '37.80', {'type': 'DeamNet'}, {}),
    'nafnet': PaperNetwork(
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
    'unet': PaperNetwork(
        'UNet', '36.94', {'type': 'UNet', 'in_nc': 3, 'out_nc': 3, 'n_feature': 128}, {'n_feature': 16}
    ),
    'dncnn': PaperNetwork(
        'DnCNN',
        '36.93',
        {'type': 'DnCNN', 'in_nc': 3, 'out_nc': 3, 'nc': 64, 'nb': 17, 'act_mode': 'BR'},
        {'nc': 24, 'nb': 8},
    ),
}


def _table3(small: bool) -> dict[str, Setting]:
    settings = {}
    for model, method in (('APBSNModel', 'AP-BSN'), ('AMSNetModel', 'AMSNet')):
        for dilated in (True, False):
            network = 'D_A (DBSNl: a blind spot)' if dilated else 'D_AS (DBSNl without dilation: no blind spot)'
            figure = '' if dilated else f'; {"20.91" if method == "AP-BSN" else "37.11"} dB there, with R3'
            dbsnl = {'type': 'DBSNl', 'in_ch': 3, 'out_ch': 3, 'base_ch': 128, 'num_module': 9, 'dilated': dilated}
            setting = Setting(
                f"The paper's Table 3: {method} with {network}{figure}.", dbsnl, model, batch=4, refine=(NOTHING, R3)
            )
            if small:
                # DBSNl has no shortcut from input to output, so that colours are learned late: many small steps,
                # enough channels.
                dbsnl.update(base_ch=32, num_module=2)
                setting = dataclasses.replace(setting, crop=80, batch=2, iterations=6000, lr='1e-3', validations=6)
            settings[f'{method.replace("-", "").lower()}_{"da" if dilated else "das"}'] = setting
    return settings


def _table4(small: bool) -> dict[str, Setting]:
    settings = {}
    for word, row in TABLE4.items():
        title = f"The paper's Table 4: AMSNet with {row.name}; {row.figure} dB there after fine-tuning, with R3."
        setting = Setting(title, row.network, batch=row.batch, refine=(NOTHING, R3))
        if small:
            # Sub-images of 32 pixels, as in the paper: UNet halves them five times, and would see padding else.
            # DeamNet has one size only, takes two seconds for a step, and most of this table's time: as few steps as
            # all of them get beyond their beginnings with (after 600, DnCNN was below its input), and the average over
            # four partitions, which takes 8 passes, where R3 takes 18.
            small_network = row.network | row.small
            setting = dataclasses.replace(
                setting, network=small_network, batch=1, iterations=2000, lr='1e-3', refine=(NOTHING, AVERAGE)
            )
        settings[word] = setting
    return settings


def _strides() -> dict[str, Setting]:
    settings = {}
    for train_stride in (2, 3, 4, 5):
        for test_stride in (1, 2, 3):
            name = f'{train_stride}_{test_stride}'
            trained = test_stride == 2
            title = f'Strides: trained at {train_stride}, tested at {test_stride}'
            # About 50 sub-images of 32 pixels at every stride: sub-images of other sizes would be another comparison.
            settings[name] = Setting(
                f'{title}.' if trained else f'{title}, with the weights of {train_stride}_2.',
                train_stride=train_stride,
                test_stride=test_stride,
                crop=32 * train_stride,
                batch={2: 12, 3: 6, 4: 3, 5: 2}[train_stride],
                iterations=1000 if trained else 0,
                weights=None if trained else f'{train_stride}_2',
            )
    return settings


def _mask_ratio() -> dict[str, Setting]:
    return {
        f'k{k}': Setting(
            f"The paper's Fig. 10: one in {k} pixels hidden, while learning and while denoising.", branches=k
        )
        for k in (2, 3, 4, 6)
    }


def _equal_passes() -> dict[str, Setting]:
    settings = {}
    for k in (2, 3, 4, 6):
        passes = [count for count in (6, 12, 24) if count % k == 0]
        settings[f'k{k}'] = Setting(
            f"The paper's Fig. 10 at equal cost: partitions of {k} branches that make {_listed(passes)} passes.",
            branches=k,
            iterations=0,
            weights=f'k{k}',
            refine=tuple(f'{{type: PartitionAverage, samples: {count // k}}}' for count in passes),
        )
    return settings


def _listed(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    return f'{", ".join(first)} and {last}'


def _loss() -> dict[str, Setting]:
    return {
        'l1': Setting('The mask loss of the paper, L1, which asks for the median of the noisy values.'),
        'l2': Setting('The mask loss with squares, which asks for the mean of the noisy values.', loss='MaskL2Loss'),
    }


def _lambda() -> dict[str, Setting]:
    settings = {'start': Setting("The B from which each λ of the paper's Fig. 11 starts.")}
    for value in ('0', '0.001', '0.01', '0.1', '1'):
        # A fine-tuning step runs both branches and costs two. A tenth of the learning rate, as in the paper.
        settings[value] = Setting(
            f"The paper's Fig. 11: B fine-tuned with smoothness weight {value}.",
            iterations=500,
            lr='2e-4',
            smoothness=value,
            weights='start',
        )
    return settings


def _rate() -> dict[str, Setting]:
    return {
        f'batch{batch}_lr{lr}': Setting(
            f'Learning rate {lr} with batches of {batch}; equal numbers of pixels seen.',
            batch=batch,
            iterations=2000 // batch,
            lr=lr,
        )
        for batch in (1, 2, 4)
        for lr in ('0.0003', '0.001', '0.003')
    }


#: The settings by folder and file name, at a size for a CPU and at the paper's.
SMALL = {
    'table3': _table3(small=True),
    'table4': _table4(small=True),
    'strides': _strides(),
    'mask_ratio': _mask_ratio(),
    'loss': _loss(),
    'lambda': _lambda(),
    'rate': _rate(),
}
#: Tests of the weights of `mask_ratio`; the table of that has other refinements.
EQUAL_PASSES = _equal_passes()
PAPER = {'table3': _table3(small=False), 'table4': _table4(small=False)}


def render_small(folder: str, name: str) -> str:
    """Write the options of a setting at a size for a CPU.

    Args:
        folder: Key of `SMALL`.
        name: Key in that.

    Returns:
        The options file.
    """
    setting = SMALL[folder][name]
    trained = bool(setting.iterations)
    note = f'Small, for a CPU; {"run by" if trained else "a test, run by"} scripts/run_ablation.py {folder}.'
    path = ' {}'
    if setting.weights:
        path = _weights(f'ablation_{folder}_{setting.weights}')
    training_set = SMALL_TRAINING_SET.substitute(crop=setting.crop, batch=setting.batch) if trained else ''
    head = _head(
        setting, f'ablation_{folder}_{name}', note, 'channels_last: true\n', training_set + SMALL_VALIDATION_SETS, path
    )
    if not trained:
        return head + TEST + _report(setting, 'What is tested')
    every = setting.iterations // (setting.validations or 2)
    return (
        head
        + _train(setting, ema_decay=0.99, warmup=50)
        + (VALIDATION.substitute(every=every) if setting.validations else '')
        + LOGGER.substitute(checkpoint=every, tensorboard='true' if setting.validations else 'false')
        + _report(setting, 'After training')
    )


def render_equal_passes(name: str) -> str:
    """Write the options that test a setting of `mask_ratio`, trained with seed 0.

    Args:
        name: Key of `EQUAL_PASSES`.

    Returns:
        The options file.
    """
    setting = EQUAL_PASSES[name]
    note = 'After scripts/run_ablation.py mask_ratio: scripts/compare_refinements.py -opt THIS_FILE.'
    path = _weights(f'ablation_mask_ratio_{setting.weights}_seed0')
    head = _head(setting, f'equal_passes_{name}', note, 'channels_last: true\n', SMALL_VALIDATION_SETS, path)
    return head + TEST + _report(setting, 'What is tested')


def render_paper(folder: str, name: str) -> str:
    """Write the options of a setting at the paper's size.

    Args:
        folder: Key of `PAPER`.
        name: Key in that.

    Returns:
        The options file.
    """
    setting = dataclasses.replace(PAPER[folder][name], iterations=125000, lr='1e-4')
    note = f'Paper size, for a GPU; data as in options/train_amsnet_restormer.yml, small: ../{name}.yml.'
    training_set = PAPER_TRAINING_SET.substitute(crop=setting.crop, batch=setting.batch)
    return (
        _head(setting, f'{folder}_{name}', note, '', training_set + PAPER_VALIDATION_SET, ' {}')
        + _train(setting, ema_decay=0.999, warmup=-1)
        + VALIDATION.substitute(every=25000)
        + LOGGER.substitute(checkpoint=25000, tensorboard='true')
        + DISTRIBUTED
        + _report(setting, 'After training')
    )


def _head(setting: Setting, name: str, note: str, top_level: str, datasets: str, path: str) -> str:
    scheme: dict[str, Any] = {'train_stride': setting.train_stride, 'test_stride': setting.test_stride}
    scheme |= OWN_SCHEME[setting.model] if setting.model != 'AMSNetModel' else {'branches': setting.branches}
    return HEAD.substitute(
        title=setting.title, note=note, name=name, model=setting.model, top_level=top_level, datasets=datasets,
        scheme=network_block(scheme), network=network_block(setting.network), path=path,
    )  # fmt: skip


def _train(setting: Setting, ema_decay: float, warmup: int) -> str:
    loss = f'mask_opt: {{type: {setting.loss}}}' if setting.loss else LOSSES[setting.model]
    if setting.smoothness is not None:
        loss += f'\n  smooth_opt: {{type: SmoothnessLoss, loss_weight: {setting.smoothness}}}'
    return TRAIN.substitute(ema_decay=ema_decay, lr=setting.lr, iterations=setting.iterations, warmup=warmup, loss=loss)


def _weights(experiment: str) -> str:
    return f'\n  pretrain_network_g: experiments/{experiment}/models/net_g_latest.pth\n  param_key_g: params_ema'


def _report(setting: Setting, when: str) -> str:
    return REPORT.substitute(when=when, refine='\n'.join(f'    - {refinement}' for refinement in setting.refine))


def render_all() -> dict[str, str]:
    """Write all options.

    Returns:
        The contents by file name, with folders and `/`.
    """
    small = {f'{folder}/{name}.yml': render_small(folder, name) for folder in SMALL for name in SMALL[folder]}
    paper = {f'{folder}/paper/{name}.yml': render_paper(folder, name) for folder in PAPER for name in PAPER[folder]}
    equal = {f'mask_ratio/equal_passes/{name}.yml': render_equal_passes(name) for name in EQUAL_PASSES}
    return small | equal | paper


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
    for file_name, text in files.items():
        path = folder / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
        print(path)


if __name__ == '__main__':
    write_files(__doc__.splitlines()[0], render_all(), FOLDER)
