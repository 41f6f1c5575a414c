"""A denoising network as an ONNX file that takes images of any size. Needs the packages onnx and onnxruntime."""

import io
import warnings
from collections.abc import Mapping

import torch
from torch import nn

from amsnet_basicsr.scheme import image_channels, same_size_forward
from amsnet_basicsr.utils.text import first_line

INPUT, OUTPUT = 'noisy', 'denoised'
"""Names of the graph's input and output, (N, C, H, W) float32 in [0, 1], RGB or grey."""
OPSETS = range(13, 21)
"""Versions of the ONNX operators that can be written."""
CHECKED_SIZES = ((1, 64, 64), (2, 37, 53), (1, 131, 70), (1, 5, 90))
"""Images, height and width at which the file is compared with PyTorch.

None is the traced one, most suit no network's size multiple.
"""
TOLERANCE = 1e-4
"""Largest difference from PyTorch that is accepted."""


class OnnxError(ValueError):
    """A network can't be exported, or its file doesn't do what the network does; one line says why."""


class AnySize(nn.Module):
    """A network that pads, crops and clamps within, without a branch, so that a trace of it holds for every size.

    The padding is that of `amsnet_basicsr.scheme.pad_to_multiple`: reflection, or repetition of the border where the
    image is too small to reflect that far.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W) if H and W are divisible by `multiple`.
        multiple: The network's size multiple.
    """

    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net = net
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


def suitable_shape(net: nn.Module, multiple: int) -> tuple[int, int, int, int]:
    """Return the shape of a small image, not square, that a network with this size multiple takes."""
    side = multiple * -(-32 // multiple)
    return 1, image_channels(net), side, 2 * side


def to_onnx(net: nn.Module, multiple: int, metadata: Mapping[str, str], opset: int = 17) -> bytes:
    """Turn a network into an ONNX file with dynamic batch, height and width.

    PyTorch's tracing exporter does it. The newer one (`dynamo=True`) was tried: with PyTorch 2.6 it fixes sizes that
    must stay dynamic, and it needs a further package.

    Args:
        net: Maps (N, C, H, W) to (N, C, H, W); in evaluation mode, float32, on the CPU.
        multiple: Its size multiple.
        metadata: Stored in the file's metadata properties.
        opset: Version of the operators, one of `OPSETS`.

    Returns:
        The file.

    Raises:
        OnnxError: If the network has operations that can't be exported.
        ImportError: If the package onnx is missing.
    """
    import onnx

    buffer = io.BytesIO()
    axes = {0: 'batch', 2: 'height', 3: 'width'}
    example = torch.full(suitable_shape(net, multiple), 0.5)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter('ignore')  # what a trace may miss is checked on the file itself
            torch.onnx.export(
                AnySize(net, multiple).eval(),
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
        raise OnnxError(f'the network cannot be exported: {first_line(error)}') from None
    return model.SerializeToString()


def check_onnx(content: bytes, net: nn.Module, multiple: int) -> float:
    """Compare an ONNX file in onnxruntime with its network in PyTorch at several sizes.

    What is compared is the result before it is clamped, where the file shows it, as clamping could hide a difference.

    Args:
        content: The file.
        net: The network, on the CPU.
        multiple: Its size multiple.

    Returns:
        The largest absolute difference found.

    Raises:
        OnnxError: If it fails or differs by more than `TOLERANCE`.
        ImportError: If the packages onnx or onnxruntime are missing.
    """
    import onnxruntime

    content, unclamped = _show_unclamped(content)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are reported below, in one line
    largest = 0.0
    generator = torch.Generator().manual_seed(0)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime's errors share no base class
        raise OnnxError(f'onnxruntime cannot load the exported network: {first_line(error)}') from None
    channels = image_channels(net)
    for images, height, width in CHECKED_SIZES:
        shape = images, channels, height, width
        noisy = 0.5 + 0.15 * torch.randn(shape, generator=generator).clamp(-3, 3)
        with torch.no_grad():
            expected = same_size_forward(net, noisy, multiple)
        if not expected.isfinite().all():
            raise OnnxError('the network gives NaN or infinite values')
        try:
            outputs = session.run(None, {INPUT: noisy.numpy()})
        except Exception as error:
            raise OnnxError(f'onnxruntime fails on images {shape}: {first_line(error)}') from None
        pairs = [(outputs[0], expected.clamp(0, 1)), *([(outputs[1], expected)] if unclamped else [])]
        for output, reference in pairs:
            if output.shape != shape:
                raise OnnxError(f'onnxruntime returns {output.shape} for images {shape}')
            difference = (torch.from_numpy(output) - reference).abs().max().item()
            if not difference <= TOLERANCE:  # nor NaN
                raise OnnxError(
                    f'onnxruntime and PyTorch differ by {difference:.1e} on images {shape}, more than {TOLERANCE:.0e}'
                )
            largest = max(largest, difference)
    return largest


def _show_unclamped(content: bytes) -> tuple[bytes, bool]:
    """Make what goes into the last clamp a second output, if the graph ends in one."""
    import onnx

    model = onnx.load_from_string(content)
    last = next((node for node in model.graph.node if OUTPUT in node.output), None)
    if last is None or last.op_type != 'Clip':
        return content, False
    model.graph.output.append(onnx.helper.make_tensor_value_info(last.input[0], onnx.TensorProto.FLOAT, None))
    return model.SerializeToString(), True
