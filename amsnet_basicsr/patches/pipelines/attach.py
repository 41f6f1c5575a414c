"""Attaching a resumable run to `train_pipeline`, and what both pipelines call to build models and make folders."""

import sys
from functools import partial
from types import ModuleType
from typing import Any

import torch
from basicsr.data import build_dataloader, build_dataset
from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher
from basicsr.utils.dist_util import master_only
from basicsr.utils.logger import init_tb_logger
from torch.utils.data import DataLoader, Dataset

import basicsr.test
import basicsr.train
from amsnet_basicsr.patches.models.build import build_model
from amsnet_basicsr.patches.pipelines.dead_workers import WatchedPrefetcher
from amsnet_basicsr.patches.pipelines.logs import TolerantWriter, copy_options, get_root_logger, start_wandb
from amsnet_basicsr.resume.data_order import SeededDataset
from amsnet_basicsr.resume.folders import make_folders, put_aside
from amsnet_basicsr.resume.run import TrainingRun
from amsnet_basicsr.resume.states import load_resume_state
from amsnet_basicsr.utils.distributed import in_first
from amsnet_basicsr.utils.stop_signal import Interruption


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
            module.get_root_logger = get_root_logger


def make_exp_dirs(opt: dict[str, Any]) -> None:
    """Make the folders of a run in the first process; all use them."""
    in_first(partial(make_folders, opt))


def attach_run(pipeline: ModuleType, run: TrainingRun) -> None:
    """Let a run take part in the next call of `train_pipeline`; `pipeline` is `basicsr.train`, as imported."""

    def load_state(opt: dict[str, Any]) -> dict[str, Any] | None:
        run.hold(opt)
        run.begin(opt)
        return load_resume_state(opt)

    def make_dataset(dataset_opt: dict[str, Any]) -> Dataset:
        dataset = build_dataset(dataset_opt)
        return SeededDataset(dataset) if dataset_opt['phase'] == 'train' else dataset

    def make_dataloader(dataset: Dataset, dataset_opt: dict[str, Any], **kwargs: Any) -> DataLoader:
        if dataset_opt.get('prefetch_mode') == 'cpu' and not dataset_opt.get('num_worker_per_gpu', 1):
            # A thread of this process that reads ahead would share the global generators with the training step.
            dataset_opt = {**dataset_opt, 'num_worker_per_gpu': 1}
        loader = build_dataloader(dataset, dataset_opt, **kwargs)
        # Every pass draws a seed for its workers, else from the generator that the network's own randomness comes from.
        loader.generator = torch.Generator()
        if dataset_opt['phase'] == 'train':
            run.loader = loader
        else:
            run.val_loaders.append(loader)
        return loader

    def make_tb_logger(log_dir: str) -> Any:
        run.tb_logger = TolerantWriter(partial(init_tb_logger, log_dir))
        return run.tb_logger

    names = {
        'make_exp_dirs': make_exp_dirs,
        'mkdir_and_rename': put_aside,
        'get_root_logger': get_root_logger,
        'copy_opt_file': master_only(copy_options),
        'load_resume_state': load_state,
        'EnlargedSampler': run.make_sampler,
        'build_dataset': make_dataset,
        'build_dataloader': make_dataloader,
        'build_model': partial(build_model, run=run),
        'init_tb_logger': make_tb_logger,
        'init_wandb_logger': master_only(start_wandb),
        'CPUPrefetcher': partial(WatchedPrefetcher, run, CPUPrefetcher),
        'CUDAPrefetcher': partial(WatchedPrefetcher, run, CUDAPrefetcher),
    }
    for name, value in names.items():
        setattr(pipeline, name, value)
