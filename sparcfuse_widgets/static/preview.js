import { fill, follow, h, problemBox } from "./dom.js";
import { tellForm } from "./tell.js";

function state(model) {
  const path = model.get("path"), fetched = model.get("fetched");
  if (!path) return h("p", { class: "fuse-empty" }, "Click a file to look at it before you convert it.");
  if (!model.get("busy")) return null;
  const bar = fetched >= 0 && fetched < 1 ? h("progress", { max: 1, value: fetched, "aria-label": "Fetching the file" }) : null;
  return h("div", { class: "fuse-row" },
    h("span", { role: "status" }, fetched >= 0 && fetched < 1 ? `Fetching … ${Math.round(fetched * 100)} %` : "Opening …"), bar,
    h("button", { type: "button", class: "fuse-button", onclick: () => model.send({ do: "cancel" }) }, "Stop"));
}

// The address of the picture that is shown; the one before is let go of.
function address(model, held) {
  if (held.url) URL.revokeObjectURL(held.url);
  const bytes = model.get("picture");
  held.url = bytes && bytes.byteLength ? URL.createObjectURL(new Blob([bytes], { type: "image/png" })) : "";
  return held.url;
}

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-panel", "fuse-opening");
    const title = h("p", { class: "fuse-path" }), place = h("div"), rest = h("div");
    const recipe = h("p", { class: "fuse-status" });
    el.append(h("h2", {}, "Preview"), title, place, problemBox(model), recipe, tellForm(model), rest);
    const held = { url: "" };
    follow(model, ["path", "busy", "fetched", "notes", "lines", "kind", "recipe", "picture"], () => {
      title.textContent = model.get("path");
      recipe.textContent = model.get("recipe") ? `Read with the recipe ${model.get("recipe")}` : "";
      fill(place, state(model));
      const notes = model.get("notes"), lines = model.get("lines"), text = model.get("kind") === "text";
      const picture = text && address(model, held);
      fill(rest,
        notes.length > 0 && h("details", { class: "fuse-notes" }, h("summary", {}, `${notes.length} note${notes.length === 1 ? "" : "s"} of the reader`), h("ul", {}, notes.map((note) => h("li", {}, note)))),
        picture && h("img", { class: "fuse-picture", src: picture, alt: `Drawing of ${model.get("path")}` }),
        text && h("pre", { class: "fuse-text", tabindex: "0", "aria-label": "Contents" }, lines.join("\n") || "The file holds no text."));
    });
  },
};
