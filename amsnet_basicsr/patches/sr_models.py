"""Checks that BasicSR's own models lack, such as the `SRModel` that trains a student: mixins that come first."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.models.nan_guard import bad_loss_message
from amsnet_basicsr.models.validation.image_names import distinct_name
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class CheckedModel(BaseModel):
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


class CheckedSRModel(CheckedModel, SRModel):
    """Stops at a result that is NaN or infinite too, and gives each result a file of its own."""

    def test(self) -> None:
        """Run the network; stop if its output is NaN or infinite."""
        super().test()
        if isinstance(self.output, torch.Tensor) and not torch.isfinite(self.output).all():
            names = f' for {", ".join(self.batch_names)}' if self.batch_names else ''
            raise UserError(f'the network returns NaN or infinite values{names}: not saved')

    def nondist_validation(self, dataloader: Any, *args: Any, **kwargs: Any) -> None:
        """Validate with distinct names. In training all sets share a folder; in tests each has its own."""
        scope = '' if self.opt['is_train'] else dataloader.dataset.opt['name']
        taken = self.__dict__.setdefault('_names_taken', {}).setdefault(scope, {})
        try:
            super().nondist_validation(_DistinctNames(dataloader, taken), *args, **kwargs)
        except AssertionError as error:  # of a metric: the pair, or result and clean image, are of unequal size
            raise UserError(f'{", ".join(self.batch_names)}: {one_line(error)}') from error
        except OSError as error:
            if not self.opt['is_train']:
                raise UserError(str(error)) from error
            get_root_logger().warning(f'Validation broken off: {error}; training goes on')


class _DistinctNames:
    """A data loader whose images are called differently.

    Args:
        loader: BasicSR's, of batches of one.
        taken: Path by name, of images that have been named; added to.
    """

    def __init__(self, loader: Any, taken: dict[str, Any]) -> None:
        self.dataset = loader.dataset
        self._loader, self._taken = loader, taken

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for data in self._loader:
            if 'lq_path' in data:
                data = {**data, 'lq_path': [f'{distinct_name(data["lq_path"][0], self._taken)}.png']}
            yield data
