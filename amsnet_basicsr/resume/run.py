"""One training that can be stopped between any two iterations and resumed exactly. BasicSR's loop is not in here."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from torch.utils.data import DataLoader, Dataset

from amsnet_basicsr.resume.changes import made_with
from amsnet_basicsr.resume.data_order import ResumableSampler
from amsnet_basicsr.resume.folders import remove_leftovers
from amsnet_basicsr.resume.threads import choose_threads, thread_choices
from amsnet_basicsr.utils.distributed import in_first, wait_for_all
from amsnet_basicsr.utils.lock import exclusive_lock
from amsnet_basicsr.utils.parallel import available_cores
from amsnet_basicsr.utils.seeding import mixed_seed, seed_generators
from amsnet_basicsr.utils.stop_signal import Interruption

_AGREE_EVERY = 10
"""Iterations between two looks at whether any process was asked to stop: each costs a message."""
_PATIENCE = 10
"""Seconds to wait for the lock: data workers of a run that was killed hold it until they notice."""


class TrainingStopped(Exception):  # noqa: N818 (no error)
    """Somebody asked the training to stop, or for the reason given it must; all of an iteration is done."""


class TrainingRun:
    """What must be known of a training to stop and resume it; `interruption` tells when somebody asked to stop."""

    loader: DataLoader
    model: BaseModel

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self.tb_logger: Any = None
        self._held = ExitStack()
        self.begin({})

    def hold(self, opt: dict[str, Any]) -> None:
        """Keep other runs away from the experiment (`UserError` if one holds it), and remove what killed ones left."""

        def hold() -> None:
            self.release()
            root = Path(opt['path']['experiments_root'])
            self._held.enter_context(exclusive_lock(root, _PATIENCE))
            remove_leftovers(root)

        in_first(hold)

    def release(self) -> None:
        """Let others have the experiment."""
        self._held.close()

    def begin(self, opt: dict[str, Any]) -> None:
        """Start counting, with BasicSR's options."""
        self.opt = opt
        self.val_loaders: list[DataLoader] = []
        self.iteration = 0
        self.validated = False
        self.stopping = False
        self._resumed = False
        self.threads: Generator[None, float, None] | None = None
        if opt.get('num_threads') == 'auto' and opt['num_gpu'] == 0:
            choices = thread_choices(available_cores())
            self.threads = choose_threads(choices, torch.set_num_threads, lambda text: get_root_logger().info(text))
            next(self.threads)

    def make_sampler(self, dataset: Dataset, num_replicas: int, rank: int, ratio: float = 1) -> ResumableSampler:
        """Make the sampler of the training set; takes what BasicSR's `EnlargedSampler` takes."""
        self.sampler = ResumableSampler(dataset, num_replicas, rank, ratio, self.opt['manual_seed'])
        return self.sampler

    @property
    def made_with(self) -> dict[str, Any]:
        """What this training is made with, for its states."""
        return made_with(self.opt, len(self.loader.dataset), self.loader.batch_size or 0)  # type: ignore[arg-type]

    def resume(self, state: dict[str, Any], other_data: bool = False) -> None:
        """Set the data order to where a state was saved; `other_data` if images or batch are known to have changed."""
        self.iteration, self._resumed = state['iter'], True
        self.validated = bool(state.get('validated'))
        batches = len(self.loader)
        taken = self.iteration - state['epoch'] * batches
        if 0 <= taken <= batches and not other_data:
            self.sampler.begin_at(state['epoch'], taken * self.loader.batch_size)
        else:
            get_root_logger().warning(
                f'Iteration {self.iteration} does not lie in epoch {state["epoch"]} of {batches} batches: the data or '
                f'the batch changed since the checkpoint. The epoch starts over; the run is no exact continuation.'
            )

    # Between two iterations

    def before_batch(self) -> None:
        """Do what belongs between two iterations: a validation that a stop left out, and stopping."""
        val = self.opt.get('val')
        left_out = val and self._resumed and not self.validated and self.iteration % val['val_freq'] == 0
        self._resumed = False
        if val and left_out and not self._finished:
            get_root_logger().info(f'The validation of iteration {self.iteration} comes after its checkpoint: done now')
            for loader in self.val_loaders:
                self.model.validation(loader, self.iteration, self.tb_logger, val['save_img'])
        self.validated = True
        self.stop_if_asked()
        if self.opt['dist'] and not self._finished and self.iteration % _AGREE_EVERY == 0:
            # Together: a process that stopped alone would leave the others waiting.
            asked = torch.tensor(float(self.interruption.signal is not None), device=self.model.device)
            torch.distributed.all_reduce(asked)
            if asked.item():
                raise TrainingStopped

    def stop_if_asked(self) -> None:
        """Stop a run of one process by `TrainingStopped`; the validation calls this between two images, too."""
        if self.interruption.signal is not None and not self.opt['dist']:
            raise TrainingStopped

    def after_batch(self, batch: dict[str, Any] | None) -> None:
        """Count a batch (None at the end of an epoch), and seed what is random in the iteration that it is for."""
        if batch is not None:
            self.iteration += 1
            self.validated = False
            seed_generators(mixed_seed(self.opt['manual_seed'], self.iteration, self.opt['rank']))

    @property
    def _finished(self) -> bool:
        return self.iteration >= self.opt['train']['total_iter']

    # Stopping

    def stop(self) -> str:
        """Save where the run was stopped, or raise a `CheckpointError`; return what to say."""
        if self.tb_logger:
            self.tb_logger.close()
        if self.iteration == 0:
            return 'stopped before the first iteration: there is nothing to save'
        iteration = min(self.iteration, self.opt['train']['total_iter'])  # a batch more is read at the end
        state = Path(self.opt['path']['training_states']) / f'{iteration}.state'
        self.stopping = True
        self.model.save(self.sampler.epoch, iteration)
        if self.opt['dist']:
            wait_for_all()  # a process that ends takes the others down
        return f'stopped after iteration {iteration}, saved as {state}; --auto_resume resumes from there'
