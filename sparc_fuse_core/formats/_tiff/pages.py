"""TIFF pages that no other standard describes: grouped by size and type, smaller copies as resolutions.

- Pages of equal size, samples and type are one stack; its axis is called ``page`` unless the file says more.
- A smaller copy (flagged, below the page as SubIFD, or tiled and shrunk by one factor) is a resolution.
- What is left are further scenes. Labels and overview pictures of slides are not carried: they name patients.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sparc_fuse_core.formats._tiff.book import (
    Book,
    channels,
    colour,
    is_mask,
    is_reduced,
    note_colour,
    note_orientation,
    pixel_size,
    same_picture,
)
from sparc_fuse_core.formats._tiff.layout import Layout
from sparc_fuse_core.formats._tiff.page import Page
from sparc_fuse_core.formats._tiff.slide import is_aperio
from sparc_fuse_core.formats._tiff.stack import Find, colours, ramp_colour, stack
from sparc_fuse_core.model import Channel, LazyArray, Scene, limit_items

_SIDE_PICTURE = re.compile(r"\b(label|macro|overview|thumbnail)\b|label image", re.IGNORECASE)
_MAX_SCENES = 4096
_LSM = 34412


@dataclass(slots=True)
class Group:
    """Pages that look the same, and their smaller copies."""

    pages: list[Page]
    levels: list[tuple[Layout, Find]] = field(default_factory=list)
    side: bool = False

    @property
    def layout(self) -> Layout:
        return self.pages[0].layout


@dataclass(slots=True)
class Axes:
    """What a description says about a stack: pages along page, t, c, z, and the names that go with them."""

    sizes: dict[str, int]
    custom: str = "page"
    keep: tuple[str, ...] = ()
    scene: Callable[[Scene], None] | None = None


def read_pages(
    book: Book, describe: Callable[[Group], Axes | None], *, keep_indices: bool = False
) -> list[Scene]:
    """All pictures of the book; ``describe`` names the axes of a stack where it can.

    ``keep_indices`` says that palettes are only for display, as in ImageJ: the numbers are then the data.
    """
    groups = _groups(book)
    _attach_flagged(book, groups)
    kept = _attach_tiled(book, groups)
    limit_items(book.source, "pictures of different kinds", len(kept), _MAX_SCENES)
    for group in kept:
        _attach_children(book, group, kept)
    if len(kept) > 1:
        book.warn(f"the file holds {len(kept)} pictures of different size or type; they are kept as scenes")
    return [_make_scene(book, group, describe(group), keep_indices) for group in kept]


def _make_scene(book: Book, group: Group, axes: Axes | None, keep_indices: bool) -> Scene:
    """One group as a Scene."""
    layout, count = group.layout, len(group.pages)
    if axes is None:
        axes = Axes({"page": count})
        if count > 1:
            book.warn(
                f"the file does not say what its {count} pages are (time, depth ...); their axis is called "
                "'page': "
                "the option page_axis names it t, z or c"
            )
    indexed = colour(layout) == "palette"
    ramp = _common_ramp(group) if indexed else ""
    palette = indexed and layout.samples == 1 and not keep_indices and not ramp
    if palette:
        book.warn("palette colours were turned into red, green and blue")
    elif indexed and ramp != "FFFFFF":
        book.warn("the palette (LUT) is only for display; the numbers are kept")
    note_colour(book, layout)
    levels: list[LazyArray] = []
    dims: tuple[str, ...] = ()
    for level, find in [(layout, group.pages.__getitem__), *group.levels]:
        found, data = stack(level, axes.sizes, find, palette=palette, keep=axes.keep, custom=axes.custom)
        dims = dims or found
        levels.append(data)
    sizes, units = pixel_size(book, group.pages[0].ifd)
    rgb, named = channels(layout, palette)
    name = group.pages[0].ifd.text(285, 256) if count == 1 else ""
    scene = Scene(
        levels, dims, name, sizes, units, named if "c" in dims and axes.sizes.get("c", 1) == 1 else []
    )
    scene.rgb = rgb and "c" in dims and axes.sizes.get("c", 1) == 1
    scene.attrs = note_orientation(book, group.pages[0].ifd)
    if ramp and ramp != "FFFFFF" and "c" not in dims:
        scene.channels = [Channel("", ramp)]
    if axes.scene is not None:
        axes.scene(scene)
    return scene


def _common_ramp(group: Group) -> str:
    """The colour that the palettes of all pages run to evenly from black, when they are all the same."""
    first = colours(group.pages[0])
    found = ramp_colour(first)
    same = bool(found) and all((colours(page) == first).all() for page in group.pages[1:])
    return found if same else ""


def _groups(book: Book) -> list[Group]:
    found: dict[tuple[object, ...], Group] = {}
    masks = 0
    for index, (page, kind) in enumerate(zip(book.pages, book.kinds, strict=True)):
        look = page.layout
        if is_mask(kind):
            masks += 1
            continue
        side = index > 0 and _is_side_picture(book, page)
        key = (
            look.height,
            look.width,
            look.samples,
            look.dtype.str,
            look.bits,
            colour(look),
            is_reduced(kind),
            side,
        )
        if key in found:
            found[key].pages.append(page)
        else:
            found[key] = Group([page], side=side)
    if masks:
        book.dropped.append(f"{masks} transparency masks")
    return list(found.values())


def _is_side_picture(book: Book, page: Page) -> bool:
    first = book.pages[0]
    if not first.layout.tiled:
        return False
    if is_aperio(book.first.text(270, 64)) and (page is book.pages[1] or not page.layout.tiled):
        return True  # Aperio's second page is the thumbnail, its strips are label and macro
    if (page.layout.height, page.layout.width) == (first.layout.height, first.layout.width):
        return False
    said = f"{page.ifd.text(270, 4096)} {page.ifd.text(285, 256)}"
    return bool(_SIDE_PICTURE.search(said))


def _attach_flagged(book: Book, groups: list[Group]) -> None:
    """Smaller copies by flag go to the group that they are copies of, others are dropped by name."""
    flags = {id(page): is_reduced(kind) for page, kind in zip(book.pages, book.kinds, strict=True)}
    full = [g for g in groups if not g.side and not flags[id(g.pages[0])]]
    if not full:  # everything is flagged: then the largest is the picture
        largest = max(
            (g for g in groups if not g.side), key=lambda g: g.layout.height * g.layout.width, default=None
        )
        full = [largest] if largest else []
    lsm = book.first.has(_LSM)
    for group in [g for g in groups if not any(g is f for f in full)]:
        home = next(
            (g for g in full if _is_level(g, group.layout) and len(g.pages) == len(group.pages)), None
        )
        if home is not None and not group.side and not lsm:
            home.levels.append((group.layout, group.pages.__getitem__))
        else:
            what = "label, overview or thumbnail picture" if group.side else "smaller copy"
            if group.side:
                book.warn("label, overview and thumbnail pictures may show personal data; they were left out")
            count = f"{len(group.pages)} x " if len(group.pages) > 1 else ""
            book.dropped.append(f"{count}{what} of {group.layout.width} x {group.layout.height} pixels")
    groups[:] = full


def _attach_tiled(book: Book, groups: list[Group]) -> list[Group]:
    """Tiled single pages that shrink by one factor from page to page are a pyramid though nothing says so."""
    kept: list[Group] = []
    for group in groups:
        home = kept[-1] if kept else None
        tiled = home is not None and group.layout.tiled and home.layout.tiled
        if home and tiled and len(group.pages) == len(home.pages) == 1 and _is_level(home, group.layout):
            home.levels.append((group.layout, group.pages.__getitem__))
            if not is_aperio(book.first.text(270, 64)):  # its pages are so by their format
                book.warn("pages that are the first one made smaller were taken as its lower resolutions")
        else:
            kept.append(group)
    return kept


def _attach_children(book: Book, group: Group, kept: list[Group]) -> None:
    strangers = []
    limit_items(book.source, "pictures of different kinds", len(kept), _MAX_SCENES)
    for number, child in enumerate(book.children(group.pages[0])):
        if _is_level(group, child.layout):
            group.levels.append((child.layout, child_finder(book, group.pages.__getitem__, number)))
        else:
            strangers.append(child)
    for child in strangers:
        if group.layout.height * group.layout.width < child.layout.height * child.layout.width:
            kept.append(Group([child]))  # raw camera files keep the picture below its preview
        else:
            book.dropped.append(f"sub-picture of {child.layout.width} x {child.layout.height} pixels")


def child_finder(book: Book, find: Find, number: int) -> Find:
    """Finds the ``number``-th smaller copy of each page that ``find`` gives."""

    def child(index: int) -> Page | None:
        page = find(index)
        return None if page is None else book.children(page)[number]

    return child


def _is_level(group: Group, small: Layout) -> bool:
    last = group.levels[-1][0] if group.levels else group.layout
    return is_smaller(group.layout, small) and small.width < last.width and small.height <= last.height


def is_smaller(full: Layout, small: Layout) -> bool:
    """Whether ``small`` shows the same as ``full`` with both sides divided by one factor."""
    factor = full.width / small.width
    return same_picture(full, small) and factor > 1.3 and abs(full.height / factor - small.height) <= 2
