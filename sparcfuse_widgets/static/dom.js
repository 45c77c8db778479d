// Small helpers of all panels. Text from datasets only ever becomes text nodes and attribute values.

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "indeterminate", "selected", "max", "min", "step"]);

/** Make an element: `h("p", {class: "x", onclick: f}, "text", child)`. */
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Replace what an element holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** Bytes as people say them, in powers of 1000. */
export function humanSize(bytes) {
  let size = Number(bytes) || 0;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${unit === "B" || size >= 100 ? Math.round(size) : size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/** "1 file", "3 files". */
export function count(number, noun) {
  return `${Number(number).toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Call `draw` now and whenever one of the traits changes; many changes at once draw once. */
export function follow(model, traits, draw) {
  let planned = false;
  const plan = () => {
    if (planned) return;
    planned = true;
    queueMicrotask(() => {
      planned = false;
      draw();
    });
  };
  for (const trait of traits) model.on(`change:${trait}`, plan);
  draw();
  return () => traits.forEach((trait) => model.off(`change:${trait}`, plan));
}

/** A box that shows the model's `problem` with its hint, and a button to try again. */
export function problemBox(model, retry = null, label = "Try again") {
  const box = h("div", { class: "fuse-problem", role: "alert", hidden: true });
  follow(model, ["problem"], () => {
    const { message, hint } = model.get("problem") ?? {};
    box.hidden = !message;
    fill(
      box,
      message && h("p", { class: "fuse-problem-message" }, message),
      message && hint && h("p", {}, hint),
      message && retry && h("button", { type: "button", class: "fuse-button", onclick: retry }, label),
    );
  });
  return box;
}

/** Set traits and send them. */
export function put(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** Call `action` when calls have stopped coming for a while. */
export function debounce(action, milliseconds) {
  let timer = null;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** The colours that names of the style sheet have here and now, for drawing on a canvas. */
export function colours(el, names) {
  const probe = h("span", { style: "position:absolute;visibility:hidden" });
  el.append(probe);
  const found = {};
  for (const name of names) {
    probe.style.color = `var(--fuse-${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

/** A canvas as sharp as the screen that calls `draw(context, width, height)` when its size or the theme changes. */
export function sharpCanvas(attributes, draw) {
  const canvas = h("canvas", attributes);
  const paint = () => {
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(width * ratio), tall = Math.round(height * ratio);
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(context, width, height);
  };
  let planned = 0;
  canvas.repaint = () => {
    cancelAnimationFrame(planned);
    planned = requestAnimationFrame(paint);
  };
  const sizes = new ResizeObserver(() => {
    canvas.repaint();
    canvas.dispatchEvent(new Event("resized"));
  });
  sizes.observe(canvas);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", canvas.repaint);
  canvas.forget = () => {
    sizes.disconnect();
    scheme.removeEventListener("change", canvas.repaint);
  };
  return canvas;
}

/** Ask the kernel for one thing at a time: what is asked meanwhile waits, and only the last of it is kept. */
export function asker(model) {
  let waiting = null, busy = false, patience = null;
  const send = () => {
    if (busy || !waiting) return;
    busy = true;
    patience = setTimeout(free, 10000); // a new request replaces one that takes longer
    put(model, { asked: waiting });
    waiting = null;
  };
  const free = () => {
    clearTimeout(patience);
    busy = false;
    send();
  };
  model.on("change:shown", free);
  model.on("change:problem", free);
  return (what) => {
    const same = JSON.stringify(what) === JSON.stringify(model.get("asked"));
    waiting = same ? null : what;
    send();
  };
}

/** A button with a sign on it and a name for those who do not see it. */
export function sign(text, name, action) {
  return h("button", { type: "button", class: "fuse-button fuse-sign", "aria-label": name, title: name, onclick: action }, text);
}

/** A number in few characters. */
export function short(value) {
  if (!Number.isFinite(value)) return "";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}
