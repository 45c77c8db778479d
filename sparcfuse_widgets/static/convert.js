import { count, fill, follow, h, humanSize, problemBox, put } from "./dom.js";

const FORMATS = [["zarr", "Zarr (folder)"], ["zarr.zip", "Zarr (one zip file)"], ["npz", "NumPy .npz"], ["mat", "MATLAB .mat"]];
const WORDS = { ok: "done", waiting: "waiting", running: "converting", skipped: "there already", failed: "failed", unsupported: "no reader", ambiguous: "needs a choice", cancelled: "stopped" };
const busyNow = (model) => ["queued", "running"].includes(model.get("state"));

function form(model) {
  const format = h("select", { class: "fuse-input", onchange: (event) => put(model, { file_format: event.target.value }) }, FORMATS.map(([value, label]) => h("option", { value }, label)));
  const folder = h("input", { type: "text", class: "fuse-input", spellcheck: "false", onchange: (event) => put(model, { output_dir: event.target.value }) });
  const over = h("input", { type: "checkbox", onchange: (event) => put(model, { overwrite: event.target.checked }) });
  const start = h("button", { type: "button", class: "fuse-button fuse-primary", onclick: () => { put(model, { output_dir: folder.value }); model.send({ do: "convert" }); } });
  const stop = h("button", { type: "button", class: "fuse-button", onclick: () => model.send({ do: "cancel" }) }, "Cancel");
  const resume = h("button", { type: "button", class: "fuse-button", onclick: () => model.send({ do: "resume" }) }, "Resume");
  const why = h("p", { class: "fuse-status", role: "status" });
  follow(model, ["file_format", "output_dir", "overwrite", "count", "nbytes", "blockers", "state"], () => {
    format.value = model.get("file_format");
    if (document.activeElement !== folder) folder.value = model.get("output_dir");
    over.checked = model.get("overwrite");
    const files = model.get("count"), size = model.get("nbytes"), blockers = model.get("blockers");
    start.textContent = files ? `Convert ${count(files, "file")}${size ? ` (${humanSize(size)})` : ""}` : "Convert";
    start.disabled = blockers.length > 0 || busyNow(model);
    stop.hidden = !busyNow(model);
    resume.hidden = !["failed", "cancelled"].includes(model.get("state"));
    why.textContent = busyNow(model) ? "" : blockers.join(" ");
  });
  return h("div", { class: "fuse-form" },
    h("label", {}, h("span", {}, "Format"), format),
    h("label", { class: "fuse-grow" }, h("span", {}, "Output folder"), folder),
    h("label", { class: "fuse-check" }, over, h("span", {}, "Overwrite")),
    h("div", { class: "fuse-row" }, start, stop, resume), why);
}

function share(row) {
  if (!["waiting", "running"].includes(row.status)) return 1;
  const part = row.total ? row.done / row.total : 0;
  return row.phase === "download" ? part / 2 : row.phase ? 0.5 + part / 2 : 0;
}

function fileRow(row) {
  const word = row.status === "running" && row.phase === "download" ? "fetching" : WORDS[row.status] ?? row.status;
  return h("li", {},
    h("span", { class: "fuse-file-name", title: row.rel_path }, row.rel_path.split("/").at(-1)),
    h("progress", { max: 1, value: share(row), "aria-label": row.rel_path }),
    h("span", { class: `fuse-chip fuse-${row.status}` }, word));
}

function headline(model) {
  const state = model.get("state"), counts = model.get("counts");
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const good = (counts.ok ?? 0) + (counts.skipped ?? 0);
  const bad = (counts.failed ?? 0) + (counts.unsupported ?? 0) + (counts.ambiguous ?? 0);
  if (state === "queued") return "Waiting for a free worker …";
  if (state === "running") return all ? `${good + bad} of ${count(all, "file")} through` : "Starting …";
  if (state === "cancelled") return `Stopped; ${count(good, "file")} converted.`;
  if (state === "failed") return "The conversion failed.";
  return `${count(good, "file")} converted${bad ? `, ${bad} not` : ""}.`;
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-convert");
    const line = h("p", { class: "fuse-headline", role: "status" });
    const bar = h("progress", { max: 1, value: 0, class: "fuse-overall", "aria-label": "Overall progress" });
    const files = h("ul", { class: "fuse-progress-list", "aria-label": "Progress of each file" });
    const run = h("div", { class: "fuse-run", hidden: true }, line, bar, files);
    el.append(h("h2", {}, "Convert"), form(model), problemBox(model), run);
    follow(model, ["state", "rows", "counts", "done", "total"], () => {
      const state = model.get("state"), total = model.get("total");
      run.hidden = !state;
      run.dataset.state = state;
      const text = state ? headline(model) : "";
      if (line.textContent !== text) line.textContent = text;
      bar.value = state === "done" ? 1 : total ? model.get("done") / total : 0;
      files.hidden = !busyNow(model);
      if (busyNow(model)) fill(files, model.get("rows").map(fileRow));
    });
  },
};
