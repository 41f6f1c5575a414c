"""BasicSR's models train on after a loss that is NaN or infinite, and save such results as black."""

import math
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel

from amsnet_basicsr.models.nan_guard import bad_loss_message
from amsnet_basicsr.utils.errors import UserError


class FiniteLosses(BaseModel):
    """A model that stops at a loss that is NaN or infinite."""

    batch_names: tuple[str, ...] = ()

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch, and remember its files."""
        self.batch_names = tuple(data.get('lq_path') or data.get('gt_path') or ())
        super().feed_data(data)

    def optimize_parameters(self, current_iter: int) -> None:
        """Do a step; stop if a loss is NaN or infinite, when the step is taken but nothing of it is saved."""
        super().optimize_parameters(current_iter)
        for name, value in (getattr(self, 'log_dict', None) or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                lr = self.get_current_learning_rate()[0]
                raise UserError(bad_loss_message(name, value, current_iter, lr, self.batch_names))


class FiniteResults(FiniteLosses, SRModel):
    """Stops at a result that is NaN or infinite too."""

    def test(self) -> None:
        """Run the network; stop if its output is NaN or infinite."""
        super().test()
        if isinstance(self.output, torch.Tensor) and not torch.isfinite(self.output).all():
            names = f' for {", ".join(self.batch_names)}' if self.batch_names else ''
            raise UserError(f'the network returns NaN or infinite values{names}: not saved')
