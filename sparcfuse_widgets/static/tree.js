import { count, debounce, fill, follow, h, humanSize, problemBox, put } from "./dom.js";
import { filterTree, makeTree, openSome, tick, tickLeaf, tickState, visibleRows } from "./files.js";

const ROW = 28;
let trees = 0;

class Tree {
  constructor(model, el) {
    Object.assign(this, { model, id: `fuse-tree-${++trees}`, at: 0, rows: [], filter: "" });
    this.room = h("div", { class: "fuse-tree-room" });
    this.view = h("div", { class: "fuse-tree", role: "tree", tabindex: "0", "aria-label": "Files of the dataset", "aria-multiselectable": "true",
      onkeydown: (event) => this.key(event), onscroll: () => this.paint(), onfocus: () => this.paint(), onblur: () => this.paint() }, this.room);
    this.sum = h("p", { class: "fuse-status", role: "status" });
    this.tools = this.toolbar();
    this.body = h("div", { class: "fuse-tree-body", hidden: true }, this.tools, this.view, this.sum);
    el.append(this.body, problemBox(model));
    this.send = debounce(() => put(model, { selected: this.tree.leaves.filter((leaf) => leaf.ticked).map((leaf) => leaf.file) }), 30);
    new ResizeObserver(() => this.paint()).observe(this.view);
    follow(model, ["paths", "sizes", "notes"], () => this.load());
    follow(model, ["selected"], () => this.takeSelection());
    follow(model, ["active"], () => this.paint());
  }

  toolbar() {
    const filter = debounce((text) => this.setFilter(text), 120);
    const button = (text, action) => h("button", { type: "button", class: "fuse-button", onclick: action }, text);
    this.all = button("All", () => this.tickAll(true));
    return h("div", { class: "fuse-row fuse-tools" },
      h("input", { type: "search", class: "fuse-input", placeholder: "Filter files", "aria-label": "Filter files", oninput: (event) => filter(event.target.value) }),
      this.all, button("None", () => this.tickAll(false)));
  }

  load() {
    const { model } = this;
    this.tree = makeTree(model.get("paths"), model.get("sizes"), model.get("notes"));
    openSome(this.tree.root);
    this.body.hidden = !model.get("paths").length;
    this.view.setAttribute("aria-label", `Files of dataset ${model.get("label")}`.trim());
    this.at = 0;
    this.view.scrollTop = 0;
    this.takeSelection();
    this.setFilter(this.filter);
  }

  takeSelection() {
    const wanted = new Set(this.model.get("selected"));
    for (const leaf of this.tree.leaves) tickLeaf(leaf, wanted.has(leaf.file));
    this.paint();
  }

  setFilter(text) {
    this.filter = text.trim();
    filterTree(this.tree.root, this.filter);
    this.all.textContent = this.filter ? "All shown" : "All";
    this.unfold();
  }

  unfold() {
    this.rows = visibleRows(this.tree.root, Boolean(this.filter));
    this.at = Math.max(0, Math.min(this.at, this.rows.length - 1));
    this.room.style.height = `${this.rows.length * ROW}px`;
    this.paint();
  }

  tickAll(on) {
    tick(this.tree.root, on);
    this.changed();
  }

  toggle(node) {
    if (!node.free) return;
    tick(node, tickState(node) !== "true");
    this.changed();
  }

  changed() {
    this.paint();
    this.send();
  }

  fold(node, open) {
    node.open = open;
    this.unfold();
  }

  enter(node) {
    if (node.kids) this.fold(node, !node.open);
    else if (!node.note) this.model.send({ do: "preview", path: node.path });
  }

  move(to) {
    this.at = Math.max(0, Math.min(to, this.rows.length - 1));
    const top = this.at * ROW, { scrollTop, clientHeight } = this.view;
    if (top < scrollTop) this.view.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.view.scrollTop = top + ROW - clientHeight;
    this.paint();
  }

  key(event) {
    const node = this.rows[this.at];
    if (!node || event.altKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.view.clientHeight / ROW) - 1);
    const actions = {
      ArrowDown: () => this.move(this.at + 1),
      ArrowUp: () => this.move(this.at - 1),
      PageDown: () => this.move(this.at + page),
      PageUp: () => this.move(this.at - page),
      Home: () => this.move(0),
      End: () => this.move(this.rows.length - 1),
      ArrowRight: () => (node.kids && !node.open && !this.filter ? this.fold(node, true) : node.kids && this.move(this.at + 1)),
      ArrowLeft: () => (node.kids && node.open && !this.filter ? this.fold(node, false) : node.parent.parent && this.move(this.rows.indexOf(node.parent))),
      " ": () => this.toggle(node),
      Enter: () => this.enter(node),
    };
    if (event.ctrlKey) {
      if (event.key !== "a") return;
      this.tickAll(true);
    } else if (actions[event.key]) actions[event.key]();
    else if (event.key.length === 1) this.jump(event.key);
    else return;
    event.preventDefault();
  }

  jump(letter) {
    const count = this.rows.length;
    for (let step = 1; step <= count; step++) {
      const place = (this.at + step) % count;
      if (this.rows[place].name.toLowerCase().startsWith(letter.toLowerCase())) return this.move(place);
    }
  }

  paint() {
    if (!this.tree) return;
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW) - 4);
    const last = Math.min(this.rows.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / ROW) + 4);
    const places = [];
    for (let place = first; place < last; place++) places.push(place);
    if (this.rows.length && (this.at < first || this.at >= last)) places.push(this.at); // what has the focus must exist
    fill(this.room, places.map((place) => this.row(this.rows[place], place)));
    if (!this.rows.length && this.filter) fill(this.room, h("p", { class: "fuse-empty" }, `No file matches “${this.filter}”.`));
    if (this.rows.length) this.view.setAttribute("aria-activedescendant", `${this.id}-${this.at}`);
    else this.view.removeAttribute("aria-activedescendant");
    this.summary();
  }

  row(node, place) {
    const open = node.kids ? node.open || Boolean(this.filter) : null;
    const here = place === this.at && document.activeElement === this.view;
    const active = !node.kids && node.path === this.model.get("active");
    const attributes = {
      id: `${this.id}-${place}`, role: "treeitem", style: `top:${place * ROW}px;padding-left:${(node.depth - 1) * 16 + 4}px`,
      class: `fuse-node${here ? " fuse-here" : ""}${active ? " fuse-active" : ""}${node.free ? "" : " fuse-dim"}`,
      "aria-level": node.depth, "aria-posinset": node.place, "aria-setsize": node.among, "aria-expanded": open === null ? null : String(open),
      "aria-checked": tickState(node), "aria-disabled": node.free ? null : "true", title: node.note ? `${node.path}: ${node.note}` : node.path,
    };
    const act = (action) => (event) => {
      event.preventDefault();
      this.view.focus({ preventScroll: true });
      this.at = place;
      action();
      this.paint();
    };
    return h("div", { ...attributes, onmousedown: (event) => event.preventDefault(), onclick: act(() => this.enter(node)) },
      h("span", { class: "fuse-fold", "aria-hidden": "true" }, node.kids ? (open ? "▾" : "▸") : ""),
      h("span", { class: "fuse-tick", "data-state": node.free ? tickState(node) : "none", "aria-hidden": "true",
        onclick: (event) => { event.stopPropagation(); act(() => this.toggle(node))(event); } }),
      h("span", { class: "fuse-node-name" }, node.name + (node.kids ? "/" : "")),
      h("span", { class: "fuse-node-size" }, node.note || humanSize(node.size)));
  }

  summary() {
    const { root, leaves } = this.tree;
    const ticked = leaves.filter((leaf) => leaf.ticked);
    const size = ticked.reduce((sum, leaf) => sum + leaf.size, 0);
    const other = leaves.length - root.free;
    const rest = other ? ` (${count(other, "other")} cannot be converted alone)`.replace("others", "other files").replace("1 other ", "1 other file ") : "";
    const text = ticked.length ? `${ticked.length.toLocaleString("en")} of ${count(root.free, "file")} ticked, ${humanSize(size)}` : `${count(root.free, "file")} to convert${rest}; none ticked`;
    if (this.sum.textContent !== text) this.sum.textContent = text;
  }
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-files-panel");
    new Tree(model, el);
  },
};
