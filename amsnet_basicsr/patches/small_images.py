"""`SRModel` leaves no image out of a metric, so that one too small for it makes the mean of the whole set NaN."""

import math

from basicsr.models import sr_model
from basicsr.utils import get_root_logger

from amsnet_basicsr.models.validation.finish import measure


def apply() -> None:
    """Let `SRModel` add up sums that leave such images out."""
    sr_model.calculate_metric = lambda data, opt: MeasuredSum(measure(data, opt), opt['type'])


class MeasuredSum:
    """What `SRModel` adds up over the images and divides by their number: the mean of those that were measured."""

    def __init__(self, value: float, metric: str) -> None:
        self.metric = metric
        self.total, self.measured = (0.0, 0) if math.isnan(value) else (float(value), 1)

    def __radd__(self, nothing: int) -> 'MeasuredSum':
        """Add to the 0 that `SRModel` begins with."""
        return self

    def __iadd__(self, other: 'MeasuredSum') -> 'MeasuredSum':
        """Add another image."""
        self.total += other.total
        self.measured += other.measured
        return self

    def __truediv__(self, images: int) -> float:
        """Return the mean, NaN if no image was measured, and say how many were not."""
        if self.measured < images:
            get_root_logger().warning(
                f'{images - self.measured} of {images} images too small for {self.metric}, left out'
            )
        return self.total / self.measured if self.measured else math.nan
