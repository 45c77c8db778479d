// Drawing of traces: what the kernel sent (`shown` and `values`) into a window of time that may have moved on since.
import { short } from "./dom.js";

export const GUTTER = 96, TOP = 20, BOTTOM = 34, RIGHT = 10;

/** Places of round numbers between two limits, about `wanted` of them. */
export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const marks = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9 && marks.length < 100; k++) marks.push(k * step);
  return { marks, step };
}

/** Text of a time tick, with as many digits as its step needs. */
export function tickText(value, step) {
  const digits = Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9)));
  return Math.abs(value) < step / 1e6 ? "0" : value.toFixed(digits);
}

/** Lowest and highest value of a row of what was sent, within columns `from` to `to`. */
function reach(values, start, stop) {
  let low = Infinity, high = -Infinity;
  for (let i = start; i < stop; i++) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** Limits of the y axis of each lane; with `together`, lanes of one unit share them. */
export function limits(shown, values, units, together) {
  const wide = shown.mode === "points" ? shown.columns : shown.columns * 2;
  const first = shown.mode === "points" ? wide : 0;
  const own = shown.channels.map((_, lane) => reach(values, first + lane * wide, first + (lane + 1) * wide));
  const shared = new Map();
  if (together) {
    own.forEach((pair, lane) => {
      const unit = units[shown.channels[lane]] ?? "";
      const held = shared.get(unit);
      if (pair) shared.set(unit, held ? [Math.min(held[0], pair[0]), Math.max(held[1], pair[1])] : pair);
    });
  }
  return own.map((pair, lane) => {
    const [low, high] = (together && shared.get(units[shown.channels[lane]] ?? "")) || pair || [0, 1];
    return low === high ? [low - (Math.abs(low) || 1) * 0.5, high + (Math.abs(high) || 1) * 0.5] : [low, high];
  });
}

function tracePoints(context, shown, values, lane, xOf, yOf) {
  const count = shown.columns;
  for (let i = 0, pen = false; i < count; i++) {
    const value = values[(lane + 1) * count + i];
    if (Number.isNaN(value)) { pen = false; continue; }
    const x = xOf(shown.begin + values[i]);
    if (pen) context.lineTo(x, yOf(value));
    else context.moveTo(x, yOf(value));
    pen = true;
  }
}

function traceColumns(context, shown, values, lane, xOf, yOf) {
  const step = (shown.end - shown.begin) / shown.columns, start = lane * shown.columns * 2;
  for (let i = 0, pen = false; i < shown.columns; i++) {
    const low = values[start + 2 * i], high = values[start + 2 * i + 1];
    if (Number.isNaN(low)) {
      pen = pen && !shown.exact; // skipped samples are no gap; a gap of the recording is
      continue;
    }
    const x = xOf(shown.begin + (i + 0.5) * step);
    if (pen) context.lineTo(x, yOf(high));
    else context.moveTo(x, yOf(high));
    context.lineTo(x, yOf(low));
    pen = true;
  }
}

function drawAxis(context, place, width, height, ink) {
  const { marks, step } = ticks(place.begin, place.end, (width - GUTTER) / 90);
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const mark of marks) {
    const x = Math.round(place.xOf(mark)) + 0.5;
    context.strokeStyle = ink.grid;
    context.beginPath();
    context.moveTo(x, TOP);
    context.lineTo(x, height - BOTTOM);
    context.stroke();
    context.fillStyle = ink.muted;
    context.fillText(tickText(mark, step), x, height - BOTTOM + 4);
  }
  context.fillStyle = ink.ink;
  context.fillText("Time (s)", (GUTTER + width - RIGHT) / 2, height - 15);
}

function drawLane(context, lane, name, unit, [low, high], width, ink) {
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = ink.ink;
  const middle = (lane.top + lane.bottom) / 2, tall = lane.bottom - lane.top;
  context.fillText(name.length > 12 ? `${name.slice(0, 11)}…` : name, GUTTER - 8, middle - (unit ? 6 : 0), GUTTER - 12);
  context.fillStyle = ink.muted;
  if (unit) context.fillText(`(${unit})`, GUTTER - 8, middle + 8, GUTTER - 12);
  if (tall > 42) {
    context.fillText(short(high), GUTTER - 8, lane.top + 6, GUTTER - 12);
    context.fillText(short(low), GUTTER - 8, lane.bottom - 6, GUTTER - 12);
  }
  context.strokeStyle = ink.grid;
  context.beginPath();
  context.moveTo(GUTTER, lane.bottom + 0.5);
  context.lineTo(width - RIGHT, lane.bottom + 0.5);
  context.stroke();
}

function drawEvents(context, marks, place, height, ink) {
  context.textAlign = "left";
  context.textBaseline = "top";
  let free = GUTTER;
  for (const [time, label, duration] of marks) {
    if (time + duration < place.begin || time > place.end) continue;
    const x = Math.max(GUTTER, place.xOf(time));
    if (duration > 0) {
      context.globalAlpha = 0.12;
      context.fillStyle = ink.event;
      context.fillRect(x, TOP, place.xOf(Math.min(place.end, time + duration)) - x, height - BOTTOM - TOP);
      context.globalAlpha = 1;
    }
    context.strokeStyle = ink.event;
    context.beginPath();
    context.moveTo(Math.round(x) + 0.5, TOP - 4);
    context.lineTo(Math.round(x) + 0.5, height - BOTTOM);
    context.stroke();
    const text = label.length > 24 ? `${label.slice(0, 23)}…` : label;
    if (text && x + 3 >= free) {
      context.fillStyle = ink.event;
      context.fillText(text, x + 3, 3);
      free = x + 3 + context.measureText(text).width + 8;
    }
  }
}

/** Draw everything. `view` is {begin, end, together}; `stream` the card of the stream. */
export function drawTraces(context, width, height, { view, shown, values, stream, marks, ink }) {
  context.clearRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  const scale = (width - GUTTER - RIGHT) / (view.end - view.begin);
  const place = { ...view, xOf: (time) => GUTTER + (time - view.begin) * scale };
  drawAxis(context, place, width, height, ink);
  if (!values || !shown.channels?.length) return;
  const reaches = limits(shown, values, stream.units, view.together);
  const tall = (height - TOP - BOTTOM) / shown.channels.length;
  const trace = shown.mode === "points" ? tracePoints : traceColumns;
  shown.channels.forEach((channel, number) => {
    const lane = { top: TOP + number * tall, bottom: TOP + (number + 1) * tall };
    drawLane(context, lane, stream.channels[channel], stream.units[channel], reaches[number], width, ink);
    const [low, high] = reaches[number], inner = tall * 0.9;
    const yOf = (value) => lane.bottom - tall * 0.05 - ((value - low) / (high - low)) * inner;
    context.save();
    context.beginPath();
    context.rect(GUTTER, TOP, width - GUTTER - RIGHT, height - TOP - BOTTOM);
    context.clip();
    context.strokeStyle = ink[`trace${number % 4}`];
    context.lineJoin = "round";
    context.beginPath();
    trace(context, shown, values, number, place.xOf, yOf);
    context.stroke();
    context.restore();
  });
  drawEvents(context, marks, place, height, ink);
}

/** Value of each lane at a time: [low, high], or null where there is none. */
export function valuesAt(shown, values, time) {
  if (shown.mode === "points") {
    let near = -1, far = Infinity;
    for (let i = 0; i < shown.columns; i++) {
      const off = Math.abs(shown.begin + values[i] - time);
      if (off < far) [near, far] = [i, off];
    }
    return shown.channels.map((_, lane) => (near < 0 ? null : [values[(lane + 1) * shown.columns + near], values[(lane + 1) * shown.columns + near]]));
  }
  const column = Math.floor(((time - shown.begin) / (shown.end - shown.begin)) * shown.columns);
  if (column < 0 || column >= shown.columns) return shown.channels.map(() => null);
  return shown.channels.map((_, lane) => {
    const start = (lane * shown.columns + column) * 2;
    return Number.isNaN(values[start]) ? null : [values[start], values[start + 1]];
  });
}
