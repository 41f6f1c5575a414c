"""The `val` block."""

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import ConfigDict, Field

from amsnet_basicsr.options.blocks.base import Block, Flag, Iterations, SetName, Text, Whole
from amsnet_basicsr.options.blocks.training import Open


class Metric(Open):
    """A metric: `type` names the function, whose parameters are its other options."""

    part = 'metric'

    better: Literal['higher', 'lower'] = 'higher'
    """Which figure is the better one."""
    crop_border: Whole | None = None
    """Pixels at each border that are left out."""
    test_y_channel: Flag = False
    """Compare the luminance alone."""
    input_order: Literal['HWC', 'CHW'] = 'HWC'
    """Order of the axes; BasicSR passes HWC."""


class SaveBest(Block):
    """Which figure decides on the best parameters."""

    metric: Text
    """One of `val.metrics`."""
    dataset: Text | None = None
    """Name of the set; default: the first that has the metric."""


class AnyValidation(Block):
    """What BasicSR itself reads of `val`, whatever the model."""

    model_config = ConfigDict(extra='allow')

    val_freq: Iterations | None = Field(None, examples=[1000])
    """Iterations between two validations. Training only."""
    save_img: Flag = Field(examples=['false'])
    """Write every denoised image."""
    metrics: dict[str, Metric] | None = None
    """Metrics by the names under which they are logged."""

    needed_in_training = ('val_freq',)


class Validation(AnyValidation):
    """What models derived from `SRModel` read."""

    tolerant = True

    model_config = ConfigDict(extra='forbid')

    suffix: SetName | None = None
    """Ending of the names of written images; `~` takes the experiment's name."""
    pbar: Flag | None = True
    """Show a progress bar."""


class OurValidation(Validation):
    """What our models read."""

    tolerant = False

    batch_size: Annotated[int, Ge(1), Le(10**6)] | None = None
    """Most images of one size that follow each other in one batch of a process. Default: 1 on a CPU, 8 on a GPU."""
    strip: Whole = 1
    """For how many images of each set a strip noisy | denoised | clean is written and sent to TensorBoard."""
    save_best: Text | SaveBest | None = None
    """Name of a metric, or `{metric: …, dataset: …}`: whenever it improves, the networks are saved as
    `net_g_best.pth`."""

    def judge(self) -> SaveBest | None:
        """Return `save_best` in its long form."""
        return SaveBest(metric=self.save_best) if isinstance(self.save_best, str) else self.save_best
