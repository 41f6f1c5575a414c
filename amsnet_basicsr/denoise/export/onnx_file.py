"""A denoising network as an ONNX file that takes images of any size. Needs the packages onnx and onnxruntime."""

import io
import warnings
from collections.abc import Mapping

import torch
from torch import nn

from amsnet_basicsr.scheme import same_size_forward
from amsnet_basicsr.utils.text import first_line

INPUT, OUTPUT = 'noisy', 'denoised'
"""Names of the graph's input and output, (N, C, H, W) float32 in [0, 1], RGB or grey."""
OPSETS = range(13, 21)
"""Versions of the ONNX operators that can be written."""
CHECKED_SIZES = ((1, 64, 64), (2, 37, 53), (1, 131, 70), (1, 5, 90))
"""Images, height and width at which a file is compared with PyTorch; none is the traced size."""
TOLERANCE = 1e-4
"""Largest difference from PyTorch that is accepted."""


class ExportError(RuntimeError):
    """A network can't be exported, or its file doesn't do what the network does; one line says why."""


class AnySize(nn.Module):
    """A network that pads, crops and clamps within, without a branch, so that a trace of it holds for every size.

    The padding is that of `amsnet_basicsr.scheme.pad_to_multiple`: reflection, or repetition of the border where the
    image is too small to reflect that far.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W) if H and W are divisible by `multiple`; in evaluation mode, float32, on
            the CPU.
        channels: Its number C of image channels.
        multiple: Its size multiple.
    """

    def __init__(self, net: nn.Module, channels: int = 3, multiple: int = 1) -> None:
        super().__init__()
        self.net = net
        self.channels = channels
        self.multiple = multiple

    def forward(self, noisy: torch.Tensor) -> torch.Tensor:
        """Denoise images (N, C, H, W) in [0, 1]; same shape and range out."""
        h, w = noisy.shape[-2:]
        x = noisy
        if self.multiple > 1:
            rows, columns = (torch.arange(self._padded(length), device=x.device) for length in (h, w))
            # Beyond the border: 2 (length − 1) − i mirrors at the last pixel.
            mirrored = [torch.where(i < length, i, 2 * (length - 1) - i) for i, length in ((rows, h), (columns, w))]
            small = torch.minimum(mirrored[0].min(), mirrored[1].min()) < 0
            rows = torch.where(small, rows.clamp(max=h - 1), mirrored[0])
            columns = torch.where(small, columns.clamp(max=w - 1), mirrored[1])
            x = x.index_select(2, rows).index_select(3, columns)
        return self.net(x)[..., :h, :w].clamp(0, 1)

    def _padded(self, length: int) -> int:
        return (length + self.multiple - 1) // self.multiple * self.multiple


def to_onnx(net: AnySize, metadata: Mapping[str, str], opset: int = 17) -> bytes:
    """Turn a network into an ONNX file with dynamic batch, height and width, and metadata properties.

    PyTorch's tracing exporter does it. The newer one (`dynamo=True`) was tried: with PyTorch 2.6 it fixes sizes that
    must stay dynamic, and it needs a further package. An ExportError names an operation that can't be exported.
    """
    import onnx

    buffer = io.BytesIO()
    axes = {0: 'batch', 2: 'height', 3: 'width'}
    side = net.multiple * -(-32 // net.multiple)
    example = torch.full((1, net.channels, side, 2 * side), 0.5)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')  # what a trace may miss is checked on the file itself
            torch.onnx.export(
                net.eval(),
                (example,),
                buffer,  # type: ignore[arg-type]  # a file serves too
                dynamo=False,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: axes, OUTPUT: axes},
            )
        model = onnx.load_from_string(buffer.getvalue())
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the exporter raises errors of many kinds about operations it doesn't know
        raise ExportError(f'the network cannot be exported: {first_line(error)}') from None
    return model.SerializeToString()


def check_onnx(content: bytes, net: AnySize) -> float:
    """Return the largest difference between a file in onnxruntime and its network in PyTorch, at `CHECKED_SIZES`.

    Results are compared before they are clamped, where the file shows them, as clamping could hide a difference. An
    ExportError says where the file fails or differs by more than `TOLERANCE`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are reported below, in one line
    try:
        session = onnxruntime.InferenceSession(_show_unclamped(content), options, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's errors share no base class
        raise ExportError(f'onnxruntime cannot load the exported network: {first_line(error)}') from None
    largest = 0.0
    generator = torch.Generator().manual_seed(0)
    for images, height, width in CHECKED_SIZES:
        shape = images, net.channels, height, width
        noisy = 0.5 + 0.15 * torch.randn(shape, generator=generator).clamp(-3, 3)
        with torch.no_grad():
            expected = same_size_forward(net.net, noisy, net.multiple)
        if not expected.isfinite().all():
            raise ExportError('the network gives NaN or infinite values')
        try:
            outputs = session.run(None, {INPUT: noisy.numpy()})
        except Exception as error:
            raise ExportError(f'onnxruntime fails on images {shape}: {first_line(error)}') from None
        for output, reference in zip(outputs, (expected.clamp(0, 1), expected), strict=False):
            if output.shape != shape:
                raise ExportError(f'onnxruntime returns {output.shape} for images {shape}')
            difference = (torch.from_numpy(output) - reference).abs().max().item()
            if not difference <= TOLERANCE:  # nor NaN
                raise ExportError(
                    f'onnxruntime and PyTorch differ by {difference:.1e} on images {shape}, more than {TOLERANCE:.0e}'
                )
            largest = max(largest, difference)
    return largest


def _show_unclamped(content: bytes) -> bytes:
    """Make what goes into the last clamp a second output, if the graph ends in one."""
    import onnx

    model = onnx.load_from_string(content)
    last = next((node for node in model.graph.node if OUTPUT in node.output), None)
    if last is not None and last.op_type == 'Clip':
        model.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    return model.SerializeToString()
