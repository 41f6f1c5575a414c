"""A BasicSR model that a training run can stop and resume."""

import time
import warnings
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.resume.changes import DATA, SCHEDULE, differences
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.resume.run import TrainingRun
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line

_MOMENTS = frozenset({'exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'momentum_buffer', 'square_avg'})
"""What optimizers keep for each parameter in its own shape."""


class ResumableModel(BaseModel):
    """Mixin that comes before a model's own class: what `train_pipeline` calls of it, told to the run."""

    run: TrainingRun

    @property
    def made_with(self) -> dict[str, Any]:
        """What this training is made with."""
        return self.run.made_with

    @property
    def validated(self) -> bool:
        """Whether the validation that falls on this iteration is done."""
        return self.run.validated

    def stop_if_asked(self) -> None:
        """Stop between two images of a validation, if somebody asked for it."""
        self.run.stop_if_asked()

    def optimize_parameters(self, current_iter: int) -> None:
        """Do a step, and time it if the number of threads hangs on that."""
        start = time.perf_counter()
        super().optimize_parameters(current_iter)
        if self.run.threads is not None:
            self.run.threads.add(time.perf_counter() - start)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Restore optimizers and schedulers by BasicSR, and the best metrics, data order and precision besides.

        Where the options have changed since, the file counts: optimizers keep their moments if they are of the same
        type, with the settings of the file, and the schedule is run again from the start.
        """
        made, changed = resume_state.get('made_with'), []
        if made:
            changed = list(differences(made, self.made_with))
        for key, old, new in changed:
            get_root_logger().warning(f'{key} was {old} when the state was saved; the new value counts, {new}')
        try:
            if any(key.startswith(SCHEDULE) for key, _, _ in changed):
                self._resume_on_new_schedule(resume_state)
            else:
                _check_schedulers([scheduler.state_dict() for scheduler in self.schedulers], resume_state['schedulers'])
                super().resume_training(resume_state)
            _check_moments(self.optimizers)
        except Exception as error:  # whatever optimizers and schedulers find wrong
            if isinstance(error, UserError):
                raise
            raise UserError(
                f'{self.opt["path"]["resume_state"]} does not fit this training: {type(error).__name__}: '
                f'{one_line(error)}; resume with the options it was saved with, or start from its weights'
            ) from error
        if resume_state.get('best'):
            self.best_metric_results = resume_state['best']
        if resume_state.get('model') and hasattr(self, 'load_extra_state'):
            self.load_extra_state(resume_state['model'])
        self.run.resume(resume_state, any(key.startswith(DATA) for key, _, _ in changed))

    def _resume_on_new_schedule(self, resume_state: dict[str, Any]) -> None:
        types = resume_state.get('optimizer_types') or []
        for optimizer, old_type, saved in zip(self.optimizers, types, resume_state['optimizers'], strict=True):
            if type(optimizer).__name__ != old_type:
                get_root_logger().warning(f'{type(optimizer).__name__} takes the place of {old_type} and starts anew')
                continue
            groups = [{**group, 'params': None} for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            for group, own in zip(optimizer.param_groups, groups, strict=True):
                group.update({name: value for name, value in own.items() if name != 'params'})
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # no optimizer steps in between
            for iteration in range(1, resume_state['iter'] + 1):
                self.update_learning_rate(iteration, self.opt['train'].get('warmup_iter', -1))

    def save(self, epoch: int, current_iter: int) -> None:
        """Save a checkpoint. If writing fails midway, training goes on, since the next may succeed."""
        try:
            super().save(epoch, current_iter)
        except CheckpointError as error:
            if current_iter == -1 or self.run.stopping:
                raise
            newest = self.run.newest_state()
            get_root_logger().error(
                f'No checkpoint of iteration {current_iter}: {error}. '
                f'{f"The newest is {newest}" if newest else "There is none yet"}; training goes on.'
            )


def _check_moments(optimizers: list[torch.optim.Optimizer]) -> None:
    """Look whether what was restored fits its parameters; PyTorch takes anything."""
    for optimizer in optimizers:
        for parameter, moments in optimizer.state.items():
            for name in _MOMENTS & moments.keys():
                if moments[name] is not None and moments[name].shape != parameter.shape:
                    raise ValueError(f'{name} of an optimizer is of another shape than its parameter')


def _check_schedulers(fresh: list[dict[str, Any]], saved: list[dict[str, Any]]) -> None:
    """Look whether what was saved is of the kind that the next step needs; PyTorch takes anything."""
    for own, other in zip(fresh, saved, strict=True):
        for name in own.keys() & other.keys():
            if type(own[name]) is not type(other[name]):
                raise TypeError(f'{name} of a scheduler is a {type(other[name]).__name__}')
