"""A BasicSR model that a training run can stop and resume."""

from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.resume.run import TrainingRun


class ResumableModel(BaseModel):
    """Mixin that comes before a model's own class: what `train_pipeline` calls of it, told to the run."""

    run: TrainingRun

    @property
    def validated(self) -> bool:
        """Whether the validation that falls on this iteration is done."""
        return self.run.validated

    def stop_if_asked(self) -> None:
        """Stop between two images of a validation, if somebody asked for it."""
        self.run.stop_if_asked()

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Restore optimizers and schedulers by BasicSR, and the best metrics, data order and precision besides."""
        super().resume_training(resume_state)
        if resume_state.get('best'):
            self.best_metric_results = resume_state['best']
        if resume_state.get('model') and hasattr(self, 'load_extra_state'):
            self.load_extra_state(resume_state['model'])
        self.run.resume(resume_state)

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
