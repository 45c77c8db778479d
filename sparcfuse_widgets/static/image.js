import { asker, colours, fill, follow, h, problemBox, sharpCanvas, short, sign } from "./dom.js";

const SIGNS = { micrometer: "µm", micron: "µm", um: "µm", nanometer: "nm", millimeter: "mm", centimeter: "cm", meter: "m", second: "s", millisecond: "ms" };
const NAMES = { z: "z", t: "time", c: "channel" };

class Picture {
  constructor(model, el) {
    Object.assign(this, { model, el, ask: asker(model), scene: null, picture: null, shown: {} });
    this.canvas = sharpCanvas({ class: "fuse-picture", tabindex: "0", role: "application", "aria-roledescription": "image",
      "aria-label": "Image. Arrow keys pan, plus and minus zoom, 0 shows all, Page Up and Page Down go through z." }, (...given) => this.paint(...given));
    this.listen();
    this.scenes = h("select", { class: "fuse-input", "aria-label": "Scene", onchange: () => this.useScene(Number(this.scenes.value)) });
    this.facts = h("span", { class: "fuse-status" });
    this.sliders = h("div", { class: "fuse-sliders" });
    this.channels = h("div", { class: "fuse-image-channels", role: "group", "aria-label": "Channels" });
    const bar = h("div", { class: "fuse-row fuse-tools" }, this.scenes,
      sign("−", "Zoom out", () => this.zoom(0.5)), sign("+", "Zoom in", () => this.zoom(2)), h("button", { type: "button", class: "fuse-button", onclick: () => this.fit() }, "All"), this.facts);
    this.main = h("div", { hidden: true }, bar, this.sliders, this.canvas, this.channels);
    el.append(this.main, problemBox(model));
    follow(model, ["scenes"], () => this.load());
    follow(model, ["shown"], () => this.take());
    follow(model, ["busy"], () => (this.main.dataset.busy = model.get("busy")));
  }

  load() {
    const scenes = this.model.get("scenes");
    this.main.hidden = !scenes.length;
    delete this.canvas.dataset.drawn;
    if (!scenes.length) return;
    fill(this.scenes, scenes.map((scene, i) => h("option", { value: i }, `${i + 1}: ${scene.name}`)));
    this.scenes.hidden = scenes.length < 2;
    this.useScene(0);
  }

  useScene(number) {
    this.adopt(number);
    this.request();
  }

  adopt(number) {
    this.number = number;
    this.scene = this.model.get("scenes")[number];
    this.picture = null;
    const { sizes, colors } = this.scene;
    const extra = Object.keys(sizes).filter((dim) => !["c", "y", "x"].includes(dim));
    this.indexes = Object.fromEntries(extra.map((dim) => [dim, Math.floor(sizes[dim] / 2)]));
    this.rows = colors.map((color, index) => ({ index, color, on: index < 6, limits: null }));
    this.view = null;
    this.makeSliders(extra.filter((dim) => sizes[dim] > 1));
    this.makeChannels();
  }

  makeSliders(dims) {
    this.steps = {};
    fill(this.sliders, dims.map((dim) => {
      const most = this.scene.sizes[dim] - 1, unit = this.unit(dim), step = this.scene.pixel_size[dim];
      const out = h("output", {});
      const slider = h("input", { type: "range", min: 0, max: most, step: 1, value: this.indexes[dim], "aria-label": NAMES[dim] ?? dim, oninput: () => go(Number(slider.value)) });
      const go = (to) => {
        this.indexes[dim] = Math.max(0, Math.min(most, to));
        slider.value = this.indexes[dim];
        out.textContent = `${this.indexes[dim] + 1} of ${most + 1}${step ? ` · ${short(this.indexes[dim] * step)} ${unit}` : ""}`;
        slider.setAttribute("aria-valuetext", out.textContent);
        this.request();
      };
      out.textContent = `${this.indexes[dim] + 1} of ${most + 1}`;
      this.steps[dim] = (by) => go(this.indexes[dim] + by);
      return h("label", { class: "fuse-row" }, h("span", {}, NAMES[dim] ?? dim), slider, out);
    }));
  }

  makeChannels() {
    this.limitBoxes = [];
    if (this.scene.rgb) return fill(this.channels);
    fill(this.channels, this.rows.map((row) => {
      const name = this.scene.channels[row.index];
      const on = h("input", { type: "checkbox", checked: row.on, "aria-label": `Show ${name}`, onchange: () => { row.on = on.checked; this.request(); } });
      const color = h("input", { type: "color", value: row.color.toLowerCase(), "aria-label": `Colour of ${name}`, oninput: () => { row.color = color.value; this.request(); } });
      const box = (which, label) => h("input", { type: "range", step: "any", "aria-label": `${label} of ${name}`, oninput: () => this.limit(row, which) });
      const low = box(0, "Darkest value"), high = box(1, "Brightest value"), text = h("output", {});
      const auto = h("button", { type: "button", class: "fuse-button", onclick: () => { row.limits = null; this.request(); } }, "Auto");
      this.limitBoxes.push({ row, low, high, text });
      return h("div", { class: "fuse-row fuse-image-channel" }, h("label", { class: "fuse-check" }, on, h("span", {}, name)), color, low, high, text, auto);
    }));
  }

  limit(row, which) {
    const { low, high } = this.limitBoxes.find((boxes) => boxes.row === row);
    const pair = [Number(low.value), Number(high.value)];
    if (pair[1] <= pair[0]) pair[which] = which ? pair[0] + 1e-6 : pair[1] - 1e-6;
    row.limits = pair;
    this.request();
  }

  showLimits(limits) {
    for (const { row, low, high, text } of this.limitBoxes) {
      const pair = limits[row.index];
      if (!pair) continue;
      if (!row.limits) {
        row.limits = [...pair]; // kept while planes change, so that they can be compared; Auto adapts it again
        const wide = pair[1] - pair[0];
        const range = this.scene.type === "uint8" ? [0, 255] : [pair[0] - wide / 2, pair[1] + wide];
        Object.assign(low, { min: range[0], max: range[1] });
        Object.assign(high, { min: range[0], max: range[1] });
      }
      if (document.activeElement !== low) low.value = pair[0];
      if (document.activeElement !== high) high.value = pair[1];
      text.textContent = `${short(pair[0])} – ${short(pair[1])}`;
    }
  }

  take() {
    const shown = this.model.get("shown");
    if (!shown.width || shown.scene !== this.number) return;
    const rgb = new Uint8Array(this.model.get("data").buffer, this.model.get("data").byteOffset);
    const pixels = new ImageData(shown.width, shown.height);
    for (let i = 0, j = 0; j < pixels.data.length; i += 3, j += 4) {
      pixels.data[j] = rgb[i];
      pixels.data[j + 1] = rgb[i + 1];
      pixels.data[j + 2] = rgb[i + 2];
      pixels.data[j + 3] = 255;
    }
    this.picture = h("canvas", { width: shown.width, height: shown.height });
    this.picture.getContext("2d").putImageData(pixels, 0, 0);
    this.shown = shown;
    this.canvas.dataset.drawn = `${shown.width}x${shown.height}`;
    this.showLimits(shown.limits);
    this.remark();
    this.canvas.repaint();
  }

  remark() {
    const { sizes, type, levels } = this.scene, shown = this.shown;
    const from = levels > 1 ? ` · resolution ${shown.level + 1} of ${levels}` : "";
    this.facts.textContent = `${sizes.x} × ${sizes.y} pixels, ${type}${from}`;
  }

  unit(dim) {
    const said = this.scene.pixel_unit[dim] ?? "";
    return SIGNS[said] ?? said;
  }

  /** Height of a pixel over its width, where the file knows both. */
  aspect() {
    const { x, y } = this.scene.pixel_size;
    const ratio = x && y && this.scene.pixel_unit.x === this.scene.pixel_unit.y ? y / x : 1;
    return ratio > 0.05 && ratio < 20 ? ratio : 1;
  }

  /** The scale (screen pixels a pixel) at which everything is seen. */
  fitScale() {
    const { x, y } = this.scene.sizes;
    return Math.min(this.canvas.clientWidth / x, this.canvas.clientHeight / (y * this.aspect())) || 1;
  }

  fit() {
    this.view = null;
    this.request();
  }

  current() {
    const { x, y } = this.scene.sizes;
    return this.view ?? { x: x / 2, y: y / 2, scale: this.fitScale() };
  }

  zoom(factor, at = null) {
    const now = this.current(), least = this.fitScale();
    const scale = Math.min(40, Math.max(least, now.scale * factor));
    if (scale <= least) return this.fit();
    const point = at ?? now, keep = 1 - now.scale / scale;
    this.place({ x: now.x + (point.x - now.x) * keep, y: now.y + (point.y - now.y) * keep, scale });
  }

  pan(dx, dy) {
    const now = this.current();
    if (this.view) this.place({ ...now, x: now.x + dx / now.scale, y: now.y + dy / now.scale / this.aspect() });
  }

  place(view) {
    const { x, y } = this.scene.sizes;
    const wide = this.canvas.clientWidth / view.scale / 2, tall = this.canvas.clientHeight / view.scale / this.aspect() / 2;
    const keep = (value, half, size) => (2 * half >= size ? size / 2 : Math.min(Math.max(value, half), size - half));
    this.view = { ...view, x: keep(view.x, wide, x), y: keep(view.y, tall, y) };
    this.request();
  }

  request() {
    if (!this.scene) return;
    const { x, y } = this.scene.sizes, size = Math.min(2048, Math.max(256, Math.round(Math.max(this.canvas.clientWidth, this.canvas.clientHeight) * (window.devicePixelRatio || 1)) || 800));
    let box = null;
    if (this.view) {
      const wide = this.canvas.clientWidth / this.view.scale / 2, tall = this.canvas.clientHeight / this.view.scale / this.aspect() / 2;
      box = [Math.max(0, Math.floor(this.view.y - tall)), Math.max(0, Math.floor(this.view.x - wide)), Math.min(y, Math.ceil(this.view.y + tall)), Math.min(x, Math.ceil(this.view.x + wide))];
    }
    const channels = this.rows.filter((row) => row.on).map(({ index, color, limits }) => ({ index, color, ...(limits ? { limits } : {}) }));
    this.ask({ scene: this.number, indexes: { ...this.indexes }, box, size, channels });
    this.canvas.repaint();
  }

  listen() {
    const canvas = this.canvas;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      last = event;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.pan(last.clientX - event.clientX, last.clientY - event.clientY);
      last = event;
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
    canvas.addEventListener("dblclick", (event) => this.zoom(2, this.point(event)));
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.zoom(2 ** (-event.deltaY / 300), this.point(event));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("resized", () => this.request());
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect(), now = this.current();
    return { x: now.x + (event.clientX - box.left - box.width / 2) / now.scale, y: now.y + (event.clientY - box.top - box.height / 2) / now.scale / this.aspect() };
  }

  key(event) {
    const step = 60, through = this.steps.z ?? this.steps.t ?? (() => {});
    const actions = {
      ArrowLeft: () => this.pan(-step, 0), ArrowRight: () => this.pan(step, 0), ArrowUp: () => this.pan(0, -step), ArrowDown: () => this.pan(0, step),
      "+": () => this.zoom(2), "=": () => this.zoom(2), "-": () => this.zoom(0.5), 0: () => this.fit(), PageDown: () => through(1), PageUp: () => through(-1),
    };
    if (!actions[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  paint(context, width, height) {
    context.clearRect(0, 0, width, height);
    if (!this.picture) return;
    const now = this.current(), { x, y } = this.scene.sizes, [top, left, bottom, right] = this.shown.box ?? [0, 0, y, x];
    const tall = now.scale * this.aspect();
    context.imageSmoothingEnabled = now.scale < 3;
    context.drawImage(this.picture, width / 2 + (left - now.x) * now.scale, height / 2 + (top - now.y) * tall, (right - left) * now.scale, (bottom - top) * tall);
    this.scaleBar(context, width, height, now.scale);
  }

  scaleBar(context, width, height, scale) {
    const step = this.scene.pixel_size.x, unit = this.unit("x") || "units";
    const perPixel = step ? step / scale : 1 / scale, rough = perPixel * Math.min(140, width / 4);
    const power = 10 ** Math.floor(Math.log10(rough)), round = [5, 2, 1].find((factor) => factor * power <= rough) * power, long = round / perPixel;
    const text = `${short(round)} ${step ? unit : "pixels"}`, ink = colours(this.el, ["plate", "plateink"]);
    context.font = "12px system-ui, sans-serif";
    const wide = Math.max(long, context.measureText(text).width) + 16;
    context.fillStyle = ink.plate;
    context.fillRect(8, height - 40, wide, 32);
    context.fillStyle = ink.plateink;
    context.fillRect(16, height - 16, long, 3);
    context.textBaseline = "bottom";
    context.fillText(text, 16, height - 20);
  }
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-image");
    const picture = new Picture(model, el);
    return () => picture.canvas.forget();
  },
};
