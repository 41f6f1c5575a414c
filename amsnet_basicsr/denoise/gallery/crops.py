"""Images for the gallery: made smaller, cut, and encoded for a browser with their colours kept."""

import base64
from dataclasses import replace

import pyvips

from amsnet_basicsr.images import ImageData, to_8_bit, to_vips


def shrink(image: ImageData, longest: int) -> ImageData:
    """Make an image smaller, to this longest side in pixels, at its own bit depth; a smaller one stays as it is."""
    height, width = image.pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
    vips = to_vips(image)
    depth, most = vips.format, 2**image.bits - 1
    if image.alpha is not None:  # colours of invisible pixels must not bleed into visible ones
        vips = vips.premultiply(max_alpha=most)
    vips = vips.resize(small_width / width, vscale=small_height / height)
    if image.alpha is not None:
        vips = vips.unpremultiply(max_alpha=most)
    pixels = vips.rint().cast(depth).numpy().reshape(small_height, small_width, -1)
    colours = image.pixels.shape[2]
    return replace(image, pixels=pixels[..., :colours], alpha=None if image.alpha is None else pixels[..., -1])


def cut(image: ImageData, top: int, left: int, height: int, width: int) -> ImageData:
    """Cut a part out of an image."""
    part = slice(top, top + height), slice(left, left + width)
    return replace(image, pixels=image.pixels[part], alpha=None if image.alpha is None else image.alpha[part])


def data_uri(image: ImageData, quality: int | None) -> str:
    """Encode an image for a browser in 8 bit, with its ICC profile; losslessly if `quality`, 1 to 100, is None.

    Lossy is JPEG at full colour resolution, as halving it takes a seventh of the noise away; with alpha, WebP. Lossless
    is WebP. Grey with alpha or lossless is PNG, as WebP has no grey that a grey profile would fit.
    """
    vips = to_vips(to_8_bit(image))
    if image.metadata.icc:
        vips.set_type(pyvips.GValue.blob_type, 'icc-profile-data', image.metadata.icc)
    if quality is not None and image.alpha is None:
        kind, content = 'jpeg', vips.jpegsave_buffer(Q=quality, subsample_mode='off', optimize_coding=True)
    elif image.grey:
        kind, content = 'png', vips.pngsave_buffer()
    else:
        how = {'lossless': True} if quality is None else {'Q': quality, 'smart_subsample': True}
        kind, content = 'webp', vips.webpsave_buffer(**how)
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'
