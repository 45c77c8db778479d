import { fill, follow, h } from "./dom.js";

const LABELS = { time_column: "Time column", time: "Time vector", rate: "Rate (Hz)", time_unit: "Unit of time", units: "Units of the channels", orientation: "Channels are in", signals: "Signals" };
const TIME_UNITS = [["s", "seconds"], ["ms", "milliseconds"], ["us", "microseconds"], ["ns", "nanoseconds"], ["min", "minutes"], ["h", "hours"], ["d", "days"]];
const WAYS = [["columns", "columns (time runs down)"], ["rows", "rows (time runs to the right)"]];
const AS_IT_SAYS = ["", "as the file says"];

function choice(options) {
  return h("select", { class: "fuse-input" }, [AS_IT_SAYS, ...options].map(([value, label]) => h("option", { value }, label)));
}

function ticks(names) {
  const boxes = names.map((name) => h("input", { type: "checkbox", value: name }));
  const node = h("div", { class: "fuse-tell-names" }, boxes.map((box, i) => h("label", { class: "fuse-check" }, box, h("span", {}, names[i]))));
  return { node, read: () => boxes.filter((box) => box.checked).map((box) => box.value), write: (held) => boxes.forEach((box) => (box.checked = (held ?? []).includes(box.value))) };
}

function field(key, form) {
  if (key === "signals") return ticks(form.names);
  const node = key === "rate" ? h("input", { type: "text", inputmode: "decimal", class: "fuse-input", placeholder: "1000" })
    : key === "units" ? h("input", { type: "text", class: "fuse-input", placeholder: "mV, or one for each: mV, g" })
      : choice(key === "time_unit" ? TIME_UNITS : key === "orientation" ? WAYS : form.names.map((name) => [name, name]));
  return { node, read: () => node.value, write: (held) => (node.value = held ?? "") };
}

function labelled(key, part) {
  if (key === "signals") return h("fieldset", { class: "fuse-tell-signals" }, h("legend", {}, `${LABELS[key]} (those that fit when none is ticked)`), part.node);
  return h("label", {}, h("span", {}, LABELS[key]), part.node);
}

function answers(model, form) {
  const parts = Object.fromEntries(form.fields.filter((key) => key !== "signals" || form.names.length).map((key) => [key, field(key, form)]));
  follow(model, ["answers"], () => Object.entries(parts).forEach(([key, part]) => part.write(model.get("answers")[key])));
  const send = (event) => {
    event.preventDefault();
    model.send({ do: "tell", values: Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, part.read()])) });
  };
  return h("form", { class: "fuse-form", onsubmit: send, "aria-label": "How to read this file" },
    Object.entries(parts).map(([key, part]) => labelled(key, part)),
    h("div", { class: "fuse-row" }, h("button", { type: "submit", class: "fuse-button fuse-primary" }, "Preview with this"),
      h("button", { type: "button", class: "fuse-button", onclick: () => model.send({ do: "untell" }) }, "As the file says")));
}

function keeping(model, form) {
  const name = h("input", { type: "text", class: "fuse-input", spellcheck: "false", value: form.name });
  const pattern = h("input", { type: "text", class: "fuse-input", spellcheck: "false", value: form.pattern });
  const send = (event) => {
    event.preventDefault();
    model.send({ do: "save", name: name.value, pattern: pattern.value });
  };
  return h("form", { class: "fuse-form", onsubmit: send, "aria-label": "Save as recipe" },
    h("label", { class: "fuse-tell-wide" }, h("span", {}, "Name of the recipe"), name),
    h("label", { class: "fuse-tell-wide" }, h("span", {}, "For files named"), pattern),
    h("button", { type: "submit", class: "fuse-button" }, "Save as recipe"));
}

/** A form that tells how to read a file that does not say it, and keeps the answers as a recipe. */
export function tellForm(model) {
  const box = h("details", { class: "fuse-tell", hidden: true }), inner = h("div", { class: "fuse-tell-forms" });
  const said = h("p", { class: "fuse-status", role: "status" });
  box.append(h("summary", {}, "Tell how to read this file"), inner, said);
  let drawn = "";
  follow(model, ["form"], () => {
    const { open, ...form } = model.get("form");
    box.hidden = !form.fields?.length;
    if (open) box.open = true;
    if (JSON.stringify(form) === drawn) return; // who is at work in the form stays where they are
    drawn = JSON.stringify(form);
    fill(inner, box.hidden ? null : [answers(model, form), keeping(model, form)]);
  });
  follow(model, ["said"], () => (said.textContent = model.get("said")));
  return box;
}
