"""Everything this package changes in BasicSR and torchvision: one file per fault, listed in one table.

Nothing outside this folder assigns to a module, class or instance that is not ours. Three kinds of change:

- A name of a foreign module is rebound, once, when the plugin is imported: the files of this folder.
- What BasicSR's two pipelines call is rebound in their modules: `pipelines/`.
- What BasicSR's model classes lack is mixed into a subclass that the pipelines build: `models/`, and
  `amsnet_basicsr/models/base_model.py`, which our own models have too. No class is changed.

Written and tested for PyPI's basicsr 1.4.2.
"""

from importlib import import_module
from typing import NamedTuple


class Patch(NamedTuple):
    """One row: the module, what it rebinds or overrides, the fault, when it can go, and what HEAD (8d56e3a) does."""

    file: str
    changes: str
    why: str
    until: str
    upstream: str = 'the same'


_BASE = 'models.base_model'
PATCHES = (
    Patch(
        'patches.torchvision_alias', 'sys.modules: torchvision.transforms.functional_tensor',
        'BasicSR 1.4.2 imports a module that torchvision dropped in 0.17; importing amsnet_basicsr supplies it',
        'a release that imports transforms.functional',
    ),
    Patch(
        'patches.processes', 'basicsr.utils.dist_util._init_dist_pytorch',
        'needs CUDA, and takes the GPU by the rank among all nodes',
        'a release that joins processes by gloo and local rank',
    ),
    Patch(
        'patches.lmdb', "FileClient._backends['lmdb']", 'lmdb ≥ 2 refuses to open one path twice in a process',
        'a release that shares environments',
    ),
    Patch(
        'patches.ssim', 'basicsr.metrics.psnr_ssim._ssim',
        'slow: filters by a window of 11×11 where a column and a row give the same',
        'a release with a separable filter',
    ),
    Patch(
        'patches.small_images', 'basicsr.models.sr_model.calculate_metric',
        'an image below 11 pixels makes the SSIM of the whole set NaN, a large crop_border its PSNR',
        'a release that leaves such images out',
    ),
    Patch(
        'patches.pipelines.attach', 'basicsr.train: what train_pipeline calls',
        'resumes on CUDA only, looks for states in the wrong folder, and sees other data after a stop',
        'a train_pipeline that takes these functions as arguments',
    ),
    Patch(
        'patches.pipelines.parse_options', 'basicsr.train, basicsr.test: parse_options (our commands only)',
        "runs code that an options file or --force_yml asks for; reads it in the locale's encoding",
        'a release with a safe loader',
    ),
    Patch(
        'patches.pipelines.log_file', 'basicsr.train, basicsr.test: get_root_logger',
        'writes no log file if anything was logged before the pipeline names it',
        'a release that adds the file to a logger that exists',
    ),
    Patch(
        'patches.pipelines.options_copy', 'basicsr.train: copy_opt_file', "copies the options in the locale's encoding",
        'a release that names encodings',
    ),
    Patch(
        'patches.pipelines.tensorboard', 'basicsr.train: init_tb_logger',
        'ends training when TensorBoard cannot write', 'a TensorBoard writer that survives a full disk',
    ),
    Patch(
        'patches.pipelines.wandb_run', 'basicsr.train: init_wandb_logger', 'makes ids by a function that wandb dropped',
        'a release that leaves ids to wandb',
    ),
    Patch(
        'patches.pipelines.dead_workers', 'basicsr.train: CPUPrefetcher, CUDAPrefetcher',
        'a data worker that dies ends training in the middle of a step, with nothing saved',
        'a release that saves a state when its loader fails',
    ),
    Patch(
        'patches.models.build', 'basicsr.train, basicsr.test: build_model', 'the mixins below need a place to come in',
        'the mixins are gone',
    ),
    Patch(
        'patches.models.nan_checks', 'BaseModel.optimize_parameters, SRModel.test',
        'trains on after a loss that is NaN or infinite, and saves NaN as black',
        'a release that looks at losses and outputs',
    ),
    Patch(
        'patches.models.result_names', 'SRModel.nondist_validation',
        'results of equal file names overwrite each other; errors do not name the image',
        'a release that keeps folders or numbers names',
    ),
    Patch(
        _BASE, 'BaseModel.get_optimizer', 'knows no optimizer but Adam',
        'a release that takes any of torch.optim', 'Adam, AdamW and six more',
    ),
    Patch(
        _BASE, 'BaseModel.model_to_device', 'several processes need CUDA; no channels_last, no compile',
        'a release that wraps networks on CPUs',
    ),
    Patch(
        _BASE, 'BaseModel.save_network, save_training_state',
        'writes in place: a kill leaves a torn file, a full disk none but a warning; keeps no best metrics',
        'a release that writes to a temporary file and renames it',
    ),
    Patch(
        _BASE, 'BaseModel.load_network', 'whatever is wrong with a file shows as a traceback',
        'a release whose errors name the file',
    ),
)  # fmt: skip
"""The table."""


def apply_all() -> None:
    """Apply every patch that rebinds a name; a second call changes nothing."""
    for name in ('processes', 'lmdb', 'ssim', 'small_images', 'pipelines.attach'):
        import_module(f'amsnet_basicsr.patches.{name}').apply()
