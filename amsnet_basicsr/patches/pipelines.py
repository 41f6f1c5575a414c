"""What BasicSR's `train_pipeline` and `test_pipeline` call, put in where they look it up: in their own modules.

Each pipeline is one function that takes nothing but a path, so there is no other place. They themselves stay what runs.
"""

import copy
import signal
import sys
import threading
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info, master_only
from basicsr.utils.registry import MODEL_REGISTRY
from torch.utils.data import DataLoader, Dataset

import basicsr.test
import basicsr.train
from amsnet_basicsr.models.base_model import ExtendedBaseModel
from amsnet_basicsr.patches.loggers import copy_options, open_tensorboard, start_wandb
from amsnet_basicsr.patches.sr_models import CheckedModel, CheckedSRModel
from amsnet_basicsr.resume.data_order import SeededDataset
from amsnet_basicsr.resume.folders import make_folders, put_aside
from amsnet_basicsr.resume.model import ResumableModel
from amsnet_basicsr.resume.run import TrainingRun, TrainingStopped
from amsnet_basicsr.resume.states import load_resume_state
from amsnet_basicsr.utils.distributed import from_first
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.stop_signal import Interruption
from amsnet_basicsr.utils.text import one_line

_REBOUND = (
    'create_train_val_dataloader', 'build_dataset', 'build_dataloader',
    'init_tb_loggers', 'CPUPrefetcher', 'CUDAPrefetcher',
)  # fmt: skip
_originals: dict[str, SimpleNamespace] = {}
"""What a pipeline's module called before any run was attached to it, by the module's name."""


def apply() -> None:
    """Attach a run that nothing interrupts to `train_pipeline`, and our models to both pipelines.

    An unmodified BasicSR's `train.py` may be the program itself, which imports the plugin while it reads its options:
    then the module is `__main__`.
    """
    modules: list[Any] = [basicsr.train, basicsr.test, sys.modules.get('__main__')]
    for module in modules:
        if hasattr(module, 'train_pipeline') and hasattr(module, 'create_train_val_dataloader'):
            attach_run(module, TrainingRun(Interruption()))
        elif hasattr(module, 'test_pipeline') and hasattr(module, 'build_model'):
            module.build_model, module.make_exp_dirs = build_model, make_exp_dirs


def build_model(opt: dict[str, Any], run: TrainingRun | None = None) -> BaseModel:
    """Take the place of `basicsr.models.build_model`: build the model from a subclass with what BasicSR's lacks.

    Args:
        opt: The options.
        run: The training it is for, if any.
    """
    model_class = MODEL_REGISTRY.get(opt['model_type'])
    model = _subclass(model_class, run)(copy.deepcopy(opt))
    if run is not None:
        run.model = model
    get_root_logger().info(f'Model [{model_class.__name__}] is created.')
    return model


def make_exp_dirs(opt: dict[str, Any]) -> None:
    """Make the folders of a run in the first process; all use them."""
    failed = None
    if get_dist_info()[0] == 0:
        try:
            make_folders(opt)
        except (UserError, OSError) as error:
            failed = str(error)
    if failed := from_first(failed):
        raise UserError(failed)


def _subclass(model_class: type[BaseModel], run: TrainingRun | None) -> type[BaseModel]:
    """The class with mixins before it, which call it, and after it, which it may override."""
    bases: list[type] = [model_class]
    if not issubclass(model_class, ExtendedBaseModel):  # ours have checks of their own
        bases = [CheckedSRModel if issubclass(model_class, SRModel) else CheckedModel, model_class, ExtendedBaseModel]
    if run is not None:
        bases.insert(0, ResumableModel)
    members = {'run': run, '__module__': model_class.__module__, '__doc__': model_class.__doc__}
    return type(model_class.__name__, tuple(bases), members)


def attach_run(pipeline: ModuleType, run: TrainingRun) -> None:
    """Let a run take part in the next call of `train_pipeline`.

    Args:
        pipeline: `basicsr.train`, as imported.
        run: The run.
    """
    original = _originals.setdefault(
        pipeline.__name__, SimpleNamespace(**{name: getattr(pipeline, name) for name in _REBOUND})
    )

    def load_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        run.hold(opt)
        return load_resume_state(opt)

    def create_train_val_dataloader(opt: dict[str, Any], logger: Any) -> tuple[Any, ...]:
        run.begin(opt)
        loaders = original.create_train_val_dataloader(opt, logger)
        run.loader, run.val_loaders = loaders[0], loaders[2]
        return loaders

    def build_dataset(dataset_opt: dict[str, Any]) -> Dataset:
        dataset = original.build_dataset(dataset_opt)
        return SeededDataset(dataset) if dataset_opt['phase'] == 'train' else dataset

    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader:
        loader = original.build_dataloader(*args, **kwargs)
        # Every pass draws a seed for its workers, else from the generator that the network's own randomness comes from.
        loader.generator = torch.Generator()
        return loader

    def init_tb_loggers(opt: dict[str, Any]) -> Any:
        run.tb_logger = open_tensorboard(lambda: original.init_tb_loggers(opt))
        return run.tb_logger

    names = {
        'make_exp_dirs': make_exp_dirs,
        'mkdir_and_rename': put_aside,
        'copy_opt_file': master_only(copy_options),
        'load_resume_state': load_state,
        'create_train_val_dataloader': create_train_val_dataloader,
        'EnlargedSampler': run.make_sampler,
        'build_dataset': build_dataset,
        'build_dataloader': build_dataloader,
        'build_model': partial(build_model, run=run),
        'init_tb_loggers': init_tb_loggers,
        'init_wandb_logger': master_only(start_wandb),
        'CPUPrefetcher': partial(_prefetcher(original.CPUPrefetcher), run=run),
        'CUDAPrefetcher': partial(_prefetcher(original.CUDAPrefetcher), run=run),
    }
    for name, value in names.items():
        setattr(pipeline, name, value)


def _prefetcher(base: type) -> type:
    """One of BasicSR's prefetchers that tells a run about each batch."""

    class RunPrefetcher(base):
        def __init__(self, loader: DataLoader, *args: Any, run: TrainingRun) -> None:
            super().__init__(loader, *args)
            self._run = run
            _leave_dead_workers_to_the_loader()

        def reset(self) -> None:
            super().reset()
            _leave_dead_workers_to_the_loader()

        def next(self) -> dict[str, Any] | None:
            self._run.before_batch()
            try:
                batch = super().next()
            except UserError as error:  # with a traceback, if it is from a worker
                raise UserError(str(error).rstrip().rpartition('UserError: ')[2]) from None
            except (RuntimeError, OSError, EOFError) as error:  # the last two from a pipe that nobody writes to
                if isinstance(error, RuntimeError) and 'DataLoader worker' not in str(error):
                    raise
                raise TrainingStopped(
                    f'a data worker died ({one_line(error)}), which a full memory may cause: '
                    'try a smaller num_worker_per_gpu'
                ) from error
            self._run.after_batch(batch)
            return batch

    return RunPrefetcher


def _leave_dead_workers_to_the_loader() -> None:
    """Take back PyTorch's handler of SIGCHLD, which raises in the middle of a step when a worker dies.

    The loader looks after its workers itself when it waits for a batch: between two steps, where a state can be saved.
    """
    if hasattr(signal, 'SIGCHLD') and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
