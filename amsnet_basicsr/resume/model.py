"""A BasicSR model that a training run can stop and resume."""

import time
import warnings
from pathlib import Path
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.resume.changes import DATA, describe_changes
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.resume.run import TrainingRun
from amsnet_basicsr.resume.states import newest_intact
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class ResumableModel(BaseModel):
    """Mixin that comes before a model's own class and reports to the run what `train_pipeline` calls."""

    run: TrainingRun

    def stop_if_asked(self) -> None:
        """Stop between two images of a validation, if somebody asked for it."""
        self.run.stop_if_asked()

    def optimize_parameters(self, current_iter: int) -> None:
        """Do a step; time it while the number of threads is being chosen."""
        start = time.perf_counter()
        super().optimize_parameters(current_iter)
        if self.run.threads is not None:
            self.run.threads.send(time.perf_counter() - start)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Restore optimizers, best metrics, data order and precision.

        Where the options have changed since, the file counts: optimizers keep their moments if they are of the same
        type, with the settings of the file, and the schedule is that of the file.
        """
        made = resume_state.get('made_with')
        changed = describe_changes(made, self.run.made_with) if made else {}
        for said in changed.values():
            get_root_logger().warning(said)
        try:
            self._resume_optimizers(resume_state)
            self._resume_schedule(resume_state['iter'])
            if resume_state.get('model') and hasattr(self, 'load_extra_state'):
                self.load_extra_state(resume_state['model'])
        except Exception as error:  # whatever optimizers find wrong
            raise UserError(
                f'{self.opt["path"]["resume_state"]} does not fit this training: {type(error).__name__}: '
                f'{one_line(error)}; resume with the options it was saved with, or start from its weights'
            ) from error
        if resume_state.get('best'):
            self.best_metric_results = resume_state['best']
        self.run.resume(resume_state, any(key.startswith(DATA) for key in changed))

    def _resume_optimizers(self, resume_state: dict[str, Any]) -> None:
        """Restore the moments; all settings but the rate are those of the file."""
        types = resume_state.get('optimizer_types') or [type(optimizer).__name__ for optimizer in self.optimizers]
        for optimizer, old_type, saved in zip(self.optimizers, types, resume_state['optimizers'], strict=True):
            if type(optimizer).__name__ != old_type:
                get_root_logger().warning(f'{type(optimizer).__name__} replaces {old_type} and starts from scratch')
                continue
            # Merged before loading: by `fused` and `capturable`, PyTorch decides where a counter of steps belongs.
            pairs = zip(saved['param_groups'], optimizer.param_groups, strict=True)
            groups = [{**old, **own, 'params': old['params']} for old, own in pairs]
            optimizer.load_state_dict({**saved, 'param_groups': groups})
            check_moments(optimizer)

    def _resume_schedule(self, iteration: int) -> None:
        """Run the schedule of the file up to an iteration: rates depend on the options and the iteration alone."""
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # no optimizer steps in between
            for earlier in range(1, iteration + 1):
                self.update_learning_rate(earlier, self.opt['train'].get('warmup_iter', -1))

    def save(self, epoch: int, current_iter: int) -> None:
        """Save a checkpoint. If writing fails midway, training continues, since the next may succeed."""
        try:
            super().save(epoch, current_iter)
        except CheckpointError as error:
            if current_iter == -1 or self.run.stopping:
                raise
            newest, _ = newest_intact(Path(self.opt['path']['training_states']), ['net_g'])
            get_root_logger().error(
                f'No checkpoint of iteration {current_iter}: {error}. '
                f'{f"The newest is {newest}" if newest else "There is none yet"}; training continues.'
            )


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Raise an error unless what was restored is what a step of the optimizer makes, in the shape of each parameter."""
    for group in optimizer.param_groups:
        for parameter in group['params']:
            moments = optimizer.state.get(parameter)
            if not moments:
                continue
            expected = _moments_of_a_step(optimizer, group, parameter)
            if moments.keys() != expected.keys():
                raise ValueError(f'{type(optimizer).__name__} keeps {", ".join(expected)} of each parameter')
            for name, like in expected.items():
                if not _fits(moments[name], like, parameter):
                    raise ValueError(f'{name} of an optimizer does not fit its parameter')


def _moments_of_a_step(optimizer: torch.optim.Optimizer, group: dict[str, Any], like: torch.Tensor) -> dict[str, Any]:
    """What the optimizer keeps of a parameter like this one; Adafactor's depends on its shape."""
    parameter = torch.nn.Parameter(torch.zeros_like(like))
    parameter.grad = torch.zeros_like(like)
    settings = {name: value for name, value in group.items() if name not in ('params', 'initial_lr')}
    probe = type(optimizer)([{**settings, 'params': [parameter]}])  # type: ignore[call-arg]
    probe.step()
    return probe.state[parameter]


def _fits(found: Any, like: Any, parameter: torch.Tensor) -> bool:
    if type(found) is not type(like):
        return False
    if not isinstance(like, torch.Tensor):
        return True
    if found.shape != like.shape or found.layout != torch.strided or found.is_meta or not found.is_floating_point():
        return False
    counts = parameter.dim() and not like.dim()
    return not counts or bool(found.isfinite() and found >= 0)
