"use strict";
window.onerror = (message) => { document.body.dataset.failed = message; };
// Charts share their time axis: each is one SVG with the faults behind it.
const width = 1160, left = 90, right = 10, plot = width - left - right;
const end = Math.max(picture.end, 1);
const x = (t) => left + (t / end) * plot;
const names = "http://www.w3.org/2000/svg";
const charts = document.getElementById("charts"), tip = document.getElementById("tip");

function add(parent, name, attributes, title) {
  const e = document.createElementNS(names, name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (title) e.dataset.tip = title;
  parent.appendChild(e);
  return e;
}
function write(svg, at, y, text, anchor) {
  add(svg, "text", { x: at, y: y, "text-anchor": anchor || "start" }).textContent = text;
}
function chart(title, height) {
  const heading = document.createElement("div");
  heading.className = "axis";
  heading.textContent = title;
  charts.appendChild(heading);
  const svg = add(charts, "svg", { viewBox: `0 0 ${width} ${height + 18}` });
  for (const f of picture.faults || []) {
    const to = f.back || end;
    add(svg, "rect", { x: x(f.from), y: 0, width: Math.max(1, x(to) - x(f.from)), height: height, class: "shade" });
  }
  const step = [1, 2, 5, 10, 30, 60, 300, 600, 3600].find((s) => end / 1000 / s <= 15) || 7200;
  for (let s = 0; s * 1000 <= end; s += step) {
    add(svg, "line", { x1: x(s * 1000), x2: x(s * 1000), y1: 0, y2: height, class: "grid" });
    write(svg, x(s * 1000), height + 13, s + " s", "middle");
  }
  return svg;
}
function seconds(t) { return (t / 1000).toFixed(2) + " s"; }
function hue(text) {
  let h = 0;
  for (const c of text) h = (h * 31 + c.charCodeAt(0)) % 65536;
  return (h * 137.5) % 360; // names that follow each other get colours far apart
}

// rows draws spans, one row for each name.
function rows(title, spans, draw) {
  const order = [...new Set(spans.map((s) => s.row))];
  const tall = order.length > 30 ? 8 : 16;
  const svg = chart(title, Math.max(1, order.length) * tall);
  order.forEach((row, i) => { if (tall > 10 || i % 2 === 0) write(svg, left - 6, i * tall + tall - 1, row, "end"); });
  for (const s of spans) draw(svg, s, order.indexOf(s.row) * tall + 1, tall - 2);
}

rows("faults", picture.faults || [], (svg, s, y, h) => {
  const to = s.to || end;
  const text = `${s.row}: ${s.label}\n${seconds(s.from)} to ${seconds(to)}` + (s.back ? `, served again at ${seconds(s.back)}` : ", never served again");
  add(svg, "rect", { x: x(s.from), y: y, width: Math.max(2, x(to) - x(s.from)), height: h, class: "fault" }, text);
  if (s.back) add(svg, "rect", { x: x(to), y: y, width: Math.max(1, x(s.back) - x(to)), height: h, class: "back" }, text);
});
rows("leader, as answers named it", picture.leaders || [], (svg, s, y, h) => {
  add(svg, "rect", { x: x(s.from), y: y, width: Math.max(2, x(s.to) - x(s.from)), height: h, fill: `hsl(${hue(s.row)} 45% 50%)` }, `${s.label}\n${seconds(s.from)} to ${seconds(s.to)}`);
});

{
  const height = 120, buckets = picture.buckets || [], svg = chart("operations per quarter of a second: ok, refused, unknown", height);
  const most = Math.max(1, ...buckets.map((b) => b.ok + b.refused + b.unknown));
  write(svg, left - 6, 10, most, "end");
  for (const b of buckets) {
    let y = height;
    for (const kind of ["ok", "refused", "unknown"]) {
      const h = (b[kind] / most) * height;
      y -= h;
      if (h > 0) add(svg, "rect", { x: x(b.at), y: y, width: Math.max(1, x(Math.min(b.at + 250, end)) - x(b.at) - 0.5), height: h, class: kind }, `${seconds(b.at)}: ${b.ok} ok, ${b.refused} refused, ${b.unknown} unknown`);
    }
  }
}
{
  const height = 180, svg = chart("latency in ms, logarithmic: every operation, median and 99th percentile of those that were answered", height);
  const top = Math.max(10, ...(picture.points || []).map((p) => p.d));
  const y = (d) => height - (Math.log10(Math.max(d, 0.1)) + 1) / (Math.log10(top) + 1) * height;
  for (let d = 0.1; d <= top; d *= 10) {
    add(svg, "line", { x1: left, x2: width - right, y1: y(d), y2: y(d), class: "grid" });
    write(svg, left - 6, y(d) + 4, +d.toPrecision(1), "end");
  }
  for (const p of picture.points || []) add(svg, "circle", { cx: x(p.t), cy: y(p.d), r: 1.6, class: p.o }, `${seconds(p.t)}, ${p.d.toFixed(1)} ms\n${p.l}`);
  for (const key of ["p50", "p99"]) {
    // A line ends where nothing was answered.
    let line = [];
    for (const b of [...(picture.buckets || []), { ok: 0 }]) {
      if (b.ok > 0) line.push(`${x(b.at + 125).toFixed(1)},${y(b[key]).toFixed(1)}`);
      else if (line.length > 0) {
        add(svg, "polyline", { points: line.join(" "), class: "curve " + key });
        line = [];
      }
    }
  }
}
rows("holders of leases, by process", picture.leases || [], (svg, s, y, h) => {
  add(svg, "rect", { x: x(s.from), y: y, width: Math.max(1.5, x(s.to) - x(s.from)), height: h, fill: `hsl(${hue(s.label)} 50% 50%)` }, `${s.row}\n${s.label}\nseen from ${seconds(s.from)} to ${seconds(s.to)}`);
});

document.addEventListener("mousemove", (e) => {
  const text = e.target.dataset && e.target.dataset.tip;
  tip.style.display = text ? "block" : "none";
  if (!text) return;
  tip.textContent = text;
  tip.style.left = Math.min(e.clientX + 12, window.innerWidth - tip.offsetWidth - 10) + "px";
  tip.style.top = Math.min(e.clientY + 12, window.innerHeight - tip.offsetHeight - 10) + "px";
});
try { const c = document.getElementById("config"); c.textContent = JSON.stringify(JSON.parse(c.textContent), null, 2); } catch { /* shown as it is */ }
document.body.dataset.drawn = "yes";
