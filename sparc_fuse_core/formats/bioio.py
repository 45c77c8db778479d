"""Any image that an installed plug-in of bioio reads: the successor of aicsimageio, as a last resort.

Nothing of it is installed by default: ``pip install 'sparc-fuse[bioio]'`` and the plug-in of the format
(``bioio-dv`` …; some plug-ins have other licences than bioio). It serves endings which no reader here has, and
any other file when it is asked for with the reader option ``format=bioio``; it never takes the place of a
reader here by itself. Each scene with its resolution levels becomes a scene; axes of one item are left out,
samples of colours become c; channel names and pixel sizes are carried over (micrometres, as bioio says). What
else a plug-in knows of the file stays behind. Pieces are read in the chunks that the plug-in offers, which may
be whole stacks.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, MissingDependency, NotSupported
from sparc_fuse_core.model import Channel, Format, LazyArray, Scene, images

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sparc_fuse_core.source import Source

_NAMES = {"T": "t", "C": "c", "Z": "z", "Y": "y", "X": "x"}
_MOST_SCENES = 1024
_NO_NAME = re.compile(r"Channel:\d+(:\d+)?$")


def open_bioio(source: Source, /, **_: Any) -> xr.DataTree:
    """Every scene that bioio finds; MissingDependency without bioio, NotSupported without a fitting plug-in."""
    try:
        from bioio import BioImage
    except ImportError as error:
        raise MissingDependency(
            f"{source.name}: reading it needs bioio and a plug-in for its format, which are not installed",
            hint="pip install 'sparc-fuse[bioio]' and the plug-in, for example bioio-dv for .dv files.",
            source=source.url,
        ) from error
    path = str(source.path())
    first = _open(BioImage, path, source)
    names = [str(name) for name in first.scenes]
    if len(names) > _MOST_SCENES:
        raise LimitExceeded(
            f"{source.name}: has {len(names)} scenes, at most {_MOST_SCENES} are read", hint="Split the file."
        )
    warnings: list[str] = []
    scenes = [_scene(BioImage, path, source, number, name, warnings) for number, name in enumerate(names)]
    plugin = type(getattr(first, "reader", first)).__module__.split(".")[0]
    warnings.append(f"it was read by {plugin} of bioio and not by a reader of SPARC FUSE")
    dropped = ["metadata other than scene and channel names and pixel sizes, which the plug-in may know"]
    return images(scenes, metadata={"bioio_plugin": plugin}, warnings=warnings, dropped=dropped)


def _open(factory: Any, path: str, source: Source) -> Any:
    try:
        return factory(path)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # every plug-in has errors of its own
        if type(error).__name__ == "UnsupportedFileFormatError":
            raise NotSupported(
                f"{source.name}: no installed plug-in of bioio reads it",
                hint="Install the plug-in of its format: the documentation of bioio lists them.",
                source=source.url,
            ) from error
        raise FormatError(
            f"{source.name}: bioio cannot open it ({type(error).__name__}: {error})",
            hint="Fetch the file again, or look for another plug-in of its format.",
        ) from error


def _scene(factory: Any, path: str, source: Source, number: int, name: str, warnings: list[str]) -> Scene:
    image = _open(factory, path, source)
    image.set_scene(number)
    levels = [int(level) for level in getattr(image, "resolution_levels", (0,))] or [0]
    arrays, dims = [], list[str]()
    for level in levels:
        # The current level is a state of the object: each has one of its own.
        held = image if level == levels[0] else _open(factory, path, source)
        held.set_scene(number)
        if len(levels) > 1:
            held.set_resolution_level(level)
        letters, dims = _axes(str(image.dims.order), tuple(image.shape))
        arrays.append(_lazy(held, letters))
    scene = Scene(arrays, dims, name=name, rgb="S" in letters and "samples" not in dims)
    sizes = image.physical_pixel_sizes
    steps = {axis: getattr(sizes, axis.upper(), None) for axis in ("z", "y", "x") if axis in dims}
    known: dict[str, float] = {
        axis: float(step) for axis, step in steps.items() if step and np.isfinite(step) and step > 0
    }
    if known and all(step == 1 for step in known.values()):
        warnings.append(
            f"{name}: pixel sizes of exactly 1 were left out: plug-ins give them when they know none"
        )
        known = {}
    scene.pixel_size, scene.pixel_unit = known, dict.fromkeys(known, "micrometer")
    labels = [str(label) for label in image.channel_names or []]
    count = arrays[0].shape[dims.index("c")] if "c" in dims else 1
    if not scene.rgb and len(labels) == count and not all(_NO_NAME.match(label) for label in labels):
        scene.channels = [Channel(label) for label in labels]
    return scene


def _axes(order: str, shape: Sequence[int]) -> tuple[str, list[str]]:
    """Letters of bioio to ask for, and our names of the axes."""
    sizes = dict(zip(order, shape, strict=True))
    kept = [letter for letter in order if letter in "YX" or sizes[letter] > 1]
    colours = "S" in kept and "C" not in kept
    names = _NAMES | {"S": "c" if colours else "samples"}
    ours = {letter: names.get(letter, letter.lower()) for letter in kept}
    ranks = ("t", "c", "z", "y", "x")
    kept.sort(key=lambda letter: ranks.index(ours[letter]) if ours[letter] in ranks else -1)
    return "".join(kept), [ours[letter] for letter in kept]


def _lazy(image: Any, letters: str) -> LazyArray:
    data = image.get_image_dask_data(letters)
    lock = threading.Lock()

    def read(key: Any) -> NDArray[Any]:
        with lock:  # plug-ins share one handle of the file
            return np.asarray(data[key].compute(scheduler="synchronous"))

    kind = np.dtype(data.dtype)
    blocks = [max(1, int(max(sizes))) for sizes in data.chunks]
    return LazyArray(data.shape, kind.newbyteorder("="), read, blocks=blocks)


FORMAT = Format(
    name="bioio",
    title="Image read by a plug-in of bioio",
    kind="image",
    suffixes=(".dv", ".r3d", ".sldy", ".emd", ".imzml"),
    open=open_bioio,
    requires=("bioio",),
    carried="scenes, T C Z Y X planes, channels, pixel sizes",
    left="whatever the plug-in leaves out",
    lazy="plane",
)
