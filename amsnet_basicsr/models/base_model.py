"""What BasicSR's `BaseModel` lacks, as a mixin that comes before it and after the model's own class.

So what a model overrides itself stays in force: `class Model(SRModel, ExtendedBaseModel)`.
"""

from pathlib import Path
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import nn
from torch.nn.parallel import DataParallel

from amsnet_basicsr.resume.checkpoints import CheckpointError, network_content, training_state, write_checkpoint
from amsnet_basicsr.resume.states import add_checkpoint
from amsnet_basicsr.utils.distributed import average_gradients
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.text import one_line


class ExtendedBaseModel(BaseModel):
    """`BaseModel` with any optimizer and device, and with checkpoints that appear whole or not at all."""

    run: Any = None
    """The `TrainingRun` that the model is trained in, if any."""

    def get_optimizer(self, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        """Build any optimizer of `torch.optim`."""
        if optim_type in ('Adam', 'AdamW') and not {'fused', 'foreach'} & kwargs.keys():
            kwargs['fused'] = True  # one kernel for all parameters instead of several for each
        if self.device.type == 'cpu':
            kwargs.pop('capturable', None)  # for CUDA graphs; PyTorch refuses the first step on a CPU
        found = getattr(torch.optim, optim_type, None)
        if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
            raise ValueError(f'train.optim_g: torch.optim has no optimizer {optim_type!r}')
        return found(params, lr=lr, **kwargs)  # type: ignore[call-arg]

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Put a network on its device in the layout asked for; wrap it for several processes, CPUs included, or GPUs.

        Reads the options `dist`, `num_gpu`, `find_unused_parameters`, `channels_last` and `compile`.
        """
        net = net.to(self.device)
        if self.opt.get('channels_last'):
            net = net.to(memory_format=torch.channels_last)
        several = self.opt['num_gpu'] > 1 and not self.opt['dist']
        if several:
            get_root_logger().warning(
                f'{self.opt["num_gpu"]} GPUs in one process: slower than a process for each (torchrun '
                f'--nproc_per_node={self.opt["num_gpu"]} … --launcher pytorch)'
                f'{", and the network is not compiled" if self.opt.get("compile") else ""}'
            )
        elif self.opt.get('compile'):
            net.compile()  # in place, so that the parameters keep their names
        if self.opt['dist']:
            devices = [torch.cuda.current_device()] if self.device.type == 'cuda' else None
            return average_gradients(net, devices, self.opt.get('find_unused_parameters', False))
        return DataParallel(net) if several else net

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = 'params'
    ) -> None:
        """Load weights by BasicSR; raise a `UserError` of one line for whatever is wrong with the file."""
        try:
            super().load_network(net, load_path, strict, param_key)
        except Exception as error:
            from amsnet_basicsr.convert.basicsr_files import weights_problem

            if problem := weights_problem(load_path, param_key):
                raise UserError(problem) from None
            if not isinstance(error, RuntimeError):
                raise
            # PyTorch lists every key; the first line that names one is enough.
            lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
            raise UserError(
                f'{load_path} does not fit {type(self.get_bare_model(net)).__name__} as network_g describes it: '
                f'{one_line(lines[0])}'
            ) from None

    @master_only
    def save_network(
        self,
        net: nn.Module | list[nn.Module],
        net_label: str,
        current_iter: int | str,
        param_key: str | list[str] = 'params',
    ) -> None:
        """Write what BasicSR writes, and what it was made with, in one piece; iteration -1 is called `latest`."""
        networks = [self.get_bare_model(network) for network in (net if isinstance(net, list) else [net])]
        content: dict[str, Any] = network_content(networks, param_key if isinstance(param_key, list) else [param_key])
        if self.run is not None:
            made_with = {'iteration': current_iter, 'manual_seed': self.opt.get('manual_seed')}
            content['made_with'] = made_with | self.run.made_with
        name = f'{net_label}_{"latest" if current_iter == -1 else current_iter}.pth'
        write_checkpoint(content, Path(self.opt['path']['models']) / name)

    @master_only
    def save_training_state(self, epoch: int, current_iter: int) -> None:
        """Write what BasicSR writes and what resuming exactly needs, in one piece; nothing at iteration -1."""
        if current_iter != -1:
            content = training_state(self, epoch, current_iter)
            path = Path(self.opt['path']['training_states']) / f'{current_iter}.state'
            write_checkpoint(content, path)
            try:
                add_checkpoint(path, Path(self.opt['path']['models']).glob(f'*_{current_iter}.pth'))
            except OSError as error:
                raise CheckpointError(f'{path.parent}: {error}') from error
