import { h, problemBox } from "./dom.js";

export default {
  render({ model, el }) {
    el.classList.add("fuse", "fuse-header");
    el.append(
      h("header", {},
        h("h1", {}, "SPARC FUSE"),
        h("p", {}, "Look at the recordings and images of a dataset, and convert them into one clean layout.")),
      problemBox(model),
    );
  },
};
