"""The ES modules of the page: what they compute, under node, and what they must not do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sparcfuse_widgets

STATIC = Path(sparcfuse_widgets.__file__).parent / "static"

TREE_CHECK = """
import assert from "node:assert/strict";
import { filterTree, makeTree, openSome, tick, tickLeaf, tickState, visibleRows } from "./files.js";
const paths = ["p/b/10.wav", "p/b/2.wav", "p/a/x.pdf", "p/top.wav", "p/__proto__/toString.wav"];
const { root, leaves } = makeTree(paths, [1, 2, 4, 8, 16], { 2: "No reader" });
openSome(root);
const shown = (all) => visibleRows(root, all).map((n) => n.path.slice(2));
const ticked = () => leaves.filter((n) => n.ticked).map((n) => n.file);
const order = ["", "__proto__", "__proto__/toString.wav", "a", "a/x.pdf", "b", "b/2.wav", "b/10.wav"];
assert.deepEqual(shown(false), [...order, "top.wav"]);
const p = root.kids[0], b = p.kids.find((n) => n.name === "b");
assert.equal(p.size, 31);
tick(b, true);
assert.deepEqual([tickState(b), tickState(p), ticked()], ["true", "mixed", [0, 1]]);
tick(root, true);
assert.equal(tickState(p), "true");
assert.equal(leaves[2].ticked, 0, "what cannot be converted is never ticked");
filterTree(root, "B 10");
assert.deepEqual(shown(true), ["", "b", "b/10.wav"]);
tick(root, false);
assert.deepEqual(ticked(), [1, 3, 4], "only what the filter shows changes");
tickLeaf(leaves[1], false);
assert.equal(tickState(b), "false");
const many = Array.from({ length: 50000 }, (_, i) => `p/${i % 300}/f${i}.wav`);
const began = performance.now();
const big = makeTree(many, many.map(() => 1), {});
openSome(big.root);
filterTree(big.root, "f49999");
assert.equal(visibleRows(big.root, true).length, 3);
assert.ok(performance.now() - began < 5000);
"""

DRAW_CHECK = """
import assert from "node:assert/strict";
import { limits, ticks, tickText, valuesAt } from "./traces.js";
assert.deepEqual(ticks(0, 10, 5).marks, [0, 2, 4, 6, 8, 10]);
const fine = ticks(0.101, 0.149, 5);
assert.deepEqual(fine.marks.map((m) => tickText(m, fine.step)), ["0.11", "0.12", "0.13", "0.14"]);
const shown = { mode: "columns", columns: 2, channels: [0, 3], begin: 0, end: 2 };
const values = Float32Array.of(-1, 1, 0, 5, NaN, NaN, 7, 7);
assert.deepEqual(limits(shown, values, ["mV", "", "", "V"], false), [[-1, 5], [3.5, 10.5]]);
assert.deepEqual(limits(shown, values, ["mV", "", "", "mV"], true), [[-1, 7], [-1, 7]]);
assert.deepEqual(valuesAt(shown, values, 0.5), [[-1, 1], null]);
const points = { mode: "points", columns: 3, channels: [0], begin: 10, end: 11 };
assert.deepEqual(valuesAt(points, Float32Array.of(0, 0.5, 1, 4, 5, 6), 10.6), [[5, 5]]);
"""


@pytest.mark.parametrize("check", [TREE_CHECK, DRAW_CHECK], ids=["tree", "traces"])
def test_the_modules_of_the_page(tmp_path, check):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    shutil.copytree(STATIC, tmp_path / "static")
    (tmp_path / "static" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "static" / "check.js").write_text(check)
    done = subprocess.run([node, "check.js"], cwd=tmp_path / "static", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_page_code_never_makes_markup_of_text_and_loads_nothing(path):
    from sparcfuse_widgets.panel import module

    text = path.read_text("utf-8")
    for banned in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert banned not in text
    addresses = set(re.findall(r"https?://[^\s\"'`$]+", text))
    assert addresses <= {"https://doi.org/"}
    if "export default" in text:  # what a widget is given stands alone
        whole = module(path.name)
        assert not re.search(r"^import ", whole, re.MULTILINE)
        names = re.findall(r"^(?:const|let|function|class|async function) (\w+)", whole, re.MULTILINE)
        assert len(names) == len(set(names)), "modules that are written into one text must not share names"
