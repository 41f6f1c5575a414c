"""AMSNet as a BasicSR model: what differs from `SRModel`, and nothing else."""

import sys
from collections import OrderedDict
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import nn

from amsnet_basicsr.models.scheme_options import CommonOptions, SchemeOptions
from amsnet_basicsr.models.validation import ValidationLoop
from amsnet_basicsr.scheme import (
    hide,
    multi_branch_denoise,
    pixel_downsample,
    pixel_upsample,
    random_partition,
    required_multiple,
    same_size_forward,
)


@MODEL_REGISTRY.register()
class AMSNetModel(ValidationLoop, SRModel):
    """Train any denoiser on noisy images alone, by the asymmetric mask scheme.

    With `train.mask_opt` alone this is AMSNet-B: one branch per step (Eq. 4). With `train.smooth_opt` too it is the
    fine-tuning of AMSNet-P: all branches are run, so that the whole image is restored (Eq. 10). "-E" is
    `scheme.refine: {type: R3}`.

    Args:
        opt: BasicSR's options with a `scheme` block (see `SchemeOptions`) and, beyond what `SRModel` reads:
            train.mask_opt: The mask loss, e.g. `{type: MaskL1Loss}`.
            train.smooth_opt: The smoothness loss, e.g. `{type: SmoothnessLoss}`; fine-tuning only.
            train.grad_clip_norm: Largest norm of the gradient; none if left out.
            channels_last: Keep weights and features in channels_last layout, which is faster for convolutions.
    """

    scheme_options: type[CommonOptions] = SchemeOptions
    """What the `scheme` block is read by."""

    def __init__(self, opt: dict[str, Any]) -> None:
        """Read the scheme and build network, losses and optimizer."""
        self.scheme = self.scheme_options.from_options(opt.get('scheme'))
        self.generator = torch.Generator().manual_seed((opt.get('manual_seed') or 0) + opt.get('rank', 0))
        super().__init__(opt)
        net = self.get_bare_model(self.net_g)
        self.size_multiple = self.scheme.size_multiple or required_multiple(net)
        self.scheme.denoiser(net, self.size_multiple)  # what doesn't fit this network is told now, not after training

    def init_training_settings(self) -> None:
        """Build EMA, losses, optimizer and schedulers, by BasicSR where it can."""
        train_opt = self.opt['train']
        if not train_opt.get('mask_opt') or train_opt.get('pixel_opt') or train_opt.get('perceptual_opt'):
            raise ValueError(
                'train: AMSNetModel learns by mask_opt (and smooth_opt) alone, e.g. mask_opt: {type: MaskL1Loss}; '
                'pixel_opt and perceptual_opt need ground truth'
            )
        # SRModel demands a pixel loss: the mask loss takes its place.
        train_opt['pixel_opt'] = train_opt['mask_opt']
        self._init_common_settings()
        self.cri_mask = self.cri_pix
        smooth_opt = train_opt.get('smooth_opt')
        self.cri_smooth = build_loss(smooth_opt).to(self.device) if smooth_opt else None

    def _init_common_settings(self) -> None:
        """Do what doesn't depend on the scheme's losses; `train.pixel_opt` is set."""
        super().init_training_settings()
        self.grad_clip_norm = self.opt['train'].get('grad_clip_norm')
        if hasattr(self, 'net_g_ema'):
            self._set_layout(self.net_g_ema)

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, in the layout that the options ask for."""
        return super().model_to_device(self._set_layout(net))

    def _set_layout(self, net: nn.Module) -> nn.Module:
        return net.to(memory_format=torch.channels_last) if self.opt.get('channels_last') else net

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch; the ground truth of an earlier one is forgotten."""
        self.__dict__.pop('gt', None)
        super().feed_data(data)

    def compute_losses(self, noisy: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """Mask loss of one branch, or mask and smoothness loss of the whole image if `smooth_opt` is given.

        Args:
            noisy: Noisy crops, (N, C, H, W), sides divisible by the train stride.

        Returns:
            Weighted losses: `l_mask`, and `l_smooth` when fine-tuning.
        """
        stride, branches = self.scheme.train_stride, self.scheme.branches
        sub = pixel_downsample(noisy, stride)
        index = random_partition(sub.shape, branches, self.generator, self.scheme.mask_per_channel).to(sub.device)
        losses: OrderedDict[str, torch.Tensor] = OrderedDict()
        if self.cri_smooth is None:
            # The partition treats all branches alike, so training the first is training a random one.
            prediction = self._run_net(hide(sub, index, 0))
            losses['l_mask'] = self.cri_mask(prediction, sub, index == 0)
            return losses
        # One pass for all branches, since DistributedDataParallel wants one forward per backward.
        denoised = pixel_upsample(multi_branch_denoise(self._run_net, sub, index, branches, sys.maxsize), stride)
        losses['l_mask'] = self.cri_mask(denoised, noisy)
        losses['l_smooth'] = self.cri_smooth(denoised)
        return losses

    def _run_net(self, x: torch.Tensor) -> torch.Tensor:
        return same_size_forward(self.net_g, x, self.size_multiple)

    def optimize_parameters(self, current_iter: int) -> None:
        """Do one training step."""
        self.optimizer_g.zero_grad()
        losses = self.compute_losses(self.lq)
        torch.stack(list(losses.values())).sum().backward()
        if self.grad_clip_norm:
            nn.utils.clip_grad_norm_(self.net_g.parameters(), self.grad_clip_norm)
        self.optimizer_g.step()
        self.log_dict = self.reduce_loss_dict(losses)
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Go on from a training state, with other masks and crops than at the start."""
        super().resume_training(resume_state)
        seed = (self.opt.get('manual_seed') or 0) + self.opt.get('rank', 0) + 1_000_003 * resume_state['iter']
        self.generator.manual_seed(seed)
        torch.manual_seed(seed)

    def model_ema(self, decay: float = 0.999) -> None:
        """Update the averaged network, buffers such as BatchNorm statistics included.

        (BasicSR averages the parameters alone: the statistics would stay at their initial values.)
        """
        average, current = self.net_g_ema.state_dict(), self.get_bare_model(self.net_g).state_dict()
        with torch.no_grad():
            for name, value in current.items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1 - decay)
                else:
                    average[name].copy_(value)

    def get_current_log(self) -> OrderedDict[str, Any]:
        """Return the losses and the learning rate, which BasicSR prints but doesn't send to TensorBoard."""
        return OrderedDict(self.log_dict, lr=self.get_current_learning_rate()[0])

    def test_network(self) -> nn.Module:
        """Return the network to denoise with: the averaged one if there is one, else the trained one, unwrapped."""
        return self.net_g_ema if hasattr(self, 'net_g_ema') else self.get_bare_model(self.net_g)

    def test(self) -> None:
        """Denoise `self.lq` into `self.output` by the full scheme (Eq. 8 and the refinement)."""
        self.output = self._in_eval_mode(lambda denoiser: denoiser(self.lq))

    def predict_hidden(self) -> torch.Tensor:
        """Predict every pixel of `self.lq` from others as in training, for `calculate_mask_l1`.

        Returns:
            Predictions at the train stride, (N, C, H, W).
        """
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
