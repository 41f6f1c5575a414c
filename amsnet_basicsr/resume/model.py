"""A BasicSR model that a training run can stop and resume."""

import time
import warnings
from pathlib import Path
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.resume.changes import DATA, describe_changes
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.resume.optimizers import check_moments
from amsnet_basicsr.resume.run import TrainingRun
from amsnet_basicsr.resume.states import newest_intact
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class ResumableModel(BaseModel):
    """Mixin that comes before a model's own class and reports to the run what `train_pipeline` calls."""

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
        """Do a step; time it while the number of threads is being chosen."""
        start = time.perf_counter()
        super().optimize_parameters(current_iter)
        if self.run.threads is not None:
            self.run.threads.add(time.perf_counter() - start)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Restore optimizers, best metrics, data order and precision.

        Where the options have changed since, the file counts: optimizers keep their moments if they are of the same
        type, with the settings of the file, and the schedule is that of the file.
        """
        made = resume_state.get('made_with')
        changed = describe_changes(made, self.made_with) if made else {}
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
