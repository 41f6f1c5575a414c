"""Everything this package changes in BasicSR and torchvision: one file per fault, listed in one table.

Nothing outside this folder assigns to a module, class or instance that is not ours. Two kinds of change:

- Most rebind a name of a foreign module. The plugin applies them once, when it is imported.
- `models/base_model.py` and `sr_models` hold mixins and change no class: the pipelines build each model from a subclass
  that has them. A BasicSR model that you build yourself stays as it is.

Written and tested for PyPI's basicsr 1.4.2. `torchvision_alias` is a leaf that any module may import first.
"""

from dataclasses import dataclass
from importlib import import_module

from amsnet_basicsr.patches import torchvision_alias  # noqa: F401 (before anything that imports BasicSR)


@dataclass(frozen=True)
class Patch:
    """One row of the table.

    Attributes:
        file: Module in this folder, or where it is.
        changes: What is rebound or overridden.
        why: The fault.
        upstream: What the repository's HEAD (8d56e3a) does.
        until: When the patch can go.
        applied: Whether the plugin has to call the module's `apply()`.
    """

    file: str
    changes: str
    why: str
    upstream: str
    until: str
    applied: bool = True


PATCHES: tuple[Patch, ...] = (
    Patch(
        'torchvision_alias', 'sys.modules: torchvision.transforms.functional_tensor',
        'BasicSR 1.4.2 imports a module that torchvision dropped in 0.17',
        'the same import', 'a release that imports transforms.functional', applied=False,
    ),
    Patch(
        '../models/base_model', 'BaseModel.get_optimizer', 'knows no optimizer but Adam',
        'Adam, AdamW and six more', 'a release that takes any of torch.optim', applied=False,
    ),
    Patch(
        '../models/base_model', 'BaseModel.model_to_device',
        'several processes need CUDA; no channels_last, no compile',
        'the same', 'a release that wraps networks on CPUs', applied=False,
    ),
    Patch(
        '../models/base_model', 'BaseModel.save_network, save_training_state',
        'writes in place: a kill leaves a torn file, a full disk none but a warning; keeps no best metrics',
        'the same', 'a release that writes to a temporary file and renames it', applied=False,
    ),
    Patch(
        '../models/base_model', 'BaseModel.load_network', 'whatever is wrong with a file shows as a traceback',
        'the same', 'a release whose errors name the file', applied=False,
    ),
    Patch(
        'sr_models', 'SRModel.feed_data, optimize_parameters, test',
        'trains on after a loss that is NaN or infinite, and saves NaN as black',
        'the same', 'a release that looks at losses and outputs', applied=False,
    ),
    Patch(
        'sr_models', 'SRModel.nondist_validation', 'results of equal file names overwrite each other',
        'the same', 'a release that keeps folders or numbers names', applied=False,
    ),
    Patch(
        'pipelines', 'basicsr.train: what train_pipeline calls',
        'resumes on CUDA only, looks for states in the wrong folder, and sees other data after a stop',
        'the same', 'a train_pipeline that takes these functions as arguments',
    ),
    Patch(
        'pipelines', 'basicsr.train, basicsr.test: build_model', 'the mixins above need a place to come in',
        'the same', 'the mixins are gone',
    ),
    Patch(
        'loggers', 'basicsr.train: copy_opt_file, init_tb_loggers, init_wandb_logger',
        "copies the options in the locale's encoding, makes wandb ids by a function that is gone, "
        'and ends training when TensorBoard cannot write',
        'the same', 'a release that names encodings and leaves ids to wandb', applied=False,
    ),
    Patch(
        'options', 'basicsr.train, basicsr.test: parse_options (our commands only)',
        'runs code that an options file or --force_yml asks for; reads it in the locale\'s encoding',
        'the same', 'a release with a safe loader', applied=False,
    ),
    Patch(
        'processes', 'basicsr.utils.dist_util._init_dist_pytorch',
        'needs CUDA, and takes the GPU by the rank among all nodes',
        'the same', 'a release that joins processes by gloo and local rank',
    ),
    Patch(
        'lmdb', "FileClient._backends['lmdb']", 'lmdb ≥ 2 refuses to open one path twice in a process',
        'the same', 'a release that shares environments',
    ),
    Patch(
        'ssim', 'basicsr.metrics.psnr_ssim._ssim', 'filters by a window of 11×11 where a column and a row do',
        'the same', 'a release with a separable filter',
    ),
)  # fmt: skip
"""The table; docs/train/basicsr.md shows it."""


def apply_all() -> None:
    """Apply every patch that rebinds a name; a second call changes nothing."""
    for file in dict.fromkeys(patch.file for patch in PATCHES if patch.applied):
        import_module(f'{__name__}.{file}').apply()
