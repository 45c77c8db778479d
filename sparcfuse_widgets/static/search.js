import { count, debounce, fill, follow, h, humanSize, problemBox, put } from "./dom.js";

const SOURCES = [["pennsieve", "SPARC online"], ["demo", "Demo"], ["folder", "Folder"]];
let groups = 0;

function sourcePicker(model) {
  const name = `fuse-source-${++groups}`;
  const radios = SOURCES.map(([value, label]) =>
    h("label", { class: "fuse-segment" },
      h("input", { type: "radio", name, value, onchange: () => put(model, { source: value, chosen: "" }) }),
      h("span", {}, label)));
  const path = h("input", { type: "text", class: "fuse-input", "aria-label": "Path of the folder", placeholder: "/path/to/dataset", spellcheck: "false" });
  const open = (event) => {
    event.preventDefault();
    put(model, { folder: path.value });
  };
  const form = h("form", { class: "fuse-row", onsubmit: open }, path, h("button", { class: "fuse-button" }, "Open"));
  follow(model, ["source", "folder"], () => {
    radios.forEach((label, i) => (label.firstChild.checked = SOURCES[i][0] === model.get("source")));
    form.hidden = model.get("source") !== "folder";
    path.value = model.get("folder");
  });
  return h("fieldset", { class: "fuse-sources" }, h("legend", { class: "fuse-hidden" }, "Catalogue"), h("div", { class: "fuse-segments" }, radios), form);
}

function searchBox(model) {
  const send = () => {
    later.cancel();
    if (input.value === model.get("text")) model.send({ do: "search", offset: 0 });
    else put(model, { text: input.value });
  };
  const later = debounce(() => input.value !== model.get("text") && put(model, { text: input.value }), 350);
  const input = h("input", { type: "search", class: "fuse-input", "aria-label": "Search datasets", placeholder: "Search: vagus, electromyography, 224 …", oninput: later });
  input.value = model.get("text");
  return h("form", { class: "fuse-row", role: "search", onsubmit: (event) => { event.preventDefault(); send(); } },
    input, h("button", { class: "fuse-button fuse-primary" }, "Search"));
}

function card(model, item) {
  const facts = [`#${item.id}`, item.version && `version ${item.version}`, item.file_count && count(item.file_count, "file"), item.size && humanSize(item.size)];
  const chosen = model.get("chosen") === item.id;
  return h("li", {},
    h("button", { type: "button", class: "fuse-card", "aria-current": chosen ? "true" : null, onclick: () => model.send({ do: "choose", id: item.id }) },
      h("span", { class: "fuse-card-name" }, item.name ?? `Dataset ${item.id}`),
      h("span", { class: "fuse-card-facts" }, facts.filter(Boolean).join(" · ")),
      item.description && h("span", { class: "fuse-card-text" }, item.description)));
}

function nothing(model) {
  if (model.get("busy") || model.get("problem")?.message) return null;
  if (model.get("total") < 0) return model.get("source") === "folder" ? h("p", { class: "fuse-empty" }, "Type the path of a folder with data, then press Open.") : null;
  if (model.get("total") > 0) return null;
  const text = model.get("text");
  return h("p", { class: "fuse-empty" }, text ? `No dataset matches “${text}”. Try fewer or other words.` : "There is no dataset here.");
}

function pager(model) {
  const nav = h("nav", { class: "fuse-pager", "aria-label": "Pages of results" });
  follow(model, ["offset", "total", "limit"], () => {
    const { offset, total, limit } = { offset: model.get("offset"), total: model.get("total"), limit: model.get("limit") };
    nav.hidden = total <= limit;
    const go = (to) => () => model.send({ do: "search", offset: to });
    fill(nav,
      h("button", { type: "button", class: "fuse-button", disabled: offset <= 0, onclick: go(Math.max(0, offset - limit)) }, "Previous"),
      h("span", {}, `${Math.floor(offset / limit) + 1} of ${Math.max(1, Math.ceil(total / limit))}`),
      h("button", { type: "button", class: "fuse-button", disabled: offset + limit >= total, onclick: go(offset + limit) }, "Next"));
  });
  return nav;
}

function retry(model) {
  return () => model.send({ do: "search", offset: model.get("offset") });
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-search");
    const status = h("p", { role: "status", class: "fuse-status" });
    const list = h("ul", { class: "fuse-cards", "aria-label": "Datasets" });
    const empty = h("div");
    el.append(h("h2", {}, "Find a dataset"), sourcePicker(model), searchBox(model), status, problemBox(model, retry(model)), empty, list, pager(model));
    follow(model, ["items", "total", "busy", "chosen", "problem"], () => {
      const total = model.get("total"), busy = model.get("busy");
      status.textContent = busy ? "Searching …" : total > 0 ? count(total, "dataset") : "";
      list.setAttribute("aria-busy", busy);
      fill(empty, nothing(model));
      const held = document.activeElement?.closest?.(".fuse-cards") === list ? [...list.children].indexOf(document.activeElement.parentNode) : -1;
      fill(list, model.get("items").map((item) => card(model, item)));
      if (held >= 0) list.children[held]?.firstChild.focus();
    });
  },
};
