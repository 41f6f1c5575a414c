"""Validation of `SRModel`: results of equal file names overwrite each other, and errors do not name the image."""

from collections.abc import Iterator
from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.models.validation.images import distinct_name
from amsnet_basicsr.patches.models.nan_checks import FiniteLosses
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class DistinctResults(FiniteLosses, SRModel):
    """Gives each result a file of its own, and names the image in errors."""

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
            get_root_logger().warning(f'Validation stopped: {error}; training continues')


class _DistinctNames:
    """A loader of batches of one whose images have distinct names; `taken` holds paths by name and is added to."""

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
