import { fill, follow, h, humanSize, problemBox } from "./dom.js";

const WORDS = { ok: "ok", skipped: "there already", failed: "failed", unsupported: "no reader", ambiguous: "needs a choice", cancelled: "stopped" };

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const area = h("textarea", { style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    area.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
    area.remove();
  }
  button.addEventListener("blur", () => (button.textContent = before), { once: true });
}

function copyButton(label, text) {
  const button = h("button", { type: "button", class: "fuse-button", onclick: () => copy(text, button) }, label);
  return button;
}

function said(row) {
  const lines = [row.error, row.hint, ...(row.warnings ?? [])].filter(Boolean);
  return lines.map((line, i) => h("p", { class: i === 0 && row.error ? "fuse-result-error" : "fuse-result-note" }, line));
}

function result(row) {
  const name = row.path ? row.path.split("/").at(-1) : row.name.split("/").at(-1);
  return h("li", { class: "fuse-result" },
    h("div", { class: "fuse-row" },
      h("span", { class: `fuse-chip fuse-${row.status}` }, WORDS[row.status] ?? row.status),
      h("span", { class: "fuse-result-name", title: row.name }, name),
      row.size > 0 && h("span", { class: "fuse-node-size" }, humanSize(row.size)),
      row.download && h("a", { class: "fuse-button", href: encodeURI(row.download), download: "" }, "Download"),
      row.path && !row.download && copyButton("Copy path", row.path)),
    said(row),
    row.snippet && h("details", {}, h("summary", {}, "Open in Python"), h("pre", { class: "fuse-text" }, row.snippet), copyButton("Copy", row.snippet)));
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-results");
    const list = h("ul", { class: "fuse-result-list", "aria-label": "Results" }), empty = h("p", { class: "fuse-empty" });
    el.append(h("h2", {}, "Results"), problemBox(model, () => model.send({ do: "refresh" })), empty, list);
    follow(model, ["rows", "busy"], () => {
      const rows = model.get("rows");
      const open = new Set([...list.querySelectorAll("details[open]")].map((node) => node.closest("li").dataset.key));
      empty.hidden = rows.length > 0;
      empty.textContent = model.get("busy") ? "Looking …" : "Nothing converted yet. Results appear here, ready to download and to open.";
      fill(list, rows.map((row) => {
        const item = result(row);
        item.dataset.key = row.key;
        if (open.has(row.key)) item.querySelector("details")?.setAttribute("open", "");
        return item;
      }));
    });
  },
};
