"""A whole options file, and the blocks that are the same for every model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from annotated_types import Ge, Le
from pydantic import ConfigDict, Field

from amsnet_basicsr.options.blocks.base import (
    AboveZero,
    Block,
    Flag,
    FolderName,
    Iterations,
    Positive,
    Several,
    Text,
)
from amsnet_basicsr.options.blocks.datasets import DATASETS, DatasetOptions, OtherDatasetOptions
from amsnet_basicsr.options.blocks.messages import Finding, Key, Wanted
from amsnet_basicsr.options.blocks.scheme import APBSNOptions, CommonOptions, SchemeOptions
from amsnet_basicsr.options.blocks.training import (
    AMSNetTraining,
    AnyTraining,
    AnyValidation,
    APBSNTraining,
    GANTraining,
    Open,
    OurValidation,
    SRTraining,
    Validation,
)

_PACKAGE = r'^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$'
Train = TypeVar('Train', bound=AnyTraining)
Val = TypeVar('Val', bound=AnyValidation)
Scheme = TypeVar('Scheme', bound=CommonOptions)
Names = Annotated[Several[Annotated[str, Field(pattern=_PACKAGE)]], Wanted('a list of names of packages')]


class Network(Open):
    """A network: `type` names one of ours, BasicSR's or the user's, whose parameters are its other options."""

    part = 'network'


class Path(Block):
    """Weights to start from, and where results go."""

    pretrain_network_g: Text | None = None
    """Weights to start from, or to test."""
    param_key_g: Text | None = 'params'
    """Which of the networks in such a file: `params`, or `params_ema` for the averaged one."""
    strict_load_g: Flag | None = True
    """Refuse weights that don't fit exactly."""
    resume_state: Text | None = None
    """`experiments/NAME/training_states/….state` to resume from; or train with `--auto_resume`."""
    ignore_resume_networks: Text | Several[Text] | None = None
    """Networks whose weights are not resumed."""
    experiments_root: Text | None = None
    """Folder of experiments, each in a folder of its name. Default: `experiments`."""
    results_root: Text | None = None
    """Folder of test results, each in a folder of its name. Default: `results`."""

    # Other models have other networks.
    admitted = ('pretrain_network_', 'param_key_', 'strict_load_')


class Wandb(Block):
    """Weights & Biases."""

    project: Text | None = None
    """Project to log to; the package wandb must be installed and TensorBoard on."""
    resume_id: Text | None = None
    """Run to resume."""


class Logger(Block):
    """What is logged and saved, how often."""

    print_freq: Iterations = Field(examples=[100])
    """Iterations between two lines of the log."""
    save_checkpoint_freq: Iterations = Field(examples=[1000])
    """Iterations between two checkpoints."""
    use_tb_logger: Flag = Field(examples=['true'])
    """Write curves for TensorBoard, into `tb_logger/NAME`."""
    wandb: Wandb | None = None
    """Weights & Biases."""


class DistParams(Block):
    """How processes started by a launcher find each other."""

    backend: Literal['nccl', 'gloo'] = 'nccl'
    """`nccl` for GPUs; `gloo` works without."""
    port: Annotated[int, Ge(1), Le(65535)] | None = None
    """Port of the first process (slurm)."""
    timeout: AboveZero | None = None
    """Minutes to wait for each other; default: 30."""


class Report(Block):
    """What the summary after training compares."""

    refine: Sequence[Any] | None = None
    """Refinements of the denoised images to compare, e.g. `[~, {type: R3}]`."""


class Options(Block, Generic[Train, Val]):
    """The options of one training or one test."""

    plugin: Text | None = None
    """`!!python/name:amsnet_basicsr.__version__` registers this package with an unmodified BasicSR."""
    imports: Names | None = Field(None, alias='import')
    """Packages of one's own to import first, which register archs, losses, datasets or metrics; as `--import` does.
    Modules of Python itself are refused."""
    name: FolderName = Field(examples=['my_training'])
    """Name of the experiment's folder. An older one is renamed, never overwritten."""
    model_type: Text = Field(examples=['AMSNetModel'])
    """`AMSNetModel`, `APBSNModel` or a model of BasicSR."""
    scale: Positive = 1
    """Factor of the image's size; 1 when denoising. BasicSR's PairedImageDataset asks for it."""
    num_gpu: Literal['auto'] | Annotated[int, Ge(0), Le(1024)] = Field(examples=['auto'])
    """Number of GPUs; `auto` uses all, 0 the CPU."""
    num_threads: Literal['auto'] | Annotated[int, Ge(1), Le(1024)] | None = None
    """Threads of a run on the CPU: a number, or `auto`, which times the first steps of a training and looks again when
    steps become much slower. The number decides how sums are rounded, so `auto` gives up exact repetition. Default:
    PyTorch's (`OMP_NUM_THREADS`)."""
    manual_seed: Annotated[int, Ge(0), Le(2**31 - 1)] | None = None
    """Seed of everything random; the same seed, the same run."""
    datasets: dict[str, dict[str, Any]]
    """`train` and `val`, `val_2`, … for training; `test`, `test_2`, … for testing."""
    network_g: Network
    """The network."""
    path: Path
    """Weights to start from, and where results go."""
    train: Train | None = None
    """Training."""
    val: Val | None = None
    """Validation and tests."""
    logger: Logger | None = None
    """What is logged and saved, how often. Training only."""
    dist_params: DistParams | None = None
    """How processes started by a launcher find each other."""
    find_unused_parameters: Flag | None = None
    """Several processes: for networks that don't use all parameters in every step."""
    channels_last: bool | None = None
    """Memory layout: about 1.8 times as fast for convolutions on CPUs; `false` for networks that refuse it."""

    @classmethod
    def problems(cls, options: Any, where: Key = ()) -> list[Finding]:
        """Find everything that is wrong with a file, its data sets by the rules of their types."""
        return [
            *super().problems(options, where),
            *(one for key, block, dataset in _datasets(options) for one in block.problems(dataset, key)),
        ]

    @classmethod
    def groups(cls, options: Any, where: Key = ()) -> Iterator[tuple[Key, type[Block], Mapping[str, Any]]]:
        """List all groups of options in a file, each with its model."""
        yield from super().groups(options, where)
        for key, block, dataset in _datasets(options):
            yield from block.groups(dataset, key)

    needed_in_training: ClassVar[tuple[str, ...]] = ('train', 'logger')
    needed_in_testing: ClassVar[tuple[str, ...]] = ('val',)


class _Ours(Options[Train, OurValidation], Generic[Train, Scheme]):
    compile: bool | None = None
    """Compile the network by `torch.compile`."""
    report: Report | None = None
    """What the summary after training compares."""
    scale: Literal[1] = 1
    """Factor of the image's size; BasicSR's PairedImageDataset asks for it."""
    scheme: Scheme | None = None
    """How images are split, hidden and denoised."""


class AMSNetOptions(_Ours[AMSNetTraining, SchemeOptions]):
    """Options with `model_type: AMSNetModel`."""


class APBSNFileOptions(_Ours[APBSNTraining, APBSNOptions]):
    """Options with `model_type: APBSNModel`."""


class SROptions(Options[SRTraining, Validation]):
    """Options with `model_type: SRModel`, which trains on pairs."""

    tolerant = True


class GANOptions(Options[GANTraining, Validation]):
    """Options with `model_type: SRGANModel` or `ESRGANModel`."""

    tolerant = True
    network_d: Network | None = None
    """The discriminator."""

    needed_in_training: ClassVar[tuple[str, ...]] = (*Options.needed_in_training, 'network_d')


class OtherOptions(Options[AnyTraining, AnyValidation]):
    """Options of any other model, which may read more."""

    model_config = ConfigDict(extra='allow')


AnyOptions = Options[Any, Any]
OUR_MODELS: dict[str, type[AnyOptions]] = {'AMSNetModel': AMSNetOptions, 'APBSNModel': APBSNFileOptions}
MODELS: dict[str, type[AnyOptions]] = {
    **OUR_MODELS,
    'SRModel': SROptions,
    'SwinIRModel': SROptions,
    'SRGANModel': GANOptions,
    'ESRGANModel': GANOptions,
}
#: What BasicSR writes into the options itself, whatever a file says.
SET_BY_BASICSR = ('root_path', 'dist', 'rank', 'world_size', 'auto_resume', 'is_train')
PATHS_SET_BY_BASICSR = ('models', 'training_states', 'log', 'visualization')


def _datasets(options: Any) -> Iterator[tuple[Key, type[DatasetOptions], Mapping[str, Any]]]:
    """List the data sets of a file, each with its model."""
    datasets = options.get('datasets') if isinstance(options, Mapping) else None
    for phase, dataset in datasets.items() if isinstance(datasets, Mapping) else ():
        if isinstance(dataset, Mapping):
            kind = dataset.get('type')
            block = DATASETS.get(kind, OtherDatasetOptions) if isinstance(kind, str) else OtherDatasetOptions
            yield ('datasets', str(phase)), block, dataset


def options_of(model: Any) -> type[AnyOptions]:
    """Choose the rules for a file by its `model_type`."""
    return MODELS.get(model, OtherOptions) if isinstance(model, str) else OtherOptions
