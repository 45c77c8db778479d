"""The door to plug-ins of bioio: proven with a stand-in that has its names, and with bioio itself where it is."""

from __future__ import annotations

import sys
from collections import namedtuple
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from stores import convert

from sparc_fuse_core.errors import FormatError, MissingDependency, NotSupported
from sparc_fuse_core.formats import detect, open_tree
from sparc_fuse_core.opening import open_file
from sparc_fuse_core.source import open_source
from sparc_fuse_core.testing import check_reader

Sizes = namedtuple("Sizes", "Z Y X")
DATA = np.random.default_rng(3).integers(0, 999, (2, 3, 2, 20, 30), "u2")


class Lazy:
    """As much of a dask array as the adapter asks for."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self.shape, self.dtype = data, data.shape, data.dtype
        self.chunks = tuple((n,) for n in data.shape)

    def __getitem__(self, key: object) -> Lazy:
        return Lazy(self._data[key])

    def compute(self, scheduler: str) -> np.ndarray:
        assert scheduler == "synchronous"
        return self._data


class UnsupportedFileFormatError(Exception):
    pass


class Image:
    """A stand-in for ``bioio.BioImage``: two scenes, the second a colour picture; two levels."""

    scenes = ("first", "second")
    channel_names = ("DAPI", "GFP", "Cy5")
    physical_pixel_sizes = Sizes(2.0, 0.5, None)
    resolution_levels = (0, 1)

    def __init__(self, path: str) -> None:
        head = Path(path).read_bytes()[:4]
        if head == b"none":
            raise UnsupportedFileFormatError("no plug-in")
        if head == b"torn":
            raise OSError("cannot be read")
        self._scene, self._level = 0, 0

    def set_scene(self, number: int) -> None:
        self._scene = number

    def set_resolution_level(self, level: int) -> None:
        self._level = level

    @property
    def dims(self) -> SimpleNamespace:
        return SimpleNamespace(order="TCZYX" if self._scene == 0 else "TCZYXS")

    @property
    def _data(self) -> np.ndarray:
        step = 1 << self._level
        if self._scene == 0:
            return DATA[..., ::step, ::step]
        return (
            np.moveaxis(DATA[:1, :, :1], 1, -1)
            .astype("u1")
            .reshape(1, 1, 1, 20, 30, 3)[..., ::step, ::step, :]
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    def get_image_dask_data(self, order: str) -> Lazy:
        letters = self.dims.order
        gone = tuple(axis for axis, letter in enumerate(letters) if letter not in order)
        left = [letter for letter in letters if letter in order]
        return Lazy(self._data.squeeze(gone).transpose([left.index(letter) for letter in order]))


@pytest.fixture
def bioio(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("bioio")
    stand_in.BioImage = Image
    monkeypatch.setitem(sys.modules, "bioio", stand_in)


def test_scenes_levels_and_names_come_over(bioio: None, tmp_path: Path) -> None:
    (tmp_path / "x.dv").write_bytes(b"data")
    colours = DATA[0, :, 0].astype("u1")
    check_reader("bioio", tmp_path / "x.dv", {
        "0/0/image": DATA, "0/1/image": DATA[..., ::2, ::2], "0@name": "first",
        "0/0/channel_name": ["DAPI", "GFP", "Cy5"], "0@pixel_size": {"z": 2.0, "y": 0.5},
        "1/0/image": colours, "1@rgb": True, "?warning": "and not by a reader of SPARC FUSE", "?dropped": "metadata",
    })  # fmt: skip
    store = convert(tmp_path / "x.dv", tmp_path / "out")
    assert (store / "0" / "0" / "image").is_dir()


def test_it_serves_other_files_only_when_asked(bioio: None, tmp_path: Path) -> None:
    (tmp_path / "x.rare").write_bytes(b"data")
    with open_source(tmp_path / "x.rare") as source:
        with pytest.raises(NotSupported) as raised:
            detect(source)
        assert "format=bioio" in raised.value.hint
    assert open_file(tmp_path / "x.rare", format="bioio")["0/0/image"].shape == DATA.shape
    with pytest.raises(NotSupported, match="no format is called"):
        open_file(tmp_path / "x.rare", format="nonsense")
    convert(tmp_path / "x.rare", tmp_path / "out", reader={"format": "bioio"})


def test_readers_here_come_first(bioio: None, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "x.dv", DATA[0, 0, 0])
    with open_source(tmp_path / "x.dv") as source:
        assert open_tree(source).attrs["fuse_format"] == "tiff"


@pytest.mark.parametrize(("head", "error"), [(b"none", NotSupported), (b"torn", FormatError)])
def test_what_plug_ins_refuse_is_told(
    bioio: None, tmp_path: Path, head: bytes, error: type[Exception]
) -> None:
    (tmp_path / "x.dv").write_bytes(head)
    with pytest.raises(error) as raised:
        open_file(tmp_path / "x.dv")
    assert raised.value.hint and "x.dv" in str(raised.value)


def test_without_bioio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "bioio", None)
    (tmp_path / "x.dv").write_bytes(b"data")
    with pytest.raises(MissingDependency) as raised:
        open_file(tmp_path / "x.dv")
    assert "sparc-fuse[bioio]" in raised.value.hint


@pytest.mark.skipif(not find_spec("bioio_tifffile"), reason="bioio and bioio-tifffile are not installed")
def test_bioio_itself(tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "x.tif", DATA, metadata={"axes": "TCZYX"}, photometric="minisblack")
    image = open_file(tmp_path / "x.tif", format="bioio")["0/image"]
    assert image.dims == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(image.values, DATA)
