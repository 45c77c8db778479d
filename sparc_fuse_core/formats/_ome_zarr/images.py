"""Images of an OME-NGFF hierarchy, versions 0.1 to 0.5, as scenes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sparc_fuse_core.errors import FormatError, LimitExceeded, NotSupported
from sparc_fuse_core.model import Channel, LazyArray, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparc_fuse_core.formats._ome_zarr.files import Archive, Folder

_ORDER = ("t", "c", "z", "y", "x")
_TYPES = {"time": "t", "channel": "c"}
_SECONDS = {
    "millisecond": 1e-3,
    "microsecond": 1e-6,
    "nanosecond": 1e-9,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_MOST_JSON = 64 << 20
_MOST_CHUNK = 1 << 30
_MOST_SCENES = 4096
_REPAIR = "Fetch the store again, or write it again as OME-Zarr 0.5."
_RGB = ("FF0000", "00FF00", "0000FF")


class Hierarchy:
    """A Zarr hierarchy: the attributes of its groups, its arrays as lazy arrays."""

    def __init__(self, files: Archive | Folder, name: str) -> None:
        from sparc_fuse_core.formats._ome_zarr.store import FileStore

        self.name = name
        self._files = files
        self._store = FileStore(files)
        self.warnings: list[str] = []
        self.dropped: list[str] = []

    def attributes(self, path: str) -> dict[str, Any] | None:
        """Of a group, the ``ome`` block of version 0.5 unpacked; None when there is no group."""
        held = self._json(f"{path}/zarr.json".lstrip("/"))
        if held is not None:
            inner = held.get("attributes")
            inner = inner if isinstance(inner, dict) else {}
            ome = inner.get("ome")
            return {**inner, **ome} if isinstance(ome, dict) else inner
        for name in (".zattrs", ".zgroup"):
            if (held := self._json(f"{path}/{name}".lstrip("/"))) is not None:
                return held if name == ".zattrs" else {}
        return None

    def _json(self, name: str) -> dict[str, Any] | None:
        data = self._files.read(name, 0, _MOST_JSON + 1)
        if data is None:
            return None
        if len(data) > _MOST_JSON:
            raise LimitExceeded(f"{self.name}: {name} has more than {_MOST_JSON} bytes", hint=_REPAIR)
        try:
            held = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise FormatError(
                f"{self.name}: {name} is not proper JSON ({error}); it is damaged", hint=_REPAIR
            ) from error
        if not isinstance(held, dict):
            raise FormatError(f"{self.name}: {name} holds no attributes; it is damaged", hint=_REPAIR)
        return held

    def array(self, path: str) -> LazyArray:
        """One array, read by its chunks."""
        import zarr

        from sparc_fuse_core.formats._ome_zarr.store import FileStore

        try:
            array = zarr.open_array(store=self._store, path=path, mode="r")
            shape, dtype = tuple(array.shape), np.dtype(array.dtype)
            chunks, shards = tuple(array.chunks), getattr(array, "shards", None)
        except FileNotFoundError as error:
            raise FormatError(
                f"{self.name}: the array {path} is missing; the store is not whole", hint=_REPAIR
            ) from error
        except (ValueError, TypeError, KeyError, NotImplementedError, RecursionError) as error:
            raise FormatError(
                f"{self.name}: the array {path} cannot be read ({type(error).__name__}: {error})",
                hint=_REPAIR,
            ) from error
        if dtype.kind not in "biufc":
            raise NotSupported(
                f"{self.name}: the array {path} holds {dtype}, which is no picture", hint=_REPAIR
            )
        largest = max(int(np.prod(c, dtype=object)) for c in (chunks, shards or chunks)) * dtype.itemsize
        if largest > _MOST_CHUNK or any(n < 0 for n in shape):
            raise LimitExceeded(f"{self.name}: the array {path} has chunks of {largest} bytes", hint=_REPAIR)

        store = FileStore(self._files, largest + largest // 8 + (1 << 16))
        array = zarr.open_array(store=store, path=path, mode="r")

        def read(key: Any) -> NDArray[Any]:
            return np.asarray(array[key])

        return LazyArray(shape, dtype.newbyteorder("="), read, blocks=chunks)

    # -- images -----------------------------------------------------------------------------------

    def scenes(self) -> list[Scene]:
        """Every image that the hierarchy names."""
        found: list[Scene] = []
        for path, name in self._images():
            if len(found) >= _MOST_SCENES:
                raise LimitExceeded(
                    f"{self.name}: has more than {_MOST_SCENES} images",
                    hint="Convert its parts by themselves.",
                )
            held = self.attributes(path)
            if held is None:
                raise FormatError(
                    f"{self.name}: the image {path} is missing; the store is not whole", hint=_REPAIR
                )
            self._note_labels(path)
            for entry in _dicts(held.get("multiscales")):
                found.append(self._scene(path, entry, held, name))
        return found

    def _images(self) -> Iterator[tuple[str, str]]:
        root = self.attributes("")
        if root is None:
            raise FormatError(f"{self.name}: has no Zarr group at its root", hint=_REPAIR)
        if root.get("multiscales"):
            yield "", ""
        elif isinstance(root.get("plate"), dict):
            yield from self._fields(root["plate"])
        elif root.get("bioformats2raw.layout") is not None:
            series = (self.attributes("OME") or {}).get("series")
            if isinstance(series, list):
                yield from ((str(path).strip("/"), "") for path in series)
            else:
                for number in range(_MOST_SCENES):
                    if self.attributes(str(number)) is None:
                        break
                    yield str(number), ""

    def _fields(self, plate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The fields of view of a plate, named by well and field."""
        for well in _dicts(plate.get("wells")):
            path = str(well.get("path", "")).strip("/")
            held = self.attributes(path) or {}
            inner = held.get("well")
            for image in _dicts(inner.get("images") if isinstance(inner, dict) else None):
                field = f"{path}/{str(image.get('path', '')).strip('/')}"
                yield field, field

    def _note_labels(self, path: str) -> None:
        held = self.attributes(f"{path}/labels".lstrip("/"))
        names = held.get("labels") if held else None
        if isinstance(names, list) and names:
            told = ", ".join(str(name) for name in names[:8])
            self.dropped.append(f"{path or 'the image'}: {len(names)} label image(s) ({told})")

    def _scene(self, path: str, entry: dict[str, Any], held: dict[str, Any], name: str) -> Scene:
        datasets = _dicts(entry.get("datasets"))
        if not datasets:
            raise FormatError(
                f"{self.name}: the image {path or '/'} has no resolution; it is damaged", hint=_REPAIR
            )
        levels = [self.array(f"{path}/{d.get('path', '')}".strip("/")) for d in datasets[:64]]
        dims, units = _axes(entry.get("axes"), levels[0].ndim, self.name)
        if any(level.ndim != len(dims) for level in levels):
            raise FormatError(
                f"{self.name}: the levels of {path or '/'} have not the axes {dims}; it is damaged",
                hint=_REPAIR,
            )
        scale, shift = _transforms(entry, datasets[0], len(dims), self.name)
        order = _turned(dims)
        scene = Scene([level.transpose(*order) if order != sorted(order) else level for level in levels],
                      [dims[i] for i in order], name=str(entry.get("name") or name))  # fmt: skip
        for dim, step in zip(dims, scale, strict=True):
            if dim == "c" or (dim not in units and step == 1) or step <= 0:
                continue
            factor = _SECONDS.get(units.get(dim, ""), 1.0) if dim == "t" else 1.0
            scene.pixel_size = {**scene.pixel_size, dim: step * factor}
            if dim in units:
                unit = "second" if dim == "t" and units[dim] in _SECONDS else units[dim]
                scene.pixel_unit = {**scene.pixel_unit, dim: unit}
        if any(shift):
            scene.attrs["translation"] = {dim: s for dim, s in zip(dims, shift, strict=True) if s}
            self.warnings.append(
                f"{path or 'the image'} is moved by {scene.attrs['translation']}; its axes begin at 0 here"
            )
        self._channels(scene, held.get("omero"))
        return scene

    def _channels(self, scene: Scene, omero: Any) -> None:
        given = _dicts(omero.get("channels")) if isinstance(omero, dict) else []
        count = scene.levels[0].shape[list(scene.dims).index("c")] if "c" in scene.dims else 1
        if not given:
            return
        if len(given) != count:
            self.warnings.append(
                f"{len(given)} channels are described, the image has {count}: names and colours were left"
            )
            return
        channels = []
        for channel in given:
            window = channel.get("window")
            ends = [window.get("start"), window.get("end")] if isinstance(window, dict) else []
            numbers = [float(n) for n in ends if isinstance(n, int | float) and not isinstance(n, bool)]
            shown = (numbers[0], numbers[1]) if len(numbers) == 2 and np.isfinite(numbers).all() else None
            color = str(channel.get("color") or "").lstrip("#").upper()[:6]
            channels.append(Channel(str(channel.get("label") or ""), color if _is_hex(color) else "", shown))
        scene.channels = channels
        names = [channel.name.casefold() for channel in channels]
        scene.rgb = names == ["red", "green", "blue"] and tuple(c.color for c in channels) == _RGB


def _is_hex(text: str) -> bool:
    return len(text) == 6 and all(letter in "0123456789ABCDEF" for letter in text)


def _dicts(held: Any) -> list[dict[str, Any]]:
    return [item for item in held if isinstance(item, dict)] if isinstance(held, list) else []


def _axes(given: Any, count: int, name: str) -> tuple[list[str], dict[str, str]]:
    """Names of the axes and their units; early versions have five that are not named."""
    if not isinstance(given, list) or not given:
        return list(_ORDER[-count:] if count <= 5 else []), {}
    dims, units = [], {}
    for axis in given:
        told = axis if isinstance(axis, dict) else {"name": axis}
        dim = _TYPES.get(str(told.get("type")), str(told.get("name", "")).lower())
        dims.append(dim)
        if told.get("unit"):
            units[dim] = str(told["unit"])
    if len(set(dims)) != len(dims) or not all(dims):
        raise FormatError(f"{name}: the axes {dims} are no proper axes; it is damaged", hint=_REPAIR)
    return dims, units


def _turned(dims: list[str]) -> list[int]:
    """The order of axes in which t c z y x follow each other and others stand before them."""
    return sorted(range(len(dims)), key=lambda i: _ORDER.index(dims[i]) if dims[i] in _ORDER else -1)


def _transforms(
    entry: dict[str, Any], level: dict[str, Any], count: int, name: str
) -> tuple[list[float], list[float]]:
    """Scale and translation of the full resolution."""
    scale, shift = np.ones(count), np.zeros(count)
    for step in _dicts(level.get("coordinateTransformations")) + _dicts(
        entry.get("coordinateTransformations")
    ):
        kind = step.get("type")
        if kind not in ("scale", "translation"):
            continue
        try:
            values = np.array(step.get(kind), "f8")
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (count,) or not np.isfinite(values).all():
            raise FormatError(
                f"{name}: a {kind} of {step.get(kind)!r} does not fit {count} axes; it is damaged",
                hint=_REPAIR,
            )
        scale, shift = (scale * values, shift * values) if kind == "scale" else (scale, shift + values)
    return scale.tolist(), shift.tolist()
