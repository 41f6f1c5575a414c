"""What BasicSR lacks on current PyTorch, on the CPU, or beside a plugin: one small guarded patch each.

Written and tested for PyPI's basicsr 1.4.2; each patch looks whether it is needed, so that later versions are left as
they are. Nothing happens on import.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any


def prepare_import() -> None:
    """Make BasicSR importable: needed before its first import."""
    alias_functional_tensor()


def apply() -> None:
    """Apply every patch that needs BasicSR to be imported; a second call changes nothing."""
    from amsnet_basicsr.patches.safe_load import explain_load_network
    from amsnet_basicsr.patches.separable_ssim import separate_ssim
    from amsnet_basicsr.patches.sr_validation import guard_validation

    offer_all_optimizers()
    go_on_exactly()
    save_whole()
    run_several_processes()
    share_lmdb_environments()
    explain_load_network()
    guard_validation()
    separate_ssim()


def alias_functional_tensor() -> None:
    """Torchvision ≥ 0.17 has no `transforms.functional_tensor`, from which BasicSR 1.4.2 imports one function."""
    name = 'torchvision.transforms.functional_tensor'
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(name, 'Alias for BasicSR 1.4.2.')
    module.rgb_to_grayscale = rgb_to_grayscale
    sys.modules[name] = module


def offer_all_optimizers() -> None:
    """BasicSR 1.4.2 knows no optimizer but Adam: let `optim_g: {type: …}` name any of torch.optim."""
    import torch
    from basicsr.models.base_model import BaseModel

    original = BaseModel.get_optimizer
    if getattr(original, '_amsnet', False):
        return

    def get_optimizer(self: Any, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        if optim_type in ('Adam', 'AdamW') and not {'fused', 'foreach'} & kwargs.keys():
            kwargs['fused'] = True  # one kernel for all weights instead of several for each
        try:
            return original(self, optim_type, params, lr, **kwargs)
        except NotImplementedError:
            optimizer = getattr(torch.optim, optim_type, None)
            if not (isinstance(optimizer, type) and issubclass(optimizer, torch.optim.Optimizer)):
                raise ValueError(f'train.optim_g: torch.optim has no optimizer {optim_type!r}') from None
            return optimizer(params, lr=lr, **kwargs)

    get_optimizer._amsnet = True
    BaseModel.get_optimizer = get_optimizer


def go_on_exactly() -> None:
    """BasicSR resumes on CUDA only, outside the current folder not at all, and with other data than without the stop.

    Its `train.py` may be the program itself: then the module is `__main__`, and this runs while it reads its options.
    """
    import basicsr.train
    from amsnet_basicsr.resume.training_run import TrainingRun
    from amsnet_basicsr.utils.stop_signal import Interruption

    for module in (basicsr.train, sys.modules.get('__main__')):
        if hasattr(module, 'train_pipeline') and hasattr(module, 'create_train_val_dataloader'):
            TrainingRun(Interruption()).attach(module)


def save_whole() -> None:
    """BasicSR writes checkpoints in place: a kill leaves a torn one, a full disk none but a warning."""
    from basicsr.models.base_model import BaseModel

    from amsnet_basicsr.resume.checkpoints import save_network, save_training_state

    BaseModel.save_network, BaseModel.save_training_state = save_network, save_training_state


def run_several_processes() -> None:
    """BasicSR joins processes on CUDA only, and its own models don't know the option `channels_last`."""
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import dist_util

    from amsnet_basicsr.utils.distributed import join_processes, place_network

    dist_util._init_dist_pytorch = join_processes
    BaseModel.model_to_device = place_network


def share_lmdb_environments() -> None:
    """Lmdb ≥ 2 refuses to open one path twice in a process: let BasicSR's datasets share our environments."""
    from basicsr.utils.file_client import FileClient, LmdbBackend

    from amsnet_basicsr.data.lmdb_env import SharedLmdb

    if FileClient._backends['lmdb'] is not LmdbBackend:
        return

    class SharedLmdbBackend(LmdbBackend):
        """BasicSR's backend with environments that datasets share and that survive a fork."""

        def __init__(self, db_paths: str | list[str], client_keys: str | list[str] = 'default', **_: Any) -> None:
            self.db_paths = [db_paths] if isinstance(db_paths, str) else list(db_paths)
            keys = [client_keys] if isinstance(client_keys, str) else list(client_keys)
            self._client = dict(zip(keys, map(SharedLmdb, self.db_paths), strict=True))

        def get(self, filepath: str, client_key: str) -> bytes:
            return self._client[client_key].get(str(filepath))

    FileClient._backends['lmdb'] = SharedLmdbBackend
