"""AMSNet as a BasicSR model: what differs from `SRModel`, and nothing else."""

import sys
from collections import OrderedDict
from contextlib import nullcontext
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

from amsnet_basicsr.archs.layers.checkpoint_blocks import checkpoint_blocks
from amsnet_basicsr.models.amp import AMP_TYPES, Precision, batch_parts, part_weights
from amsnet_basicsr.models.base_model import ExtendedBaseModel
from amsnet_basicsr.models.nan_guard import LossGuard
from amsnet_basicsr.models.validation.loop import ValidationLoop
from amsnet_basicsr.options.blocks import CommonOptions, SchemeOptions
from amsnet_basicsr.options.blocks.training import AMSNetTraining, OurTraining
from amsnet_basicsr.scheme import (
    channels_and_multiple,
    hide,
    image_channels,
    multi_branch_denoise,
    pixel_downsample,
    pixel_upsample,
    random_partition,
    same_size_forward,
)
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.seeding import mixed_seed

_GPU_PIXELS = 2**18
"""Most pixels in one pass of the network while denoising on a GPU, unless the options say; fewer leave it idle."""


@MODEL_REGISTRY.register()
class AMSNetModel(ValidationLoop, ExtendedBaseModel):
    """Train any denoiser on noisy images alone, by the asymmetric mask scheme.

    With `train.mask_opt` alone this is AMSNet-B: one branch per step (Eq. 4). With `train.smooth_opt` too it is the
    fine-tuning of AMSNet-P: all branches are run, so that the whole image is restored (Eq. 10). "-E" is
    `scheme.refine: {type: R3}`.

    Args:
        opt: BasicSR's options with a `scheme` block (`SchemeOptions`), a `train` block of `AMSNetTraining` and a `val`
            block of `OurValidation`. `compile` and `channels_last` are read by `ExtendedBaseModel`.
    """

    scheme_options: type[CommonOptions] = SchemeOptions
    """What the `scheme` block is read by."""
    training_options: type[OurTraining] = AMSNetTraining
    """What the `train` block is read by."""

    def __init__(self, opt: dict[str, Any]) -> None:
        """Read the scheme and build network, losses and optimizer."""
        self.scheme: Any = self.scheme_options.read(opt.get('scheme'), 'scheme')
        self.generator = torch.Generator()
        self.batch_names: list[str] = []
        super().__init__(opt)
        net = self.get_bare_model(self.net_g)
        given = self.scheme.size_multiple
        self.channels, self.size_multiple = (image_channels(net), given) if given else channels_and_multiple(net)
        if self.device.type == 'cuda' and 'max_pixels' not in self.scheme.model_fields_set:
            self.scheme = self.scheme.model_copy(update={'max_pixels': _GPU_PIXELS})
        # Settings that do not fit this network fail now, not after training.
        self.scheme.denoiser(net, self.size_multiple)

    def init_training_settings(self) -> None:
        """Build EMA, losses, optimizer and schedulers, by BasicSR where it can."""
        train = self.opt['train']
        settings = self.training_options.read(train, 'train')
        # SRModel demands a pixel loss: the mask loss takes its place.
        train['pixel_opt'] = train.get('pixel_opt') or train['mask_opt']
        super().init_training_settings()
        self.cri_mask = self.cri_pix
        self.cri_smooth = build_loss(train['smooth_opt']).to(self.device) if train.get('smooth_opt') else None
        self.log_dict: OrderedDict[str, torch.Tensor] = OrderedDict()
        self.grad_clip_norm, self.accumulate = settings.grad_clip_norm, settings.accumulate
        self.precision = Precision(AMP_TYPES[settings.amp], self.device)
        self.loss_guard = LossGuard(settings.on_bad_loss, get_root_logger().warning)
        if settings.checkpointing:
            checkpoint_blocks(self.get_bare_model(self.net_g))
        if hasattr(self, 'net_g_ema') and self.opt.get('channels_last'):
            self.net_g_ema.to(memory_format=torch.channels_last)

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch; drop the ground truth of an earlier one."""
        self.__dict__.pop('gt', None)
        self.batch_names = list(data.get('lq_path') or ())
        super().feed_data(data)
        if self.lq.shape[1] != self.channels:
            raise UserError(
                f'{", ".join(self.batch_names)}: images of {self.lq.shape[1]} channels, and the network takes '
                f'{self.channels}; give the data sets channels: {self.channels}'
            )

    def compute_losses(self, noisy: torch.Tensor, index: torch.Tensor | None = None) -> OrderedDict[str, torch.Tensor]:
        """Mask loss of one branch, or mask and smoothness loss of the whole image if `smooth_opt` is given.

        Args:
            noisy: Noisy crops, (N, C, H, W), sides divisible by the train stride.
            index: Branch index per pixel of each sub-image, (N, s², 1 or C, H/s, W/s); drawn if left out.

        Returns:
            Weighted losses: `l_mask`, and `l_smooth` when fine-tuning.
        """
        stride, branches = self.scheme.train_stride, self.scheme.branches
        index = self.draw_masks(noisy) if index is None else index
        assert index is not None
        sub, index = pixel_downsample(noisy, stride), index.flatten(0, 1)
        if self.cri_smooth is None:
            # The partition treats all branches alike, so training the first is training a random one.
            prediction = self._run_net(hide(sub, index, 0))
            return OrderedDict(l_mask=self.cri_mask(prediction, sub, index == 0))
        # One pass for all branches, since DistributedDataParallel wants one forward per backward.
        denoised = pixel_upsample(multi_branch_denoise(self._run_net, sub, index, branches, sys.maxsize), stride)
        return OrderedDict(l_mask=self.cri_mask(denoised, noisy), l_smooth=self.cri_smooth(denoised))

    def draw_masks(self, noisy: torch.Tensor) -> torch.Tensor | None:
        """Draw the masks of all processes and keep one's own, so that several see the masks that one would see.

        They are the branch index per pixel of each sub-image, (N, s², 1 or C, H/s, W/s).
        """
        (images, channels, height, width), stride = noisy.shape, self.scheme.train_stride
        processes, rank = self.opt.get('world_size', 1), self.opt.get('rank', 0)
        everyone = (images * processes * stride**2, channels, height // stride, width // stride)
        index = random_partition(everyone, self.scheme.branches, self.generator, self.scheme.mask_per_channel)
        return index.unflatten(0, (images * processes, -1))[rank::processes].to(noisy.device)

    def part_shares(self, parts: list[slice], index: torch.Tensor | None) -> torch.Tensor:
        """Factors, (parts,), by which the losses of a batch's parts add up to those of the batch.

        The mask loss is a mean over the hidden pixels, other losses over whole images; `index` is from `draw_masks`.
        """
        if index is None or self.cri_smooth is not None:
            return part_weights(torch.tensor([part.stop - part.start for part in parts], device=self.device))
        counts = torch.stack([(index[part] == 0).sum() for part in parts])
        if self.opt['dist']:
            torch.distributed.all_reduce(counts)
        return part_weights(counts)

    def _run_net(self, x: torch.Tensor) -> torch.Tensor:
        return self.precision.run(lambda padded: same_size_forward(self.net_g, padded, self.size_multiple), x)

    def optimize_parameters(self, current_iter: int) -> None:
        """Do one training step; its masks depend on the seed and the iteration alone."""
        self.generator.manual_seed(mixed_seed(self.opt.get('manual_seed') or 0, current_iter))
        self.optimizer_g.zero_grad()
        index, lr = self.draw_masks(self.lq), self.get_current_learning_rate()[0]
        parts = batch_parts(len(self.lq), self.accumulate)
        total: OrderedDict[str, torch.Tensor] = OrderedDict()
        for part, share in zip(parts, self.part_shares(parts, index), strict=True):
            # Several processes exchange their gradients once a step, with the last part of the batch.
            alone = self.opt['dist'] and part is not parts[-1]
            with self.net_g.no_sync() if alone else nullcontext():
                losses = self.compute_losses(self.lq[part], None if index is None else index[part])
                losses = OrderedDict((name, loss * share) for name, loss in losses.items())
                if not self.loss_guard.check(losses, current_iter, lr, self.batch_names[part]):
                    return
                self.precision.backward(torch.stack(list(losses.values())).sum())
            for name, loss in losses.items():
                total[name] = total.get(name, 0) + loss.detach()
        self.precision.step(self.optimizer_g, self.net_g.parameters(), self.grad_clip_norm)
        self.log_dict = total
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

    def extra_state(self) -> dict[str, Any]:
        """What a training state keeps beyond optimizers and schedulers: the scale of fp16."""
        return self.precision.state_dict()

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Restore `extra_state`."""
        self.precision.load_state_dict(state)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save networks and training state, unless the last loss was NaN or infinite."""
        self.loss_guard.flush()
        super().save(epoch, current_iter)

    def model_ema(self, decay: float = 0.999) -> None:
        """Update the averaged network, buffers such as BatchNorm statistics included.

        (BasicSR averages the parameters alone: the statistics would stay at their initial values.)
        """
        average, current = self.net_g_ema.state_dict(), self.get_bare_model(self.net_g).state_dict()
        moving = [name for name, value in current.items() if value.is_floating_point()]
        with torch.no_grad():
            # All at once: on a GPU the calls take longer than the work.
            torch._foreach_lerp_([average[name] for name in moving], [current[name] for name in moving], 1 - decay)
            for name in current.keys() - set(moving):
                average[name].copy_(current[name])

    def get_current_log(self) -> OrderedDict[str, Any]:
        """Return the losses and the learning rate, which BasicSR prints but doesn't send to TensorBoard.

        The losses are fetched here, where they are printed: at every step, a GPU would wait for it.
        """
        losses = self.reduce_loss_dict(self.log_dict) if self.log_dict else {}
        return OrderedDict(losses, lr=self.get_current_learning_rate()[0])

    def test(self) -> None:
        """Denoise `self.lq` into `self.output` by the full scheme (Eq. 8 and the refinement)."""
        self.output = self._in_eval_mode(lambda denoiser: denoiser(self.lq))

    def predict_hidden(self) -> torch.Tensor:
        """Predict every pixel of `self.lq` from others as in training, for `calculate_mask_l1`."""
        stride = self.scheme.train_stride
        generator = torch.Generator().manual_seed(self.scheme.seed)

        def predict(denoiser: Any) -> torch.Tensor:
            index = denoiser.draw_partition(self.lq.shape, stride, generator)
            return denoiser.denoise_once(self.lq, stride, index)

        return self._in_eval_mode(predict)

    @torch.no_grad()
    def _in_eval_mode(self, run: Any) -> torch.Tensor:
        net = self.test_network()
        training = net.training
        net.eval()
        try:
            return run(self.scheme.denoiser(net, self.size_multiple))
        finally:
            net.train(training)
