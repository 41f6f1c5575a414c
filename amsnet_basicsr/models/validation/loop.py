"""The validation loop.

BasicSR's own loop (`SRModel.nondist_validation`) has no place for what self-supervised training needs: sets with and
without ground truth side by side, a metric of hidden pixels, figures of the noisy input, strips noisy | denoised |
clean, and the best checkpoint by any metric. It also reads, denoises and measures one after the other, in the first
process alone.
"""

import os.path as osp
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from amsnet_basicsr.data.read_item import read_item
from amsnet_basicsr.models.validation.best import Best, is_better, read_best
from amsnet_basicsr.models.validation.images import (
    Data,
    DenoisedImage,
    FinishedImage,
    Finishing,
    batches_of_one_size,
    finish,
    in_order,
    means,
    name_images,
    write_image,
)
from amsnet_basicsr.models.validation.processes import OtherProcessFailedError, Processes
from amsnet_basicsr.options.blocks.validation import OurValidation, SaveBest
from amsnet_basicsr.resume.checkpoints import CheckpointError
from amsnet_basicsr.utils.errors import UserError
from amsnet_basicsr.utils.parallel import Behind, ordered_map
from amsnet_basicsr.utils.text import name_some

_GPU_BATCH = 8
"""Images in a batch on a GPU, unless the options say."""


class ValidationLoop(SRModel):
    """An `SRModel` that validates by this loop.

    While the network works, the next images are read and the last ones are measured and saved, in threads. The
    processes of a distributed run share the images. The figures are those of one image after the other, whatever the
    batch and the number of processes.

    `OurValidation` has the options.
    """

    def test_network(self) -> nn.Module:
        """Return the network to denoise with."""
        raise NotImplementedError

    def predict_hidden(self) -> torch.Tensor:
        """Predict every pixel of `self.lq` from others, for `calculate_mask_l1`."""
        raise NotImplementedError

    def nondist_validation(
        self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        """Denoise a set in this process, save images, compute and log metrics.

        Args:
            dataloader: Yields `lq`, `lq_path` and, if there is ground truth, `gt`; batch size 1.
            current_iter: The iteration, or the experiment's name when testing.
            tb_logger: TensorBoard's writer, or None.
            save_img: Whether to write every denoised image.

        Raises:
            UserError: If the set is empty, an output isn't finite, or processes find different images.
            OtherProcessFailedError: If another process failed; the message has its reason.
        """
        self._validate(Processes(together=False), dataloader, current_iter, tb_logger, save_img)

    def dist_validation(self, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
        """Do the same in all processes together: each denoises and saves its share, the first logs."""
        self._validate(Processes(together=True), dataloader, current_iter, tb_logger, save_img)

    def _validate(
        self, processes: Processes, dataloader: DataLoader, current_iter: int | str, tb_logger: Any, save_img: bool
    ) -> None:
        dataset: Any = dataloader.dataset
        set_name, val = dataset.opt['name'], OurValidation.read(self.opt['val'], 'val')
        metrics_opt = self.opt['val'].get('metrics') or {}  # BasicSR's own methods read them there
        for metric_opt in metrics_opt.values():
            if metric_opt['type'] == 'calculate_mask_l1':
                metric_opt.setdefault('better', 'lower')
        task = Finishing(
            set_name,
            metrics_opt,
            with_input=set_name not in self._input_reported,
            image_path=partial(self._image_path, set_name, current_iter=current_iter) if save_img else None,
            strips=val.strip,
            write=self._write,
        )
        found: list[FinishedImage] = []
        show = processes.rank == 0 and bool(val.pbar)
        with tqdm(total=len(dataloader), disable=not show, unit='image') as progress:

            def take(image: FinishedImage) -> None:
                if image.strip is not None and processes.rank == 0:
                    self._save_strip(image.strip, set_name, image.name, current_iter, tb_logger)
                found.append(replace(image, strip=None))
                progress.update()

            size = val.batch_size or (1 if self.device.type == 'cpu' else _GPU_BATCH)
            self._denoise_set(processes, dataloader, task, size, take)
        self._report(task, in_order(found), current_iter, tb_logger, val.judge(), logs=processes.rank == 0)

    def _denoise_set(
        self,
        processes: Processes,
        dataloader: DataLoader,
        task: Finishing,
        size: int,
        take: Callable[[FinishedImage], None],
    ) -> None:
        """Denoise a set block by block: a batch of at most `size`, or more if their sizes differ, in each process.

        Between two blocks the processes talk, so that all end when one fails, and give images the same names.
        `take` gets each finished image, those of other processes too.
        """
        taken: dict[str, Hashable] = {}

        def talk(paths: dict[int, str], finished: list[FinishedImage]) -> dict[int, str]:
            messages = processes.exchange((paths, finished))
            for image in in_order(image for _, finished in messages for image in finished):
                take(image)
            return name_images({number: path for paths, _ in messages for number, path in paths.items()}, taken)

        dataset: Any = dataloader.dataset
        try:
            processes.share_buffers(self.test_network())
            processes.check_same(dataset)
            size = min(size, len(dataset))
            what = f'set {dataset.opt["name"]!r}, image'
            numbers = range(processes.rank, len(dataset), processes.count)
            # One thread reads, `size` images ahead: datasets need not be safe for several.
            images = ordered_map(
                lambda number: (number, dataloader.collate_fn([read_item(dataset, number, what)])), numbers, 1, size
            )
            with closing(cast(Any, images)), Behind[FinishedImage](size) as behind:
                for _ in range(0, len(dataset), size * processes.count):
                    block = dict(islice(images, size))
                    names = talk({number: item['lq_path'][0] for number, item in block.items()}, behind.finished())
                    places = list(block)
                    for those, batch in batches_of_one_size(list(block.values())):
                        self.stop_if_asked()
                        self._denoise_batch(batch, {places[at]: names[places[at]] for at in those}, task, behind)
                last = behind.finished(wait=True)
            talk({}, last)
            processes.exchange(None)  # the first has saved the last strips
        except OtherProcessFailedError:
            raise
        except Exception as error:
            processes.tell_failure(error)
            raise

    def _denoise_batch(
        self, batch: Data, names: dict[int, str], task: Finishing, behind: Behind[FinishedImage]
    ) -> None:
        """Denoise images of one size, and hand them over to be finished."""
        self.feed_data(batch)
        self.test()
        visuals = self.get_current_visuals()
        prediction = self.predict_hidden().cpu() if task.looks_at_hidden_pixels else None
        tensors = (visuals['lq'], visuals['result'], visuals.get('gt'), prediction)
        for at, (number, name) in enumerate(names.items()):
            own: Any = (None if tensor is None else tensor[at : at + 1] for tensor in tensors)
            behind.hand_over(finish, DenoisedImage(number, name, batch['lq_path'][at], *own), task)

    def stop_if_asked(self) -> None:
        """Called between two images; a model in training stops here."""

    def _write(self, image: np.ndarray, path: str) -> None:
        """Write an image; in training a failure is logged once."""
        try:
            write_image(image, path)
        except UserError as error:
            if not self.opt['is_train']:
                raise
            if not self.__dict__.setdefault('_write_failed', False):
                self._write_failed = True
                get_root_logger().warning(
                    f'{error}; training continues; further failures of this kind are not reported'
                )

    @property
    def _input_reported(self) -> set[str]:
        return self.__dict__.setdefault('_input_reported_sets', set())

    def _image_path(self, set_name: str, name: str, current_iter: int | str) -> str:
        """Where BasicSR puts it, but under the set's name in training too: sets may share names."""
        folder = self.opt['path']['visualization']
        if self.opt['is_train']:
            return osp.join(folder, set_name, name, f'{name}_{current_iter}.png')
        return osp.join(folder, set_name, f'{name}_{self.opt["val"].get("suffix") or self.opt["name"]}.png')

    def _save_strip(self, strip: np.ndarray, set_name: str, name: str, current_iter: int | str, tb_logger: Any) -> None:
        root = self.opt['path']['visualization']
        self._write(strip, osp.join(root, 'strips', set_name, f'{name}_{current_iter}.png'))
        if tb_logger:
            tb_logger.add_image(f'{set_name}/{name}', strip[..., ::-1].copy(), current_iter, dataformats='HWC')

    def _report(
        self,
        task: Finishing,
        found: Sequence[FinishedImage],
        current_iter: int | str,
        tb_logger: Any,
        choice: SaveBest | None,
        logs: bool,
    ) -> None:
        """Keep means and bests by BasicSR's own methods; log them, and keep the best networks, in the first process."""
        set_name, logger = task.set_name, get_root_logger()
        figures = means(image.figures for image in found)
        input_figures = means(image.input_figures for image in found)
        if task.with_input and logs:
            if input_figures:
                values = ', '.join(f'{metric} {value:.4f}' for metric, value in input_figures.items())
                logger.info(f'Validation {set_name}: the noisy input has {values}')
            too_small = {
                metric: [image.name for image in found if metric in image.too_small] for metric in task.metrics
            }
            for metric, names in too_small.items():
                if names:
                    logger.warning(f'Validation {set_name}: too small for {metric}, left out of it: {name_some(names)}')
            without = [metric for metric in task.metrics if metric not in figures and not too_small[metric]]
            if without:
                logger.info(f'Validation {set_name}: no ground truth, so no {", ".join(without)}')
        self._input_reported.add(set_name)
        if not figures:
            return
        self.metric_results = figures
        self._initialize_best_metric_results(set_name)
        for metric, value in figures.items():
            self._update_best_metric_result(set_name, metric, value, current_iter)
        if not logs:
            return
        self._log_validation_metric_values(current_iter, set_name, tb_logger)
        if self.opt['is_train'] and choice is not None:
            self._save_best(choice, set_name, current_iter)

    def _save_best(self, choice: SaveBest, set_name: str, current_iter: int | str) -> None:
        """Save the networks if the chosen metric is the best so far."""
        metric, logger = choice.metric, get_root_logger()
        path = Path(self.opt['path']['models'], 'net_g_best.json')
        best = read_best(path, logger.warning)
        if best and (best.metric != metric or best.dataset != (choice.dataset or best.dataset)):
            best = None  # another choice than before
        # Without a named set, the first that has the metric decides.
        judge = choice.dataset or (best.dataset if best else set_name)
        if metric not in self.metric_results or set_name != judge:
            return
        value = self.metric_results[metric]
        if not is_better(value, self.best_metric_results[set_name][metric]['better'] == 'lower', best):
            return
        networks = [self.net_g] + ([self.net_g_ema] if hasattr(self, 'net_g_ema') else [])
        try:
            self.save_network(networks, 'net_g', 'best', ['params', 'params_ema'][: len(networks)])
            Best(metric, set_name, value, current_iter).write(path)
        except (CheckpointError, OSError) as error:
            logger.error(f'The best networks could not be saved: {error}')
            return
        logger.info(f'Saved net_g_best.pth: {metric} {value:.4f} on {set_name}')
