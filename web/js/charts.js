// What all charts share: colours of the theme, axes, tooltips, and an end. Chart.js draws on a canvas, so that text from the server
// is only ever painted.
/* global Chart */

const probe = document.createElement('span');

// A colour of the style sheet as the canvas takes it, e.g. token('accent', 0.5).
export function token(name, alpha = 1) {
  if (!probe.isConnected) {
    probe.className = 'sr-only';
    probe.setAttribute('aria-hidden', 'true');
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  const [r, g, b] = getComputedStyle(probe).color.match(/[\d.]+/g);
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}

// The colour of rung `k` of `n`: from pale to strong, up the rungs.
export function rungColor(k, n, alpha = 1) {
  const [low, high] = [token('rung-low'), token('rung-high')].map((c) => c.match(/[\d.]+/g).map(Number));
  const t = n > 1 ? k / (n - 1) : 1;
  const mixed = [0, 1, 2].map((i) => Math.round(low[i] + (high[i] - low[i]) * t));
  return `rgba(${mixed.join(', ')}, ${alpha})`;
}

const live = new Set();  // {chart, recolor}

const FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function axis(title, type = 'linear', extra = {}) {
  return {
    type,
    title: {display: Boolean(title), text: title, color: token('muted'), font: {family: FONT, size: 12}},
    grid: {color: token('grid'), borderColor: token('line-strong'), drawTicks: false},
    ticks: {color: token('muted'), padding: 6, font: {family: FONT, size: 11}, maxRotation: 0,
      ...(extra.ticks ?? {})},
    ...Object.fromEntries(Object.entries(extra).filter(([key]) => key !== 'ticks')),
  };
}

export function tooltip(callbacks) {
  return {
    animation: false,
    displayColors: false,
    backgroundColor: token('tip'),
    titleColor: token('tip-text'),
    bodyColor: token('tip-text'),
    titleFont: {family: FONT, size: 12, weight: '600'},
    bodyFont: {family: FONT, size: 12},
    padding: 10,
    cornerRadius: 6,
    caretSize: 5,
    filter: (_item, index) => index === 0,
    callbacks,
  };
}

// Makes a chart. `build()` gives its data and options in the colours of now, and is called anew when the theme changes.
export function makeChart(canvas, build) {
  const config = build();
  const chart = new Chart(canvas, {
    ...config,
    options: {
      animation: false, parsing: false, normalized: true, responsive: true, maintainAspectRatio: false,
      interaction: {mode: 'nearest', intersect: true},
      ...config.options,
    },
  });
  const entry = {chart, recolor() {
    const next = build();
    chart.options.scales = next.options.scales;
    chart.options.plugins = next.options.plugins;
    chart.data.datasets = next.data.datasets;
    chart.update('none');
  }};
  live.add(entry);
  return entry;
}

export function endChart(entry) {
  if (!entry) return;
  live.delete(entry);
  entry.chart.destroy();
}

export function recolorAll() {
  for (const entry of live) entry.recolor();
}
addEventListener('themechange', recolorAll);

// The upper end of an error axis: what lies `far` times the spread above the bulk is cut off, rather than that everything else be
// squeezed into a line. {max, above}: how many are cut off; max is undefined where nothing is.
export function errorCut(errors, far = 2.5) {
  const sorted = errors.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 8) return {above: 0};
  const at = (q) => sorted[Math.floor(q * (sorted.length - 1))];
  const limit = at(0.9) + far * (at(0.9) - at(0.1));
  const top = sorted[sorted.length - 1];
  if (limit <= at(0.9) || top <= limit) return {above: 0};
  let above = 0;
  while (sorted[sorted.length - 1 - above] > limit) above += 1;
  const kept = sorted[sorted.length - 1 - above];
  return {max: Number((kept + 0.05 * (kept - sorted[0])).toPrecision(3)), above};
}

// Ticks of a logarithmic axis that do not run into each other: 1, 2, 5 of each power, or only the powers.
export function logTicks(scale) {
  const lowest = Math.floor(Math.log10(scale.min));
  const highest = Math.ceil(Math.log10(scale.max));
  const decades = highest - lowest;
  const steps = decades > 4 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / 7));
  const ticks = [];
  for (let p = lowest; p <= highest; p += every) {
    for (const step of steps) {
      const value = Number(`${step}e${p}`);
      if (value >= scale.min && value <= scale.max) ticks.push({value});
    }
  }
  if (ticks.length > 1) scale.ticks = ticks;
}

// Runs `show` when the element first comes near the window, and again by `refresh()` while it is there; what nobody looks at is not
// drawn.
export class WhenSeen {
  constructor(element, show) {
    this.show = show;
    this.seen = false;
    this.stale = true;
    this.observer = new IntersectionObserver((entries) => {
      this.seen = entries[entries.length - 1].isIntersecting;
      if (this.seen && this.stale) this.draw();
    }, {rootMargin: '300px'});
    this.observer.observe(element);
  }
  draw() {
    this.stale = false;
    this.show();
  }
  refresh() {
    this.stale = true;
    if (this.seen) this.draw();
  }
  end() {
    this.observer.disconnect();
  }
}
