"""`SRModel` writes results of equal names over each other, and one image too small for a metric makes its mean NaN."""

from basicsr.models.sr_model import SRModel

from amsnet_basicsr.models.validation.loop import ValidationLoop
from amsnet_basicsr.options.blocks.training import OurValidation


class ValidatedSRModel(ValidationLoop):
    """An `SRModel` that validates by our loop as by BasicSR's: one image at a time, in the first process."""

    folder_of_set = False
    dist_validation = SRModel.dist_validation

    def validation_settings(self) -> OurValidation:
        """Take what BasicSR reads of the `val` block."""
        pbar = bool(self.opt['val'].get('pbar'))
        return OurValidation.read({'save_img': False, 'pbar': pbar, 'batch_size': 1, 'strip': 0}, 'val')
