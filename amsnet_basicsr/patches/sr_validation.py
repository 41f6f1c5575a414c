"""What validation lacks for BasicSR's own models, such as the `SRModel` that trains a student.

Their loop writes images of equal names (a/1.png, b/1.png; 1.png, 1.jpg; in training also those of two sets) over each
other, and NaN as black.
"""

from collections.abc import Iterator
from functools import wraps
from typing import Any

import torch

from amsnet_basicsr.models.validation.error import ValidationError
from amsnet_basicsr.models.validation.image_names import distinct_name


def guard_validation() -> None:
    """Give BasicSR's own validation loop a name for each image, and stop it at results that are no numbers."""
    from basicsr.models.sr_model import SRModel

    if getattr(SRModel.nondist_validation, '_amsnet', False):
        return
    validate, test = SRModel.nondist_validation, SRModel.test

    @wraps(validate)
    def nondist_validation(self: Any, dataloader: Any, *args: Any, **kwargs: Any) -> None:
        # In training all sets share a folder; in tests each has its own.
        scope = '' if self.opt['is_train'] else dataloader.dataset.opt['name']
        taken = self.__dict__.setdefault('_validation_names', {}).setdefault(scope, {})
        validate(self, _DistinctNames(dataloader, taken), *args, **kwargs)

    @wraps(test)
    def finite_test(self: Any) -> None:
        test(self)
        if not torch.isfinite(self.output).all():
            name = f' for {self.name_of_input}' if getattr(self, 'name_of_input', None) else ''
            raise ValidationError(f'the network returns NaN or infinite values{name}: not saved')

    feed = SRModel.feed_data

    @wraps(feed)
    def feed_data(self: Any, data: dict[str, Any]) -> None:
        self.name_of_input = ', '.join(data.get('lq_path') or [])
        feed(self, data)

    nondist_validation._amsnet = True
    SRModel.nondist_validation, SRModel.test, SRModel.feed_data = nondist_validation, finite_test, feed_data


class _DistinctNames:
    """A data loader whose images are called differently.

    Args:
        loader: BasicSR's, of batches of one.
        taken: Path by name, of images that have been named; added to.
    """

    def __init__(self, loader: Any, taken: dict[str, str]) -> None:
        self.dataset = loader.dataset
        self._loader, self._taken = loader, taken

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for data in self._loader:
            path = data['lq_path'][0]
            yield {**data, 'lq_path': [f'{distinct_name(path, self._taken)}.png']}
