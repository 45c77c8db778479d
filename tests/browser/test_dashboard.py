"""The dashboard as people use it, in a real browser: find, tick, look, convert, download."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from fakes.page_server import PageServer
from fakes.pennsieve import FakePennsieve

SLOW = 90_000  # milliseconds that any wait may take at most
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

# Names that assistive technology would read, of everything that can be operated.
UNNAMED = """() => [...document.querySelectorAll(
    "input, select, button, canvas, summary, [tabindex], progress")]
  .filter((node) => node.checkVisibility() && !(node.getAttribute("aria-label") || node.textContent.trim()
    || [...(node.labels ?? [])].some((label) => label.textContent.trim())))
  .map((node) => node.outerHTML.slice(0, 120))"""

# Contrast of each text against what is painted below it (WCAG 2: 4.5 for text of this size).
PALE = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = parse(getComputedStyle(up).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.querySelector(".fuse-dashboard"), NodeFilter.SHOW_TEXT);
  const pale = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest(":disabled")) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const said = `${node.className}: ${walker.currentNode.data.slice(0, 40)}`;
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(said);
  }
  return pale;
}"""

# How many different colours a canvas shows.
COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size;
}"""


@pytest.fixture(scope="module")
def chromium():
    place = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if place is None:
        pytest.skip("no Chromium on this machine")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory, chromium):
    with PageServer(tmp_path_factory.mktemp("demo"), "demo") as server:
        yield server


class Visit:
    """A page with what went wrong on it."""

    def __init__(self, browser, server):
        self.context = browser.new_context(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(SLOW)
        self.faults, self.foreign = [], []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", self._request)
        self.page.goto(server.address)
        self.page.wait_for_selector(".fuse-search h2")

    def _note(self, message):
        if message.type == "error":
            self.faults.append(message.text)

    def _request(self, request):
        if not re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:", request.url):
            self.foreign.append(request.url)

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        self.context.close()
        if kind is None:
            assert self.faults == [] and self.foreign == []


def row(page, name):
    return page.locator(".fuse-node", has=page.locator(f".fuse-node-name:text-is('{name}')"))


def tick(page, name):
    row(page, name).locator(".fuse-tick").click()
    page.wait_for_selector(f".fuse-node[aria-checked=true]:has(.fuse-node-name:text-is('{name}'))")


def look(page, name, canvas):
    """Click a file and wait until its view has drawn it."""
    row(page, name).locator(".fuse-node-name").click()
    page.wait_for_selector(f".fuse-path:text('{name}')")
    page.wait_for_selector(f"{canvas}[data-drawn]")
    page.wait_for_function("([css]) => document.querySelector(css).width > 100", arg=[canvas])
    page.wait_for_function(f"() => ({COLOURS})(document.querySelector('{canvas}')) > 3")


def convert(page, files):
    page.click(f"button:text('Convert {files} file')")
    page.wait_for_selector(".fuse-run[data-state=done]")
    assert page.locator(".fuse-overall").evaluate("bar => bar.value") == 1


def download(page, name, folder):
    """The result as a store on disk, unzipped by plain means."""
    item = page.locator(".fuse-result", has=page.locator(f".fuse-result-name:text-is('{name}')"))
    with page.expect_download() as waiting:
        item.get_by_text("Download").click()
    place = folder / waiting.value.suggested_filename
    waiting.value.save_as(place)
    if place.name == f"{name}.zip":
        with zipfile.ZipFile(place) as held:
            assert held.testzip() is None
            for entry in held.namelist():
                target = folder / entry
                assert target.resolve().is_relative_to(folder.resolve())
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(held.read(entry))
        place = folder / name
    return item, place


def test_from_search_to_values_with_the_demo(chromium, demo, tmp_path):
    import edfio
    import scipy.io
    import tifffile

    with Visit(chromium, demo) as page:
        page.fill("[aria-label='Search datasets']", "zebra")
        page.wait_for_selector(".fuse-empty:text('No dataset matches')")
        page.fill("[aria-label='Search datasets']", "vagus")
        page.press("[aria-label='Search datasets']", "Enter")
        page.click(".fuse-card")
        row(page, "nerve_and_ecg.edf").wait_for()
        for name in ("nerve_and_ecg.edf", "heart_rate.mat", "atrium_section.tif"):
            tick(page, name)
        look(page, "nerve_and_ecg.edf", ".fuse-plot")
        whole = page.get_attribute(".fuse-plot", "data-drawn")
        page.focus(".fuse-plot")
        page.keyboard.press("+")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "(old) => document.querySelector('.fuse-plot').dataset.drawn !== old", arg=whole
        )
        look(page, "atrium_section.tif", ".fuse-picture")
        convert(page, 3)
        page.wait_for_function(
            "() => document.querySelectorAll('.fuse-result .fuse-chip.fuse-ok').length === 3"
        )
        source = next(demo.home.glob("fuse-cache/**/nerve_and_ecg.edf")).parent
        item, signals = download(page, "nerve_and_ecg_std.zarr", tmp_path)
        item.locator("summary").click()
        assert "xr.open_zarr" in item.locator("pre").text_content()
        _, picture = download(page, "atrium_section.ome.zarr", tmp_path)
        _, rate = download(page, "heart_rate_std.zarr", tmp_path)

    recording, wanted = xr.open_zarr(signals), edfio.read_edf(source / "nerve_and_ecg.edf")
    for number, signal in enumerate(s for s in wanted.signals if "Annotations" not in s.label):
        np.testing.assert_allclose(recording["signals"][number].values, signal.data, rtol=0, atol=1e-3)
    image = xr.open_datatree(picture, engine="zarr")["0/image"]
    pixels = tifffile.imread(source.parents[1] / "sub-2" / "microscopy" / "atrium_section.tif")
    np.testing.assert_array_equal(image.transpose("y", "x", "c").values.squeeze(), pixels)
    matlab = [
        v
        for k, v in scipy.io.loadmat(source / "heart_rate.mat").items()
        if isinstance(v, np.ndarray) and v.size > 1
    ]
    held = np.concatenate(
        [
            np.ravel(v.values).astype(float)
            for v in xr.open_zarr(rate).variables.values()
            if v.dtype.kind in "fiu"
        ]
    )
    assert any(
        np.isin(np.round(np.ravel(v).astype(float), 4), np.round(held, 4)).all()
        for v in matlab
        if v.dtype.kind in "fiu"
    )


def test_everything_works_from_the_keyboard_and_can_be_read(chromium, demo):
    with Visit(chromium, demo) as page:
        page.focus("[aria-label='Search datasets']")
        page.keyboard.type("heart")
        page.keyboard.press("Enter")
        page.wait_for_selector(".fuse-card")
        page.focus(".fuse-card")
        page.keyboard.press("Enter")
        page.wait_for_selector(".fuse-node")
        page.focus("[role=tree]")
        page.keyboard.press("End")
        page.keyboard.press("Space")
        page.wait_for_selector(".fuse-node.fuse-here[aria-checked=true]")
        page.keyboard.press("Enter")
        page.wait_for_selector("canvas[data-drawn]")
        page.keyboard.press("Home")
        first = page.locator(".fuse-node.fuse-here")
        assert first.get_attribute("aria-checked") == "mixed" and first.get_attribute("aria-level") == "1"
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector(".fuse-node[aria-expanded=false]")
        assert page.locator(".fuse-node").count() == 1
        named = page.evaluate(
            "() => document.querySelector('[role=tree]').getAttribute('aria-activedescendant')"
        )
        assert page.locator(f"[id='{named}']").count() == 1
        assert page.evaluate(UNNAMED) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "(want) => matchMedia(`(prefers-color-scheme: ${want})`).matches", arg=scheme
            )
            assert page.evaluate(PALE) == []


def test_the_page_of_a_narrow_window_does_not_scroll_sideways(chromium, demo):
    with Visit(chromium, demo) as page:
        page.click(".fuse-card")
        page.wait_for_selector(".fuse-node")
        look(page, "nerve_and_ecg.edf", ".fuse-plot")
        for width in (1400, 800, 380):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("(most) => document.querySelector('.fuse-plot').width <= most", arg=width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def corpus_files(corpus):
    """Real files of three kinds, small enough for a test."""
    found = {}
    for suffix, places in ((".abf", "timeseries"), (".wav", "timeseries"), (".tif", "imaging")):
        files = [
            p for p in sorted((corpus / places).rglob(f"*{suffix}")) if 10_000 < p.stat().st_size < 5_000_000
        ]
        if files:
            found[f"primary/sub-1/real{suffix}"] = files[0]
    return found


@pytest.fixture
def portal(corpus):
    files = corpus_files(corpus)
    if len(files) < 2:
        pytest.skip("the corpus has no small .abf, .wav or .tif files")
    with FakePennsieve() as fake:
        old = {"primary/sub-1/first.wav": files.get("primary/sub-1/real.wav", b"x")}
        more = {
            **files,
            "primary/sub-1/cut.abf": next(iter(files.values())).read_bytes()[:700],
            "primary/read.pdf": b"%PDF",
        }
        fake.add_dataset(
            224, more, name=f"Colon {HOSTILE}", versions=[old], description=HOSTILE, tags=["gut"]
        )
        yield fake, files


def test_a_published_dataset_is_looked_at_and_converted(chromium, portal, tmp_path):
    fake, files = portal
    with PageServer(tmp_path, "pennsieve", fake.environ) as server:
        with Visit(chromium, server) as page:
            page.click(".fuse-card")
            row(page, "cut.abf").wait_for()
            assert "<img" in page.text_content(".fuse-dataset h2"), "a title is text, whatever it looks like"
            assert "No reader" in row(page, "read.pdf").text_content()
            page.select_option("[aria-label=Version]", "1")
            row(page, "first.wav").wait_for()
            page.select_option("[aria-label=Version]", "2")
            row(page, "cut.abf").wait_for()
            row(page, "cut.abf").locator(".fuse-node-name").click()
            page.wait_for_selector(".fuse-opening .fuse-problem:has-text('cut.abf')")
            for path in files:
                name = Path(path).name
                look(page, name, ".fuse-picture" if name.endswith(".tif") else ".fuse-plot")
            page.click(".fuse-tools button:text-is('All')")
            page.fill(".fuse-grow input", str(server.output))
            convert(page, len(files) + 1)
            page.wait_for_selector(".fuse-result .fuse-chip.fuse-failed")
            assert page.locator(".fuse-result .fuse-result-error").count() == 1
            assert page.evaluate("window.hacked") is None
            page.reload()
            page.wait_for_selector(".fuse-result")  # results outlive the page
            assert page.locator(".fuse-result .fuse-chip.fuse-ok").count() == len(files)
        stores = sorted(p.name for p in server.output.rglob("*.zarr"))
        assert len(stores) == len(files)
        if "primary/sub-1/real.wav" in files:
            import soundfile

            values, rate = soundfile.read(files["primary/sub-1/real.wav"], always_2d=True)
            made = xr.open_zarr(
                next(server.output.rglob("real*wav*.zarr"), None)
                or next(server.output.rglob("real_std.zarr"))
            )
            assert made["signals"].attrs["sampling_frequency"] == rate
            got = made["signals"].values.T.astype(float)
            scale = np.abs(got).max() / max(np.abs(values).max(), 1e-12)
            np.testing.assert_allclose(got / scale, values, atol=1e-6)


def test_a_catalogue_that_fails_is_explained_and_tried_again(chromium, tmp_path):
    with FakePennsieve() as fake, PageServer(tmp_path, "pennsieve", fake.environ) as server:
        fake.add_dataset(1, {"primary/a.wav": b"x"}, name="Quiet")
        fake.add_dataset(9, {"primary/a.wav": b"x"}, name="Closed", embargo=True)
        with Visit(chromium, server) as page:
            page.wait_for_selector(".fuse-card")
            page.check("text=Folder", force=True)
            page.fill("[aria-label='Path of the folder']", str(tmp_path / "nowhere"))
            page.keyboard.press("Enter")
            page.wait_for_selector(".fuse-search .fuse-problem:has-text('nowhere')")
            page.fill("[aria-label='Path of the folder']", str(tmp_path))
            page.keyboard.press("Enter")
            page.wait_for_selector(".fuse-search .fuse-problem", state="hidden")


@pytest.fixture
def unsaid(tmp_path, chromium):
    """A folder with a file that contradicts itself about its rate."""
    from scipy.io import savemat

    place = tmp_path / "study" / "primary" / "sub-1"
    place.mkdir(parents=True)
    data = np.sin(np.arange(6000) / 20).reshape(2, 3000)
    savemat(place / "two_rates.mat", {"data": data, "fs": 100.0, "sr": 200.0})
    with PageServer(
        tmp_path, str(tmp_path / "study"), {"SPARC_FUSE_RECIPES": str(tmp_path / "mine")}
    ) as server:
        yield server, data


def test_a_file_that_is_ambiguous_is_told_shown_saved_and_converted(chromium, unsaid):
    server, data = unsaid
    with Visit(chromium, server) as page:
        page.click(".fuse-card")
        row(page, "two_rates.mat").locator(".fuse-node-name").click()
        page.wait_for_selector(".fuse-opening .fuse-problem:has-text('contradict each other')")
        page.wait_for_selector(".fuse-tell[open]")
        page.get_by_label("Rate (Hz)").focus()
        page.keyboard.type("soon")
        page.keyboard.press("Enter")
        page.wait_for_selector(".fuse-opening .fuse-problem:has-text('number of hertz')")
        page.get_by_label("Rate (Hz)").fill("500")
        page.get_by_label("Units of the channels").fill("mV")
        page.get_by_role("checkbox", name="data", exact=True).check()
        page.get_by_label("Units of the channels").press("Enter")
        page.wait_for_selector(".fuse-plot[data-drawn]")
        page.wait_for_selector(".fuse-tell .fuse-status:has-text('Converting this file')")
        assert page.evaluate(UNNAMED) == []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "(want) => matchMedia(`(prefers-color-scheme: ${want})`).matches", arg=scheme
            )
            assert page.evaluate(PALE) == []
        page.get_by_label("Name of the recipe").fill("half-khz")
        page.get_by_role("button", name="Save as recipe").press("Enter")
        page.wait_for_selector(".fuse-tell .fuse-status:has-text('are read so')")
        assert (server.home / "mine" / "half-khz.toml").is_file()
        tick(page, "two_rates.mat")
        page.fill(".fuse-grow input", str(server.output))
        convert(page, 1)
    made = xr.open_zarr(next(server.output.rglob("*_std.zarr")))
    np.testing.assert_array_equal(made["signals"].values, data)
    assert made["signals"].attrs["sampling_frequency"] == 500 and made["signals"].attrs["units"] == "mV"
    assert made.attrs["fuse"]["recipe"].startswith("half-khz (sha256 ")
