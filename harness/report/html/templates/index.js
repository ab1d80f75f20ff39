// The list and the histories show what holds all words that were typed, and is of the chosen kind.
const form = document.getElementById('filters');
function filterRuns() {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = form.elements.kind?.value ?? '';
  let shown = 0;
  for (const row of document.querySelectorAll('[data-search]')) {
    const text = row.dataset.search.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word)) || (kind !== '' && row.dataset.kind !== undefined && row.dataset.kind !== kind);
    shown += row.dataset.kind !== undefined && !row.hidden;
  }
  document.getElementById('shown').textContent = `${shown} shown`;
}
form.addEventListener('input', filterRuns);
form.addEventListener('submit', (event) => event.preventDefault());
document.body.dataset.complete = 'yes';
