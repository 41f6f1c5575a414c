"""The `train` and `val` blocks, which differ by model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, Field

from amsnet_basicsr.options.blocks.base import (
    AboveZero,
    Block,
    Count,
    Flag,
    Fraction,
    Iterations,
    NotNegative,
    Pair,
    Positive,
    SetName,
    Several,
    Text,
    Whole,
    whole_if_equal,
)
from amsnet_basicsr.options.blocks.messages import Finding, Key, Wanted, fields_of, group_in


class Open(Block):
    """A group that a constructor takes: `type` names the class, whose own parameters are its other options."""

    model_config = ConfigDict(extra='allow')

    type: Text
    """Name of the class."""


class Loss(Open):
    """A loss."""

    part = 'loss'

    loss_weight: float = 1
    """Factor of the loss."""


class Optimizer(Open):
    """An optimizer of torch.optim, with its parameters."""

    part = 'optimizer'

    lr: AboveZero = Field(examples=['!!float 1e-4'])
    """Learning rate."""
    weight_decay: NotNegative = 0
    """Weight decay."""
    betas: Pair[Fraction] = (0.9, 0.999)
    """Decay of the averages of gradient and squared gradient."""


class Scheduler(Open):
    """How the learning rate changes."""

    part = 'scheduler'

    type: Literal['CosineAnnealingRestartLR', 'MultiStepLR', 'MultiStepRestartLR']
    """Name of one of BasicSR's schedulers."""
    periods: Several[Iterations] | None = None
    """Iterations of each cosine; they must add up to `total_iter`."""
    restart_weights: Several[float] | None = None
    """Rate at the beginning of each cosine, as a factor of `lr`."""
    eta_min: NotNegative = 0
    """Lowest rate."""
    milestones: Sequence[Count] | None = None
    """Iterations at which the rate is multiplied by `gamma`."""
    gamma: AboveZero = 0.1
    """Factor of the rate at a milestone."""
    restarts: Sequence[Count] | None = None
    """Iterations at which the optimizer begins anew."""


class AnyTraining(Block):
    """What BasicSR itself reads of `train`, whatever the model."""

    model_config = ConfigDict(extra='allow')

    total_iter: Iterations = Field(examples=[20000])
    """Iterations to train."""
    warmup_iter: Annotated[
        int, Ge(-1), BeforeValidator(whole_if_equal), Wanted('a number of iterations, or -1 for none')
    ] = -1
    """Iterations over which the rate rises to `lr`; -1 for none."""


class Training(AnyTraining):
    """What models derived from `SRModel` read."""

    model_config = ConfigDict(extra='forbid')

    ema_decay: Fraction = 0
    """Average the parameters over the iterations; validation and tests use the average. 0 for none."""
    optim_g: Optimizer
    """The optimizer."""
    scheduler: Scheduler
    """How the learning rate changes."""
    on_bad_loss: Literal['stop', 'skip'] = 'stop'
    """What to do at a loss that is NaN or infinite: stop, or skip the batch."""


class OurTraining(Training):
    """What both models of ours read."""

    grad_clip_norm: NotNegative | None = None
    """Largest norm of the gradient."""
    amp: bool | Literal['bf16', 'fp16'] | None = None
    """Run the network in half precision: `bf16` (or `true`) or `fp16`; parameters and losses stay in float32."""
    accumulate: Positive = 1
    """Run the batch in so many parts, one after the other: the same step in less memory."""
    checkpointing: bool | None = None
    """Compute features again instead of keeping them: less memory, more time."""


class AMSNetTraining(OurTraining):
    """`train` of AMSNetModel."""

    mask_opt: Loss = Field(examples=['{type: MaskL1Loss}'])
    """The mask loss: `MaskL1Loss` or `MaskL2Loss`."""
    smooth_opt: Loss | None = None
    """The smoothness loss `SmoothnessLoss`, for fine-tuning (AMSNet-P): all branches are run."""


class APBSNTraining(OurTraining):
    """`train` of APBSNModel."""

    pixel_opt: Loss
    """The loss between restored and noisy image, e.g. `{type: L1Loss}`."""


class SRTraining(Training):
    """`train` of BasicSR's SRModel."""

    tolerant = True

    pixel_opt: Loss | None = None
    """The loss between output and clean image, e.g. `{type: L1Loss}`."""
    perceptual_opt: Loss | None = None
    """A loss between features; it downloads the weights of a VGG network."""

    @classmethod
    def lacking(cls, options: Mapping[str, Any], is_train: bool, where: Key = ()) -> list[Finding]:
        """Find that there is no loss at all."""
        losses = [name for name, field in fields_of(cls).items() if group_in(field.annotation) is Loss]
        if not is_train or any(options.get(key) for key in losses):
            return []
        said = 'train.pixel_opt is missing; SRModel learns by pixel_opt: {type: L1Loss}'
        return [Finding((*where, 'pixel_opt'), said)]


class GANTraining(SRTraining):
    """`train` of BasicSR's SRGANModel and ESRGANModel."""

    gan_opt: Loss | None = None
    """The adversarial loss."""
    ldl_opt: Loss | None = None
    """The LDL loss."""
    optim_d: Optimizer
    """The discriminator's optimizer."""
    net_d_iters: Positive = 1
    """Steps of the discriminator per step of the generator."""
    net_d_init_iters: Whole = 0
    """Steps of the discriminator before the generator's first."""
    net_d_reg_every: Whole | None = None
    """Read by nothing; common in published files."""


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
