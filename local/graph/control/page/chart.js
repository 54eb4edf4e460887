// Answer times of the latest deliveries: one bar each on a logarithmic scale, with Graph's limits of 3 and 10 seconds.

const LEAST = 0.5;
const MOST = 20_000;
const LABELS = [[1, "1 ms"], [10, "10 ms"], [100, "100 ms"], [1000, "1 s"]];
const LIMITS = [[3000, "3 s"], [10_000, "10 s"]];
const LEFT = 48;
const BAR = 8;

export function draw(canvas, attempts, patience) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  const colours = new Map();
  const colour = (name) => colours.get(name) ?? colours.set(name, resolve(canvas, name)).get(name);
  const place = (ms) => height - 4 - (height - 8) * Math.log(Math.max(ms, LEAST) / LEAST) / Math.log(MOST / LEAST);
  for (const [ms, label] of LABELS) line(pen, width, place(ms), label, colour("--line"), colour("--soft"));
  for (const [ms, label] of LIMITS) line(pen, width, place(ms * patience), label, colour("--bad"), colour("--bad"), [4, 4]);
  const shown = attempts.slice(-Math.floor((width - LEFT) / BAR));
  shown.forEach((attempt, index) => {
    pen.fillStyle = colour(toneOf(attempt));
    const top = place(attempt.ms);
    pen.fillRect(width - (shown.length - index) * BAR, top, BAR - 2, height - 2 - top);
  });
}

export function toneOf(attempt) {
  if (attempt.rule) return "--bad";
  const taken = attempt.status === "sent" || (attempt.status >= 200 && attempt.status < 300);
  return taken ? "--good" : "--warn";
}

function resolve(element, name) {
  // a canvas does not understand light-dark(), a computed colour it does
  element.style.color = `var(${name})`;
  const found = getComputedStyle(element).color;
  element.style.color = "";
  return found;
}

function line(pen, width, y, label, stroke, text, dashes = []) {
  pen.strokeStyle = stroke;
  pen.setLineDash(dashes);
  pen.beginPath();
  pen.moveTo(LEFT, y);
  pen.lineTo(width, y);
  pen.stroke();
  pen.setLineDash([]);
  pen.fillStyle = text;
  pen.fillText(label, 2, y + 4);
}
