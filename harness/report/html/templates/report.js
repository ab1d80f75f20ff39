// Sorts and filters the tables, and draws the charts: those in sight at once, the others when there is time.
const data = JSON.parse(document.getElementById('data').textContent);
const views = new Map(); // chart → its view, null while it is drawn
const hidden = new Set(); // cells that are filtered out

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 3 });

// Tables: a click on a heading sorts by it, another one turns the order.
function valueOf(row, column) {
  const cell = row.cells[column];
  const figure = [...cell.querySelectorAll('.of')].find((each) => getComputedStyle(each).display !== 'none');
  return (figure ?? cell).dataset.value ?? cell.textContent.trim();
}

function sort(heading) {
  const table = heading.closest('table');
  const column = heading.cellIndex;
  const ascending = heading.getAttribute('aria-sort') === 'ascending';
  const numeric = heading.dataset.sort === 'number';
  const turn = (ascending ? -1 : 1) * 1;
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row, column) }));
  rows.sort((a, b) => {
    if (!numeric) return turn * a.value.localeCompare(b.value, 'en', { numeric: true });
    const [x, y] = [parseFloat(a.value), parseFloat(b.value)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // what has no figure is last
    return turn * (x - y);
  });
  table.tBodies[0].append(...rows.map((each) => each.row));
  for (const other of table.querySelectorAll('th[aria-sort]')) other.removeAttribute('aria-sort');
  heading.setAttribute('aria-sort', ascending ? 'descending' : 'ascending');
}

document.addEventListener('click', (event) => {
  const heading = event.target.closest('table.sortable thead th');
  if (heading && event.target.closest('button')) sort(heading);
});

// Filters: what is unchecked disappears from matrix, charts and cells.
const filters = document.getElementById('filters');
const metric = document.getElementById('metric');

function filter() {
  const unchecked = new Map();
  for (const box of filters.querySelectorAll('input[type=checkbox]')) {
    if (!unchecked.has(box.name)) unchecked.set(box.name, new Set());
    if (!box.checked) unchecked.get(box.name).add(box.value);
  }
  hidden.clear();
  data.cells.forEach((cell, place) => {
    for (const [field, values] of unchecked) if (values.has(cell.filters[field])) hidden.add(place);
  });
  for (const element of document.querySelectorAll('details[data-cell]')) {
    element.hidden = hidden.has(Number(element.dataset.cell));
  }
  for (const table of document.querySelectorAll('table.matrix')) {
    const columns = new Set();
    let rows = 0;
    for (const row of table.tBodies[0].rows) {
      let any = false;
      [...row.cells].forEach((cell, column) => {
        const link = cell.querySelector('a');
        if (!link) return;
        const gone = hidden.has(Number(cell.dataset.cell));
        link.hidden = gone;
        if (!gone) { any = true; columns.add(column); }
      });
      row.hidden = !any;
      rows += any;
    }
    for (const row of table.rows) {
      [...row.cells].forEach((cell, column) => { cell.hidden = column > 0 && !columns.has(column); });
    }
    table.parentElement.hidden = rows === 0;
  }
  for (const row of document.querySelectorAll('.dots tr[data-cell]')) row.hidden = hidden.has(Number(row.dataset.cell));
  const left = data.cells.length - hidden.size;
  document.getElementById('shown').textContent = hidden.size ? `${left} of ${data.cells.length} configurations` : '';
  for (const table of document.querySelectorAll('table.lazy[data-chart]:not(:empty)')) {
    table.replaceChildren();
    fill(table);
  }
  for (const [name, view] of views) view?.data('rows', rowsOf(name)).runAsync();
}

// Rows of a chart with what follows from their cell, without those that are filtered out.
function rowsOf(name) {
  return data.charts[name].rows
    .filter((row) => row.cell === undefined || !hidden.has(row.cell))
    .map((row) => (row.cell === undefined ? { ...row } : { ...data.cells[row.cell], ...row }));
}

if (filters) {
  filters.addEventListener('change', (event) => { if (event.target !== metric) filter(); });
  filters.addEventListener('reset', () => setTimeout(() => { document.body.removeAttribute('data-metric'); filter(); }));
  filters.addEventListener('submit', (event) => event.preventDefault());
  metric.addEventListener('change', () => { document.body.dataset.metric = metric.value; });
}

// Charts. Their colours follow the page's: whatever is no data is drawn in the colour of the text around it.
const theme = {
  background: null,
  font: 'system-ui, sans-serif',
  view: { stroke: 'currentColor', strokeOpacity: 0.2 },
  axis: {
    labelColor: 'currentColor', titleColor: 'currentColor', domainColor: 'currentColor', tickColor: 'currentColor',
    gridColor: 'currentColor', gridOpacity: 0.14, domainOpacity: 0.5, tickOpacity: 0.5, titleFontWeight: 'normal',
  },
  legend: { labelColor: 'currentColor', titleColor: 'currentColor', titleFontWeight: 'normal', labelLimit: 260 },
  header: { labelColor: 'currentColor', titleColor: 'currentColor', labelFontSize: 12 },
  title: { color: 'currentColor' },
};

// The library is held compressed; the page's security policy knows its hash.
let library = null;
function loadLibrary() {
  library ??= (async () => {
    const packed = Uint8Array.from(atob(document.getElementById('library').textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    const script = document.createElement('script');
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  })();
  return library;
}

async function draw(element, spec, rows) {
  await loadLibrary();
  const fitted = structuredClone(spec);
  if (fitted.columns) {
    // As many panels side by side as there is room for; the legend goes below.
    const panel = 330;
    fitted.columns = Math.max(1, Math.min(3, Math.floor(element.clientWidth / panel)));
    if (typeof fitted.spec.width === 'number') {
      fitted.spec.width = Math.max(160, Math.min(fitted.spec.width, element.clientWidth - 85));
    }
  }
  if (fitted.height?.step && element.clientWidth < 600) {
    // A long label above its bar's width would leave no room for the bar: its parts go below each other.
    for (const layer of fitted.layer) {
      if (layer.encoding.y) layer.encoding.y.axis = { labelExpr: "split(datum.label, ' · ')", labelLimit: 170 };
    }
    fitted.height.step = 44;
    fitted.width = Math.max(120, element.clientWidth - 190);
  }
  fitted.datasets = { rows };
  const config = { ...theme, legend: { ...theme.legend, orient: 'bottom', columns: element.clientWidth < 600 ? 2 : 5 } };
  const embedded = await window.vegaEmbed(element, fitted, { config, actions: false, renderer: 'svg', ast: true });
  element.querySelector('svg')?.setAttribute('aria-hidden', 'true'); // the table behind it is what can be read
  return embedded.view;
}

async function drawChart(element) {
  const name = element.dataset.chart;
  if (views.has(name)) return;
  views.set(name, null);
  const before = hidden.size;
  const view = await draw(element, data.charts[name].spec, rowsOf(name));
  views.set(name, view);
  if (hidden.size !== before) view.data('rows', rowsOf(name)).runAsync(); // filtered while it was drawn
}

function drawTimeline(element) {
  const restarts = data.timelines[element.dataset.cell] ?? [];
  const rows = restarts.flatMap(([restart, verdict, rates]) => rates.map((rps, place) => ({ restart, verdict, t: place + 1, rps })));
  if (rows.length) draw(element, data.timeline, rows);
  else element.textContent = 'No figures per second.';
}

document.addEventListener('toggle', (event) => {
  const opened = event.target;
  if (!opened.open) return;
  for (const element of opened.querySelectorAll('.chart:empty')) drawChart(element);
  for (const element of opened.querySelectorAll('.timeline:empty')) drawTimeline(element);
  for (const table of opened.querySelectorAll('table.lazy:empty')) fill(table);
}, true);

function chartTable(name) {
  return { columns: data.charts[name].columns, rows: rowsOf(name) };
}

function restartTable(cell) {
  const rows = data.restarts[cell].map((values) => Object.fromEntries(values.map((value, place) => [place, value])));
  return { columns: data.restart_columns.map((title, place) => [place, title]), rows };
}

// A number as it is sorted by, of a number or of a text such as '1,234.5'; undefined of other texts.
function numberOf(value) {
  if (typeof value === 'number') return value;
  return /^[\d,]+(\.\d+)?$/.test(value ?? '') ? Number(value.replaceAll(',', '')) : undefined;
}

// Tables that are long are made when they are opened.
function fill(table) {
  const { columns, rows } = table.dataset.chart ? chartTable(table.dataset.chart) : restartTable(table.dataset.restarts);
  const head = table.createTHead().insertRow();
  const numeric = new Set();
  for (const [field, title] of columns) {
    const texts = rows.filter((row) => row[field] && row[field] !== '–' && numberOf(row[field]) === undefined);
    if (!texts.length) numeric.add(field);
    const heading = document.createElement('th');
    heading.scope = 'col';
    heading.dataset.sort = rows.some((row) => numberOf(row[field]) !== undefined) ? 'number' : 'text';
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = title || field;
    heading.append(button);
    head.append(heading);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [field] of columns) {
      const cell = line.insertCell();
      const value = row[field];
      if (numberOf(value) !== undefined) cell.dataset.value = numberOf(value);
      if (numeric.has(field)) cell.className = 'number';
      cell.textContent = value === null || value === undefined ? '–' : typeof value === 'number' ? number.format(value) : value;
    }
  }
}

// A link to a cell opens it.
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const details = target instanceof HTMLDetailsElement ? target : target.querySelector(':scope > details');
  if (details) details.open = true;
}
for (const element of document.querySelectorAll('details[open].cell .timeline:empty')) drawTimeline(element);
for (const table of document.querySelectorAll('details[open].cell table.lazy:empty')) fill(table);
addEventListener('hashchange', openTarget);
openTarget();
addEventListener('beforeprint', () => {
  for (const each of document.querySelectorAll('section > details')) each.open = true;
});

// What is inside of something closed is drawn when that is opened, or printed.
const waiting = [...document.querySelectorAll('.chart')].filter((element) => element.closest('details:not([open])') === null);
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawChart(entry.target);
}, { rootMargin: '300px' });
waiting.forEach((element) => sight.observe(element));
async function drawRest() {
  for (const element of waiting) {
    await new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve));
    await drawChart(element);
  }
  performance.mark('drawn');
  document.body.dataset.complete = 'yes';
}
drawRest();
performance.mark('interactive');
