import { asker, colours, fill, follow, h, problemBox, sharpCanvas, short, sign } from "./dom.js";
import { drawTraces, GUTTER, RIGHT, TOP, BOTTOM, valuesAt } from "./traces.js";

const INK = ["ink", "muted", "grid", "event", "trace0", "trace1", "trace2", "trace3"];

function streamName({ title, rate }) {
  const said = rate ? `${short(rate)} Hz` : "uneven times";
  return title.includes(said) ? title : `${title} · ${said}`;
}

class Signals {
  constructor(model, el) {
    Object.assign(this, { model, el, ask: asker(model), view: { begin: 0, end: 1, together: false }, stream: null, values: null });
    this.canvas = sharpCanvas({ class: "fuse-plot", tabindex: "0", role: "application", "aria-roledescription": "plot",
      "aria-label": "Traces. Arrow keys pan, plus and minus zoom, Home and End go to the ends, 0 shows all." }, (...given) => this.paint(...given));
    this.bars();
    this.listen();
    this.note = h("p", { class: "fuse-status", role: "status" });
    this.readout = h("p", { class: "fuse-readout", "aria-hidden": "true" });
    this.picker = h("details", { class: "fuse-channels" });
    const plot = h("div", { class: "fuse-plot-box" }, this.canvas, this.readout);
    this.main = h("div", { hidden: true }, this.bar, this.picker, plot, this.note);
    el.append(this.main, problemBox(model));
    follow(model, ["streams"], () => this.load());
    follow(model, ["shown", "refining", "busy"], () => this.take());
  }

  bars() {
    const view = (factor, shift) => () => this.zoom(factor, shift);
    this.streams = h("select", { class: "fuse-input", "aria-label": "Stream", onchange: () => this.pickStream(Number(this.streams.value)) });
    this.sweep = h("input", { type: "number", class: "fuse-input fuse-number", min: 1, value: 1, "aria-label": "Sweep", onchange: () => this.request() });
    this.sweeps = h("label", { class: "fuse-row" }, "Sweep", this.sweep);
    const time = (label) => h("input", { type: "number", step: "any", class: "fuse-input fuse-number", "aria-label": label, onchange: () => this.typed() });
    this.from = time("First second shown");
    this.to = time("Last second shown");
    this.together = h("input", { type: "checkbox", onchange: () => { this.view.together = this.together.checked; this.canvas.repaint(); } });
    this.bar = h("div", { class: "fuse-row fuse-tools", role: "group", "aria-label": "Window" },
      this.streams, this.sweeps,
      sign("◀", "Earlier", view(1, -0.5)), sign("▶", "Later", view(1, 0.5)), sign("−", "Zoom out", view(2, 0)), sign("+", "Zoom in", view(0.5, 0)),
      h("button", { type: "button", class: "fuse-button", onclick: () => this.whole() }, "All"),
      h("span", { class: "fuse-row fuse-window" }, this.from, "to", this.to, "s"),
      h("label", { class: "fuse-check" }, this.together, "same scale"));
  }

  load() {
    const streams = this.model.get("streams");
    this.main.hidden = !streams.length;
    delete this.canvas.dataset.drawn;
    if (!streams.length) return;
    fill(this.streams, streams.map((stream, i) => h("option", { value: i }, streamName(stream))));
    this.streams.hidden = streams.length < 2;
    this.values = null;
    this.useStream(0);
    this.listChannels();
    this.request();
  }

  useStream(number) {
    this.number = number;
    this.stream = this.model.get("streams")[number];
    this.channels = this.stream.channels.map((_, i) => i).slice(0, 12);
    [this.view.begin, this.view.end] = this.stream.first;
    this.sweep.max = this.stream.sweeps;
    this.sweep.value = 1;
    this.sweeps.hidden = this.stream.sweeps < 2;
  }

  pickStream(number) {
    this.useStream(number);
    this.values = null;
    this.listChannels();
    this.request();
  }

  listChannels() {
    const { channels, units } = this.stream;
    const boxes = channels.map((name, i) => {
      const box = h("input", { type: "checkbox", checked: this.channels.includes(i), onchange: () => {
        this.channels = box.checked ? [...this.channels, i].sort((a, b) => a - b) : this.channels.filter((c) => c !== i);
        this.head();
        this.request();
      } });
      return h("label", { class: "fuse-check" }, box, units[i] ? `${name} (${units[i]})` : name);
    });
    const filter = h("input", { type: "search", class: "fuse-input", placeholder: "Filter channels", "aria-label": "Filter channels",
      oninput: () => boxes.forEach((box) => (box.hidden = !box.textContent.toLowerCase().includes(filter.value.toLowerCase()))) });
    this.summary = h("summary");
    fill(this.picker, this.summary, channels.length > 12 && filter, h("div", { class: "fuse-channel-list" }, boxes));
    this.head();
  }

  head() {
    const all = this.stream.channels.length, few = Math.min(this.channels.length, 64);
    this.summary.textContent = `Channels: ${few} of ${all} shown${this.channels.length > 64 ? " (at most 64 at a time)" : ""}`;
    this.canvas.style.height = `${Math.max(220, Math.min(900, few * 46 + TOP + BOTTOM))}px`;
  }

  take() {
    const shown = this.model.get("shown");
    if (shown.mode && shown.stream === this.number) {
      const data = this.model.get("data");
      this.shown = shown;
      this.values = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
      this.note.textContent = this.remark(shown);
      this.canvas.dataset.drawn = `${shown.begin},${shown.end}`;
    }
    this.main.dataset.busy = this.model.get("busy");
    this.canvas.repaint();
  }

  remark(shown) {
    if (shown.exact) return "";
    const share = this.model.get("refining");
    return share >= 0
      ? `A long recording: samples were skipped for this first view; the exact one is ${Math.round(share * 100)} % read.`
      : "A long recording: samples were skipped for this view, so short peaks may be missing. Zoom in to see them all.";
  }

  request() {
    const { begin, end } = this.view;
    for (const [box, value] of [[this.from, begin], [this.to, end]]) if (document.activeElement !== box) box.value = Number(value.toPrecision(9));
    const width = Math.max(64, Math.min(4096, Math.round(this.canvas.clientWidth - GUTTER - RIGHT) || 900));
    this.ask({ stream: this.number, sweep: Number(this.sweep.value || 1) - 1, channels: this.channels.slice(0, 64), begin, end, width });
    this.canvas.repaint();
  }

  typed() {
    const begin = Number(this.from.value), end = Number(this.to.value);
    if (!(end > begin)) return;
    this.setWindow(begin, end);
  }

  /** Move to a window, kept within the recording. */
  setWindow(begin, end) {
    const { begin: first, end: last, rate, samples } = this.stream;
    const least = rate ? 8 / rate : ((last - first) * 8) / Math.max(8, samples);
    const wide = Math.min(Math.max(end - begin, Math.min(least, last - first)), last - first);
    const start = Math.min(Math.max((begin + end - wide) / 2, first), last - wide);
    Object.assign(this.view, { begin: start, end: start + wide });
    this.request();
  }

  /** Widen by `factor` around a place (0 to 1) and shift by a share of the window. */
  zoom(factor, shift, around = 0.5) {
    const wide = this.view.end - this.view.begin, next = wide * factor;
    const begin = this.view.begin + (wide - next) * around + shift * wide;
    this.setWindow(begin, begin + next);
  }

  whole() {
    this.setWindow(this.stream.begin, this.stream.end);
  }

  share(event) {
    const box = this.canvas.getBoundingClientRect();
    return (event.clientX - box.left - GUTTER) / Math.max(1, box.width - GUTTER - RIGHT);
  }

  listen() {
    const canvas = this.canvas;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { share: this.share(event), ...this.view };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.read(event);
      const moved = (drag.share - this.share(event)) * (drag.end - drag.begin);
      this.setWindow(drag.begin + moved, drag.end + moved);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (drag = null));
    canvas.addEventListener("pointerleave", () => (this.readout.textContent = ""));
    canvas.addEventListener("dblclick", (event) => this.zoom(0.5, 0, this.share(event)));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("resized", () => this.stream && this.request());
  }

  wheel(event) {
    // Until the plot has the focus, the wheel scrolls the page.
    if (document.activeElement !== this.canvas && !event.ctrlKey) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.zoom(1, event.deltaX / 800);
    else if (event.shiftKey) this.zoom(1, event.deltaY / 800);
    else this.zoom(2 ** (event.deltaY / 300), 0, Math.min(1, Math.max(0, this.share(event))));
  }

  key(event) {
    const wide = this.view.end - this.view.begin;
    const actions = {
      ArrowLeft: () => this.zoom(1, -0.1), ArrowRight: () => this.zoom(1, 0.1), PageUp: () => this.zoom(1, -1), PageDown: () => this.zoom(1, 1),
      ArrowUp: () => this.zoom(0.5, 0), ArrowDown: () => this.zoom(2, 0), "+": () => this.zoom(0.5, 0), "=": () => this.zoom(0.5, 0), "-": () => this.zoom(2, 0),
      Home: () => this.setWindow(this.stream.begin, this.stream.begin + wide), End: () => this.setWindow(this.stream.end - wide, this.stream.end), 0: () => this.whole(),
    };
    if (!actions[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  read(event) {
    const share = this.share(event);
    if (!this.values || share < 0 || share > 1) return (this.readout.textContent = "");
    const time = this.view.begin + share * (this.view.end - this.view.begin);
    const found = valuesAt(this.shown, this.values, time).slice(0, 6).map((pair, lane) => {
      const channel = this.shown.channels[lane];
      if (!pair) return null;
      const text = pair[0] === pair[1] ? short(pair[0]) : `${short(pair[0])} … ${short(pair[1])}`;
      return `${this.stream.channels[channel]} ${text}${this.stream.units[channel] ? ` ${this.stream.units[channel]}` : ""}`;
    });
    this.readout.textContent = [`${Number(time.toPrecision(7))} s`, ...found.filter(Boolean)].join("   ");
  }

  paint(context, width, height) {
    if (!this.stream) return;
    drawTraces(context, width, height, { view: this.view, shown: this.shown ?? {}, values: this.values, stream: this.stream, marks: this.model.get("marks"), ink: colours(this.el, INK) });
  }
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-signals");
    const signals = new Signals(model, el);
    return () => signals.canvas.forget();
  },
};
