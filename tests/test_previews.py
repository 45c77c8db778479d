"""What the previews show: windows of recordings and planes of images, against the plain way to make them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from sparc_fuse_core.catalogue import File
from sparc_fuse_core.model import Channel, Events, LazyArray, Scene, Stream, from_numpy, images, recording
from sparc_fuse_core.opening import decoded
from sparc_fuse_core.previews import (
    Overview,
    events,
    image_plane,
    sample_edges,
    scenes,
    signal_window,
    streams,
)
from sparc_fuse_core.previews import preview as draw
from sparc_fuse_core.previews.image import STRIP
from sparc_fuse_core.previews.signals import BLOCK
from sparcfuse_widgets import FilePreview, ImagePreview, SignalPreview
from sparcfuse_widgets.opening_state import PreviewModel
from sparcfuse_widgets.preview_state import ImageModel, SignalModel

RNG = np.random.default_rng(7)
RAW = RNG.integers(-3000, 3000, (5, 20_000), dtype="i2")


# -- windows of recordings


def lazy(values, largest):
    """A LazyArray that notes how many values it was asked for at once."""

    def read(key):
        block = values[key]
        largest.append(block.size)
        return block

    return LazyArray(values.shape, values.dtype, read)


def physical(values, **more):
    return decoded(recording([Stream(from_numpy(values), rate=1000.0, units="mV", gain=0.5, **more)]))


def envelope(values, edges):
    """Lowest and highest value of each column, the plain way."""
    out = np.full((values.shape[0], len(edges) - 1, 2), np.nan, "f4")
    for column, (low, high) in enumerate(pairwise(edges)):
        if high > low:
            out[:, column] = np.stack([values[:, low:high].min(1), values[:, low:high].max(1)], axis=-1)
    return out


@pytest.mark.parametrize(
    ("begin", "end", "width"), [(0, 20, 700), (3.3, 9.1, 333), (-5, 40, 64), (1.0, 1.05, 500)]
)
@pytest.mark.parametrize("channels", [[0], [4, 1], [0, 1, 2, 3, 4]])
def test_windows_hold_the_true_extremes(begin, end, width, channels):
    view = streams(physical(RAW))[0]
    edges = sample_edges(view, begin, end, width)
    moments = np.arange(RAW.shape[1]) / 1000.0
    assert (edges == np.searchsorted(moments, np.linspace(begin, end, width + 1) - 1e-9)).all()
    shown = signal_window(view.data, channels, int(edges[0]), int(edges[-1]), width, edges=edges)
    assert shown.exact
    np.testing.assert_array_equal(shown.values, envelope(RAW[channels] * 0.5, edges))


def test_gaps_stay_gaps_and_sweeps_are_kept_apart():
    values = RNG.normal(size=(3, 2, 900))
    values[1, 0, 300:600] = np.nan
    data = decoded(recording([Stream(values, rate=300.0)]))
    view = streams(data)[0]
    assert view.sweeps == 3 and view.span() == (0.0, 3.0)
    shown = signal_window(view.data, [0, 1], 0, 900, 9, sweep=1)
    assert np.isnan(shown.values[0, 3:6]).all() and np.isfinite(shown.values[0, :3]).all()
    np.testing.assert_allclose(shown.values[1, :, 1], values[1, 1].reshape(9, 100).max(1).astype("f4"))


def test_uneven_times_are_followed():
    times = np.sort(RNG.uniform(5, 50, 4000))
    data = decoded(recording([Stream(RAW[:2, :4000], time=times, name="slow")]))
    view = streams(data)[0]
    edges = sample_edges(view, 10, 20, 50)
    assert (edges == np.searchsorted(times, np.linspace(10, 20, 51))).all()
    assert view.span() == (times[0], times[-1])


def test_long_recordings_are_read_in_bounded_pieces_and_made_exact():
    largest = []
    values = RNG.integers(-100, 100, (3, 3_000_000), dtype="i2")
    values[1, 2_345_678] = 20_000  # a peak that a look in places must not be trusted with
    data = decoded(recording([Stream(lazy(values, largest), rate=1000.0)]))
    view = streams(data)[0]
    rough = signal_window(view.data, [0, 1, 2], 0, 3_000_000, 500, budget=100_000)
    assert not rough.exact and np.isfinite(rough.values).all()
    overview = Overview(view.data)
    overview.fill()
    edges = sample_edges(view, 0, 3000, 500)
    exact = overview.window([0, 1, 2], edges)
    truth = envelope(values, edges)
    assert exact.values[1, :, 1].max() == 20_000
    assert (exact.values[..., 0] <= truth[..., 0]).all() and (exact.values[..., 1] >= truth[..., 1]).all()
    assert (exact.values[..., 1] == truth[..., 1]).mean() > 0.95, "columns differ by less than one run"
    assert max(largest) <= BLOCK


def test_a_model_shows_rough_then_exact():
    values = np.zeros((2, 5_000_000), "f4")
    values[1, 4_321_000] = 7.0
    model = SignalModel()
    seen = []

    def note(_):
        if model.shown:
            array = np.frombuffer(model.data, "<f4").reshape(2, -1, 2)
            seen.append((model.shown["exact"], float(np.nanmax(array[1]))))

    model.observe(note, "shown")
    model.show(decoded(recording([Stream(values, rate=1000.0)])))
    model.settle()
    assert [exact for exact, _ in seen] == [False, True]
    assert seen[-1][1] == 7.0 and model.refining == -1.0


def test_close_up_windows_are_points_and_requests_are_tamed():
    model = SignalModel()
    model.show(physical(RAW))
    model.asked = {"stream": 0, "channels": [2], "begin": 5.0, "end": 5.05, "width": 400}
    model.settle()
    assert model.shown["mode"] == "points"
    seconds, shown = np.frombuffer(model.data, "<f4").reshape(2, -1)
    first = 5000 - 1  # one sample before, so that the line leaves the picture
    np.testing.assert_allclose(seconds, np.arange(-1, len(seconds) - 1) / 1000, atol=1e-6)
    np.testing.assert_array_equal(shown, RAW[2, first : first + len(shown)] * 0.5)
    wild = {
        "stream": 99,
        "sweep": -4,
        "channels": [-1, 77, 1],
        "begin": float("nan"),
        "end": 0,
        "width": 10**9,
    }
    model.asked = wild
    model.settle()
    assert model.problem == {}
    assert (model.shown["channels"], model.shown["width"], model.shown["sweep"]) == ([1], 4096, 0)
    model.asked = {"stream": "x"}
    model.settle()
    assert model.problem["message"]


def test_events_and_streams_reach_the_page():
    marks = Events(
        [2.0, 1.0, float("nan")], ["second", "<img src=x onerror=alert(1)>", "lost"], [0.5, 0.0, 0.0]
    )
    slow = Stream(RAW[:1, :50], rate=10.0, name="temp", units="°C", channel_names=["core"])
    data = decoded(recording([Stream(RAW, rate=1000.0, units="mV"), slow], events=marks))
    assert [event.label for event in events(data)] == ["<img src=x onerror=alert(1)>", "second"]
    panel = SignalPreview(data)
    panel.settle()
    assert [s["title"] for s in panel.streams] == ["Signals", "temp"]
    assert panel.streams[1]["channels"] == ["core"] and panel.streams[1]["units"] == ["°C"]
    panel.asked = {"stream": 1, "channels": [0], "begin": 0, "end": 5, "width": 300}
    panel.settle()
    assert panel.shown["stream"] == 1


# -- planes of images


def picture(**more):
    pixels = RNG.integers(0, 4000, (2, 3, 120, 200)).astype("u2")
    channels = [Channel("DAPI", "0000FF", (0.0, 4000.0)), Channel("GFP", "00FF00")]
    scene = Scene([pixels], ("c", "z", "y", "x"), channels=channels, pixel_size={"x": 0.5, "y": 0.5}, **more)
    return pixels, decoded(images([scene]))


def test_a_plane_is_the_sum_of_its_tinted_channels():
    pixels, tree = picture()
    limits = {0: (0.0, 4000.0), 1: (1000.0, 3000.0)}
    plane = image_plane(tree, indexes={"z": 2}, window=(10, 20, 70, 90), limits=limits)
    blue, green = (pixels[c, 2, 10:70, 20:90].astype("f8") for c in (0, 1))
    want = np.zeros((60, 70, 3))
    want[..., 2] = blue / 4000 * 255
    want[..., 1] = np.clip((green - 1000) / 2000, 0, 1) * 255
    assert np.abs(plane.pixels - want).max() <= 1
    assert plane.limits == limits
    only = image_plane(tree, colors={1: "FFFFFF"})
    assert set(only.limits) == {1} and (only.pixels[..., 0] == only.pixels[..., 2]).all()
    assert not image_plane(tree, colors={}).pixels.any()


def test_the_level_fits_the_screen_and_huge_planes_are_read_in_strips():
    largest = []

    def read(key):
        y, x = (np.arange(k.start, k.stop) if isinstance(k, slice) else np.array([k]) for k in key)
        largest.append(len(y) * len(x))
        return (
            (y[:, None] // 64 + x // 64).astype("u2").reshape([len(v) for v, k in ((y, key[0]), (x, key[1]))])
        )

    huge = LazyArray((40_000, 30_000), "u2", read, blocks=(256, 256))
    (view,) = scenes(decoded(images([Scene([huge], ("y", "x"))])))
    plane = image_plane(view, size=500)
    assert max(largest) <= STRIP and max(plane.pixels.shape) <= 1000
    levels = [np.zeros((n, n), "u1") for n in (2048, 1024, 512, 256)]
    (view,) = scenes(decoded(images([Scene(levels, ("y", "x"))])))
    assert image_plane(view, size=500).level == 2
    assert image_plane(view, size=500, window=(0, 0, 512, 512)).level == 0
    assert image_plane(view, size=200).level == 3


def test_the_image_model_answers_and_survives_nonsense():
    _, tree = picture()
    panel = ImagePreview(tree)
    panel.settle()
    assert panel.shown["indexes"] == {"z": 1} and (panel.shown["height"], panel.shown["width"]) == (120, 200)
    assert len(panel.data) == 120 * 200 * 3
    panel.asked = {"scene": 9, "indexes": {"z": 999}, "box": [-5, -5, 9999, 9999], "size": 1, "channels": []}
    panel.settle()
    assert panel.problem == {} and panel.shown["limits"] == {}
    panel.asked = {"channels": [{"index": 0, "color": "javascript"}]}
    panel.settle()
    assert panel.problem["message"]


def test_files_open_in_the_view_that_fits(tmp_path):
    import soundfile
    import tifffile

    soundfile.write(tmp_path / "a.wav", np.zeros((500, 2)), 1000)
    tifffile.imwrite(tmp_path / "b.tif", RNG.integers(0, 255, (40, 50), dtype="u1"))
    (tmp_path / "c.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    look = FilePreview()
    for name, panel, other in (("a.wav", "signals", "image"), ("b.tif", "image", "signals")):
        look.model.load(tmp_path / name)
        look.model.settle()
        assert look.model.kind == panel and look.model.problem == {}
        assert getattr(look, panel).layout.display is None and getattr(look, other).layout.display == "none"
    look.model.load(tmp_path / "c.wav")
    look.model.settle()
    assert look.model.kind == "" and look.model.problem["message"].startswith("c.wav")


def test_a_catalogue_file_is_fetched_with_its_members(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.zeros((500, 2)), 1000)
    asked = []

    class Catalogue:
        def fetch(self, file, progress, cancel):
            asked.append(file.path)
            progress(5, 10)
            return tmp_path / file.name

    files = [File("primary/a.wav", "a.wav", 10), File("primary/a.txt", "a.txt", 10)]
    model = PreviewModel()
    model.load_from(Catalogue(), "primary/a.wav", files)
    model.settle()
    assert asked == ["primary/a.wav", "primary/a.txt"] and model.kind == "signals"


def test_figures_are_drawn_and_say_what_they_cannot_draw(tmp_path):
    data = physical(RAW, channel_names=["a", "b", "c", "d", "e"])
    for what, options in (
        (data, {"channels": ["b", 3], "window": (1, 2)}),
        (picture()[1], {"channels": ["GFP"]}),
    ):
        figure = draw(what, **options)
        figure.savefig(tmp_path / "x.png")
        figure.canvas.draw()
        assert np.ptp(np.asarray(figure.canvas.buffer_rgba())) > 100
    text = xr.Dataset(attrs={"fuse_kind": "text", "text": "$a_{b$ <b>"})
    draw(text).savefig(tmp_path / "text.png")  # text that looks like mathematics must not break it
    for wrong in ({"channels": ["zz"]}, {"stream": "zz"}, {"window": (2, 1)}):
        with pytest.raises(Exception, match=r"asked for|empty"):
            draw(data, **wrong)


def test_image_model_of_nothing_is_quiet():
    model = ImageModel()
    model.draw()
    assert model.problem == {} and model.scenes == []


def test_bodies_stand_upright():
    """Where y grows to the front or up, row 0 is drawn at the bottom."""
    for orientation, upright in (("LAS", True), ("LPS", False), ("", False)):
        attrs = {"orientation": orientation} if orientation else {}
        tree = images([Scene([np.arange(12, dtype="u1").reshape(3, 4)], "yx", attrs=attrs)])
        low, high = draw(decoded(tree)).axes[0].get_ylim()
        assert (low < high) == upright, orientation
