// A list of paths as a tree with ticks: no page is needed to use it.

/** Nodes {name, path, depth, parent, kids, file, size, free, ticked} from parallel lists; `free` counts tickable files. */
export function makeTree(paths, sizes, notes) {
  const root = { name: "", path: "", depth: 0, parent: null, kids: [], file: -1, size: 0, free: 0, ticked: 0, open: true, byName: new Map() };
  const leaves = paths.map((path, index) => {
    const parts = path.split("/");
    let node = root;
    for (const part of parts.slice(0, -1)) node = folder(node, part);
    const leaf = { name: parts.at(-1), path, depth: node.depth + 1, parent: node, kids: null, file: index, size: Number(sizes[index]) || 0, note: notes[index] ?? "", free: notes[index] ? 0 : 1, ticked: 0 };
    node.kids.push(leaf);
    for (let up = node; up; up = up.parent) {
      up.size += leaf.size;
      up.free += leaf.free;
    }
    return leaf;
  });
  order(root);
  return { root, leaves };
}

function folder(parent, name) {
  let node = parent.byName.get(name);
  if (!node) {
    node = { name, path: parent.path ? `${parent.path}/${name}` : name, depth: parent.depth + 1, parent, kids: [], file: -1, size: 0, free: 0, ticked: 0, open: false, byName: new Map() };
    parent.byName.set(name, node);
    parent.kids.push(node);
  }
  return node;
}

const naturally = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function order(node) {
  node.kids.sort((a, b) => (a.kids ? 0 : 1) - (b.kids ? 0 : 1) || naturally.compare(a.name, b.name));
  for (const kid of node.kids) if (kid.kids) order(kid);
}

/** Open folders from the top until about `rows` rows are to be seen. */
export function openSome(root, rows = 40) {
  let level = [root], seen = root.kids.length;
  while (level.length) {
    const next = level.flatMap((node) => node.kids.filter((kid) => kid.kids));
    const more = next.reduce((sum, node) => sum + node.kids.length, 0);
    if (seen + more > rows && next.length > 1) return;
    next.forEach((node) => (node.open = true));
    seen += more;
    level = next;
  }
}

/** Mark which nodes a filter keeps: those whose path holds all its words, and the folders above them. */
export function filterTree(root, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const visit = (node) => {
    if (!node.kids) return (node.kept = words.every((word) => node.path.toLowerCase().includes(word)));
    let any = false;
    for (const kid of node.kids) any = visit(kid) || any;
    return (node.kept = any || !node.parent);
  };
  visit(root);
}

/** The rows to be seen from top to bottom; with `all`, folders count as open. */
export function visibleRows(root, all) {
  const rows = [];
  const visit = (node) => {
    const kept = node.kids.filter((kid) => kid.kept !== false);
    kept.forEach((kid, place) => {
      kid.place = place + 1;
      kid.among = kept.length;
      rows.push(kid);
      if (kid.kids && (all || kid.open)) visit(kid);
    });
  };
  visit(root);
  return rows;
}

/** Tick or untick a file, or all kept files below a folder. */
export function tick(node, on) {
  if (!node.kids) tickLeaf(node, on);
  else for (const kid of node.kids) if (kid.kept !== false) tick(kid, on);
}

/** Tick or untick one file, whatever the filter. */
export function tickLeaf(leaf, on) {
  const change = leaf.free ? Number(on) - leaf.ticked : 0;
  if (change) for (let up = leaf; up; up = up.parent) up.ticked += change;
}

/** "true", "false" or "mixed". */
export function tickState(node) {
  return node.ticked === 0 ? "false" : node.ticked === node.free ? "true" : "mixed";
}
