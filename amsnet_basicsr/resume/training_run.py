"""One run of BasicSR's `train_pipeline` that can be stopped between any two iterations and goes on exactly.

`train_pipeline` is a single function: it looks up what it calls in its module, so what it calls is replaced there.
"""

import math
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import get_dist_info
from torch.utils.data import DataLoader, Dataset

from amsnet_basicsr.convert import WeightsError
from amsnet_basicsr.models.nan_guard import BadLossError, bad_loss_message
from amsnet_basicsr.models.validation.error import ValidationError
from amsnet_basicsr.resume.checkpoints import BadWeightsError, CheckpointError
from amsnet_basicsr.resume.data_order import ResumableSampler, SeededDataset
from amsnet_basicsr.resume.states import ResumeError, load_resume_state, newest_whole
from amsnet_basicsr.utils.distributed import leave, wait_for_all
from amsnet_basicsr.utils.seeding import mixed_seed, seed_generators
from amsnet_basicsr.utils.stop_signal import Interruption

_AGREE_EVERY = 10
"""Iterations between two looks at whether any process was asked to stop: each costs a message."""


class TrainingStopped(Exception):  # noqa: N818 (no error)
    """Somebody asked the training to stop, and all of an iteration is done."""


class TrainingRun:
    """What must be known of a run to stop it and to go on, and the parts of `train_pipeline` that differ for that.

    Args:
        interruption: Tells when somebody asked to stop.
    """

    def __init__(self, interruption: Interruption) -> None:
        """Know nothing yet."""
        self.interruption = interruption
        self._begin({})

    def _begin(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        self.iteration = 0
        self.names: list[str] = []
        self._resumed = False

    def attach(self, pipeline: ModuleType) -> None:
        """Take part in the next run of a pipeline.

        Args:
            pipeline: BasicSR's module `basicsr.train`, as imported.
        """
        self._build = original = _originals(pipeline)
        self._tb_logger: Any = None
        pipeline.make_exp_dirs, pipeline.copy_opt_file = self._make_folders, self._copy_options
        pipeline.load_resume_state = load_resume_state
        pipeline.create_train_val_dataloader = partial(self.build_loaders, pipeline)
        pipeline.build_dataset = self._build_dataset
        pipeline.build_dataloader = self._build_loader
        pipeline.build_model = self.build_model
        pipeline.init_tb_loggers = self._open_tensorboard
        for name in ('CPUPrefetcher', 'CUDAPrefetcher'):
            setattr(pipeline, name, partial(_prefetcher(original[name]), run=self))

    # Building

    def _make_folders(self, opt: dict[str, Any]) -> None:
        self._build['make_exp_dirs'](opt)
        wait_for_all()  # the first process makes them, all use them

    def _copy_options(self, file: str, folder: str) -> None:
        if get_dist_info()[0] == 0:
            self._build['copy_opt_file'](file, folder)

    def build_loaders(self, pipeline: ModuleType, opt: dict[str, Any], logger: Any) -> tuple[Any, ...]:
        """Build the data loaders by BasicSR's own function, with a sampler that can begin anywhere."""
        self._begin(opt)
        pipeline.EnlargedSampler = partial(ResumableSampler, seed=opt['manual_seed'])
        loaders = self._build['create_train_val_dataloader'](opt, logger)
        self.loader, self.sampler, self.val_loaders = loaders[:3]
        return loaders

    def _build_dataset(self, dataset_opt: dict[str, Any]) -> Dataset:
        dataset = self._build['build_dataset'](dataset_opt)
        return SeededDataset(dataset) if dataset_opt['phase'] == 'train' else dataset

    def _build_loader(self, *args: Any, **kwargs: Any) -> DataLoader:
        loader = self._build['build_dataloader'](*args, **kwargs)
        # Every pass draws a seed for its workers, else from the generator that the network's own randomness comes from.
        loader.generator = torch.Generator()
        return loader

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Build the model by BasicSR's own function, and give it whole checkpoints."""
        model = self._build['build_model'](opt)
        self.model = model
        self._model_save, model.save = model.save, self._save_or_say
        self._model_step, model.optimize_parameters = model.optimize_parameters, self._step
        self._model_resume, model.resume_training = model.resume_training, self.resume
        model.stop_if_asked = self.stop_if_asked
        return model

    def resume(self, state: dict[str, Any]) -> None:
        """Set model, data order and bests to where a state was saved.

        Args:
            state: What `save_training_state` saved, ours or BasicSR's.
        """
        self._model_resume(state)
        if state.get('best'):
            self.model.best_metric_results = state['best']
        if state.get('model'):
            self.model.load_extra_state(state['model'])
        self.iteration, self._resumed = state['iter'], True
        self.model.validated = bool(state.get('validated'))
        batches = len(self.loader)
        taken = self.iteration - state['epoch'] * batches
        if 0 <= taken <= batches:
            self.sampler.begin_at(state['epoch'], taken * self.loader.batch_size)
        else:
            self._log(
                'warning',
                f'Iteration {self.iteration} does not lie in epoch {state["epoch"]} of {batches} batches: the data or '
                f'the batch changed since the checkpoint. The epoch begins anew; the run is no exact continuation.',
            )

    # Between two iterations

    def before_batch(self) -> None:
        """Do what belongs between two iterations: a validation that a stop left out, and stopping.

        Raises:
            TrainingStopped: If somebody asked for it.
        """
        if self._resumed:
            self._resumed = False
            val = self.opt.get('val')
            if val and not self.model.validated and self.iteration % val['val_freq'] == 0 and not self._finished:
                self._log('info', f'The validation of iteration {self.iteration} comes after its checkpoint: done now')
                for loader in self.val_loaders:
                    self.model.validation(loader, self.iteration, self._tb_logger, val['save_img'])
        self.model.validated = True
        if self.opt['dist']:
            self._agree_to_stop()
        else:
            self.stop_if_asked()

    def stop_if_asked(self) -> None:
        """Stop a run of one process; called between two iterations, and by the validation between two images.

        Raises:
            TrainingStopped: If somebody asked for it.
        """
        if self.interruption.signal is not None and not self.opt['dist'] and not self._finished:
            raise TrainingStopped

    def _agree_to_stop(self) -> None:
        """Stop all processes at one iteration; a process that stopped alone would leave the others waiting."""
        if self._finished or self.iteration % _AGREE_EVERY:
            return
        asked = torch.tensor(float(self.interruption.signal is not None), device=self.model.device)
        torch.distributed.all_reduce(asked)
        if asked.item():
            raise TrainingStopped

    def after_batch(self, batch: dict[str, Any] | None) -> None:
        """Count a batch, and seed what is random in the iteration that it is for.

        Args:
            batch: The batch, or None at the end of an epoch.
        """
        if batch is None:
            return
        self.iteration += 1
        self.model.validated = False
        self.names = list(batch.get('lq_path') or [])
        seed_generators(mixed_seed(self.opt['manual_seed'], self.iteration, self.opt['rank']))

    @property
    def _finished(self) -> bool:
        return self.iteration >= self.opt['train']['total_iter']

    def _step(self, current_iter: int) -> None:
        """Do a step; BasicSR's own models don't look at their losses, so they are looked at here."""
        self._model_step(current_iter)
        for name, value in self.model.log_dict.items():
            if isinstance(value, float) and not math.isfinite(value):
                lr = self.model.get_current_learning_rate()[0]
                raise BadLossError(bad_loss_message(name, value, current_iter, lr, self.names))

    # Saving

    def _save_or_say(self, epoch: int, current_iter: int) -> None:
        """Save a checkpoint; if that fails under way, go on, since the next may succeed."""
        try:
            self._model_save(epoch, current_iter)
        except CheckpointError as error:
            if current_iter == -1:
                raise
            newest = newest_whole(Path(self.opt['path']['training_states']), ['net_g'])[0]
            self._log(
                'error',
                f'No checkpoint of iteration {current_iter}: {error}. '
                f'{f"The newest is {newest}" if newest else "There is none yet"}; training goes on.',
            )

    def stop(self) -> str:
        """Save where the run was stopped.

        Returns:
            What to say.

        Raises:
            CheckpointError: If it can't be saved.
        """
        if self._tb_logger:
            self._tb_logger.close()
        if self.iteration == 0:
            return 'stopped before the first iteration: there is nothing to save'
        state = Path(self.opt['path']['training_states']) / f'{self.iteration}.state'
        self._model_save(self.sampler.epoch, self.iteration)
        if self.opt['dist']:
            wait_for_all()  # a process that ends takes the others down
        return f'stopped after iteration {self.iteration}, saved as {state}; --auto_resume goes on from there'

    def _open_tensorboard(self, opt: dict[str, Any]) -> Any:
        self._tb_logger = self._build['init_tb_loggers'](opt)
        return self._tb_logger

    def _log(self, level: str, text: str) -> None:
        getattr(get_root_logger(), level)(text)


def train_or_stop(pipeline: ModuleType, root_path: str) -> None:
    """Run `train_pipeline` to its end, or to where somebody asks it to stop.

    Args:
        pipeline: BasicSR's module `basicsr.train`.
        root_path: Folder in which `experiments/` and `tb_logger/` are made.

    Raises:
        SystemExit: With 130 or 143 after Ctrl-C or SIGTERM, with a state saved that can be resumed; with a message if
            there is nothing whole to resume, the loss is no number, or the last checkpoint can't be written.
    """
    with Interruption() as interruption:
        run = TrainingRun(interruption)
        run.attach(pipeline)
        try:
            try:
                pipeline.train_pipeline(root_path)
            except TrainingStopped:
                said = run.stop()
                if run.opt['rank'] == 0:
                    print(f'Training {said}', flush=True)
                sys.exit(128 + (interruption.signal or signal.SIGTERM))
            leave()
        except (ResumeError, BadLossError, BadWeightsError, CheckpointError, ValidationError, WeightsError) as error:
            sys.exit(f'Training ended: {error}')
        except KeyboardInterrupt:
            sys.exit('Training ended at once; --auto_resume goes on from the newest checkpoint, if there is one')


def _originals(pipeline: ModuleType) -> dict[str, Callable[..., Any]]:
    """What a pipeline called before any run was attached to it."""
    if not hasattr(pipeline, '_amsnet_originals'):
        names = (
            'make_exp_dirs', 'copy_opt_file', 'create_train_val_dataloader', 'build_dataset', 'build_dataloader',
            'build_model', 'init_tb_loggers', 'CPUPrefetcher', 'CUDAPrefetcher',
        )  # fmt: skip
        pipeline._amsnet_originals = {name: getattr(pipeline, name) for name in names}
    return pipeline._amsnet_originals


def _prefetcher(base: type) -> type:
    """Make one of BasicSR's prefetchers tell a run about each batch."""

    class RunPrefetcher(base):
        def __init__(self, loader: DataLoader, *args: Any, run: TrainingRun) -> None:
            super().__init__(loader, *args)
            self._run = run

        def next(self) -> dict[str, Any] | None:
            self._run.before_batch()
            batch = super().next()
            self._run.after_batch(batch)
            return batch

    return RunPrefetcher
