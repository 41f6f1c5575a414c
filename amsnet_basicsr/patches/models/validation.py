"""`SRModel` writes results of equal names over each other, and one image too small for a metric makes its mean NaN."""

from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger

from amsnet_basicsr.models.validation.loop import ValidationLoop
from amsnet_basicsr.options.blocks.training import OurValidation
from amsnet_basicsr.patches.models.nan_checks import FiniteResults
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class ValidatedSRModel(ValidationLoop):
    """An `SRModel` that validates by our loop as by BasicSR's: one image at a time, in the first process."""

    folder_of_set = False
    dist_validation = SRModel.dist_validation

    def validation_settings(self) -> OurValidation:
        """Take what BasicSR reads of the `val` block."""
        pbar = bool(self.opt['val'].get('pbar'))
        return OurValidation.read({'save_img': False, 'pbar': pbar, 'batch_size': 1, 'strip': 0}, 'val')


class OwnValidation(FiniteResults):
    """Comes before an `SRModel` with a loop of its own: a full disk ends no training, and errors name the image."""

    def nondist_validation(self, *args: Any, **kwargs: Any) -> None:
        """Validate by the model's loop."""
        try:
            super().nondist_validation(*args, **kwargs)
        except AssertionError as error:  # of a metric: result and clean image are of unequal size
            raise UserError(f'{", ".join(self.batch_names)}: {one_line(error)}') from error
        except OSError as error:
            if not self.opt['is_train']:
                raise UserError(str(error)) from error
            get_root_logger().warning(f'Validation stopped: {error}; training continues')
