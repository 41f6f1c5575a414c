"""The validation loop.

BasicSR's own loop (SRModel.nondist_validation) is replaced rather than patched because noisy-only work needs what it
has no place for: sets with and without ground truth side by side, a metric that looks at hidden pixels, figures for the
noisy input to compare with, pictures noisy | denoised | clean, and the best checkpoint by any metric. It also writes
images of equal names over each other, and NaN as black.
"""

import inspect
import json
import os.path as osp
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger, imwrite, tensor2img
from basicsr.utils.registry import METRIC_REGISTRY
from torch.utils.data import DataLoader
from tqdm import tqdm

from amsnet_basicsr.models.image_names import distinct_name
from amsnet_basicsr.resume.saving import CheckpointError
from amsnet_basicsr.whole_file import whole_file


class ValidationLoop:
    """Mixin for models that derive from `SRModel`: validates on one set.

    Options under `val`, beyond BasicSR's `val_freq`, `save_img`, `suffix`, `pbar` and `metrics`:
        strip: For how many images of each set a strip noisy | denoised | clean is written and sent to TensorBoard.
            Default: 1.
        save_best: Name of a metric, or `{metric: …, dataset: …}`: whenever it improves on that set (default: the
            first that has it), the networks are saved as `net_g_best.pth`.
    """

    def nondist_validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        """Denoise a set, save pictures, compute and log metrics.

        Args:
            dataloader: Yields `lq`, `lq_path` and, if there is ground truth, `gt`; batch size 1.
            current_iter: The iteration, or the experiment's name when testing.
            tb_logger: TensorBoard's writer, or None.
            save_img: Whether to write every denoised image.

        Raises:
            ValueError: If the set is empty, or an output isn't finite.
        """
        set_name = dataloader.dataset.opt['name']
        if len(dataloader) == 0:
            raise ValueError(f'validation set {set_name!r} holds no image')
        metrics_opt = self.opt['val'].get('metrics') or {}
        for metric_opt in metrics_opt.values():
            if metric_opt['type'] == 'calculate_mask_l1':
                metric_opt.setdefault('better', 'lower')
        results: dict[str, list[float]] = {}
        input_results: dict[str, list[float]] = {}
        names: dict[str, Hashable] = {}
        for number, data in enumerate(tqdm(dataloader, disable=not self.opt['val'].get('pbar', False), unit='image')):
            self.stop_if_asked()
            name = distinct_name(data['lq_path'][0], names, owner=number)
            self.feed_data(data)
            self.test()
            if not torch.isfinite(self.output).all():
                raise ValueError(f'the network returns NaN or infinite values for {name} of {set_name!r}: not saved')
            visuals = self.get_current_visuals()
            noisy, denoised, clean = (
                tensor2img(visuals[key].clone()) if key in visuals else None for key in ('lq', 'result', 'gt')
            )
            available: dict[str, Any] = {'img': denoised}
            if clean is not None:
                available['img2'] = clean
            if any(metric_opt['type'] == 'calculate_mask_l1' for metric_opt in metrics_opt.values()):
                available.update(noisy=self.lq, prediction=self.predict_hidden())
            for metric, metric_opt in metrics_opt.items():
                if _required(metric_opt) - set(available):
                    continue
                results.setdefault(metric, []).append(calculate_metric(available, metric_opt))
                if clean is not None and set_name not in self._input_reported and 'img2' in _required(metric_opt):
                    value = calculate_metric({'img': noisy, 'img2': clean}, metric_opt)
                    input_results.setdefault(metric, []).append(value)
            if save_img:
                imwrite(denoised, self._picture_path(set_name, name, current_iter))
            if number < self.opt['val'].get('strip', 1):
                self._save_strip([noisy, denoised, clean], set_name, name, current_iter, tb_logger)
        self._report(set_name, metrics_opt, results, input_results, current_iter, tb_logger)

    def stop_if_asked(self) -> None:
        """A training run puts its own in this place, to stop between two images."""

    @property
    def _input_reported(self) -> set[str]:
        return self.__dict__.setdefault('_input_reported_sets', set())

    def _picture_path(self, set_name: str, name: str, current_iter: int | str) -> str:
        """Where BasicSR puts it, but under the set's name in training too: sets may share names."""
        folder = self.opt['path']['visualization']
        if self.opt['is_train']:
            return osp.join(folder, set_name, name, f'{name}_{current_iter}.png')
        return osp.join(folder, set_name, f'{name}_{self.opt["val"].get("suffix") or self.opt["name"]}.png')

    def _save_strip(
        self, pictures: list[np.ndarray | None], set_name: str, name: str, current_iter: int | str, tb_logger: Any
    ) -> None:
        strip = picture_strip([picture for picture in pictures if picture is not None])
        imwrite(strip, osp.join(self.opt['path']['visualization'], 'strips', set_name, f'{name}_{current_iter}.png'))
        if tb_logger:
            tb_logger.add_image(f'{set_name}/{name}', strip[..., ::-1].copy(), current_iter, dataformats='HWC')

    def _report(
        self,
        set_name: str,
        metrics_opt: dict[str, Any],
        results: dict[str, list[float]],
        input_results: dict[str, list[float]],
        current_iter: int | str,
        tb_logger: Any,
    ) -> None:
        """Log means and bests by BasicSR's own methods, and keep the best networks."""
        logger = get_root_logger()
        if input_results:
            figures = ', '.join(f'{metric} {np.mean(values):.4f}' for metric, values in input_results.items())
            logger.info(f'Validation {set_name}: the noisy input has {figures}')
        left_out = [metric for metric in metrics_opt if metric not in results]
        if left_out and set_name not in self._input_reported:
            logger.info(f'Validation {set_name}: no ground truth, so no {", ".join(left_out)}')
        self._input_reported.add(set_name)
        if not results:
            return
        self.metric_results = {metric: float(np.mean(values)) for metric, values in results.items()}
        self._initialize_best_metric_results(set_name)
        for metric, value in self.metric_results.items():
            self._update_best_metric_result(set_name, metric, value, current_iter)
        self._log_validation_metric_values(current_iter, set_name, tb_logger)
        if self.opt['is_train']:
            self._save_best(set_name, current_iter)

    def _save_best(self, set_name: str, current_iter: int | str) -> None:
        """Save the networks if the chosen metric is the best so far; the record beside them outlives a restart."""
        choice = self.opt['val'].get('save_best')
        if not choice:
            return
        choice = {'metric': choice} if isinstance(choice, str) else choice
        metric = choice['metric']
        record_path = osp.join(self.opt['path']['models'], 'net_g_best.json')
        record = None
        if osp.isfile(record_path):
            with open(record_path, encoding='utf-8') as file:
                record = json.load(file)
            if record['metric'] != metric or record['dataset'] != choice.get('dataset', record['dataset']):
                record = None  # another choice than before
        # Without a named set, the first that has the metric decides.
        judge = choice.get('dataset') or (record['dataset'] if record else set_name)
        if metric not in self.metric_results or set_name != judge:
            return
        value = self.metric_results[metric]
        sign = -1 if self.best_metric_results[set_name][metric]['better'] == 'lower' else 1
        if record is not None and sign * value <= sign * record['value']:
            return
        networks = [self.net_g] + ([self.net_g_ema] if hasattr(self, 'net_g_ema') else [])
        best = {'metric': metric, 'dataset': set_name, 'value': value, 'iteration': current_iter}
        try:
            self.save_network(networks, 'net_g', 'best', ['params', 'params_ema'][: len(networks)])
            with whole_file(Path(record_path), sync=True) as file:
                file.write(json.dumps(best).encode())
        except (CheckpointError, OSError) as error:
            get_root_logger().error(f'The best networks could not be saved: {error}')
            return
        get_root_logger().info(f'Saved net_g_best.pth: {metric} {value:.4f} on {set_name}')


def picture_strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Put pictures side by side with a thin white line between them.

    Args:
        pictures: Images of one size, (H, W, 3), uint8.

    Returns:
        The strip, (H, n·W + 4·(n − 1), 3), uint8.
    """
    line = np.full((pictures[0].shape[0], 4, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (line, picture)][1:]
    return np.concatenate(parts, axis=1)


def _required(metric_opt: dict[str, Any]) -> set[str]:
    """Names of the data, of those that not every set has, that a metric cannot do without."""
    parameters = inspect.signature(METRIC_REGISTRY.get(metric_opt['type'])).parameters
    return {
        name
        for name in ('img2', 'noisy', 'prediction')
        if name in parameters and parameters[name].default is inspect.Parameter.empty
    }
