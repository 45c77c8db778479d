import { count, fill, follow, h, humanSize, problemBox } from "./dom.js";

function versionPicker(model, card) {
  const versions = model.get("versions");
  if (versions.length < 2) return card.version ? h("span", {}, `version ${card.version}`) : null;
  const options = versions.map((row, i) =>
    h("option", { value: String(row.version), selected: row.version === card.version }, `version ${row.version}${i === 0 ? " (latest)" : ""}`));
  const choose = (event) => model.send({ do: "version", version: Number(event.target.value) });
  return h("select", { class: "fuse-input fuse-version", "aria-label": "Version", disabled: model.get("busy"), onchange: choose }, options);
}

function facts(card) {
  const doi = card.doi && h("a", { href: `https://doi.org/${encodeURI(card.doi)}`, target: "_blank", rel: "noopener noreferrer" }, card.doi);
  const rows = [
    ["Size", card.size && humanSize(card.size)],
    ["Files", card.file_count && count(card.file_count, "file")],
    ["DOI", doi],
    ["Licence", card.license],
    ["Updated", card.updated?.slice(0, 10)],
    ["Authors", card.contributors?.slice(0, 6).join(", ") + (card.contributors?.length > 6 ? " …" : "")],
  ];
  return h("dl", { class: "fuse-facts" }, rows.filter(([, value]) => value && value !== "undefined").map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-dataset");
    const head = h("div");
    const again = () => model.send({ do: "version", version: model.get("card").version ?? null });
    el.append(head, problemBox(model, again));
    follow(model, ["card", "versions", "busy"], () => {
      const card = model.get("card"), busy = model.get("busy");
      if (!card.id) {
        fill(head, h("h2", {}, "Files"), h("p", { class: "fuse-empty", role: "status" }, busy ? "Opening the dataset …" : "Choose a dataset to see its files."));
        return;
      }
      fill(head,
        h("h2", {}, card.name ?? `Dataset ${card.id}`),
        h("div", { class: "fuse-row fuse-identity" }, h("span", {}, `#${card.id}`), versionPicker(model, card), busy && h("span", { role: "status" }, "Loading files …")),
        facts(card),
        card.description && h("details", { class: "fuse-description" }, h("summary", {}, "Description"), h("p", {}, card.description)));
    });
  },
};
