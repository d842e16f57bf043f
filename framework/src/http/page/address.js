// Addresses of the views: `#history/month/2026-01/heat_pump?compare=year` is the view `history`, the path
// `['month', '2026-01', 'heat_pump']` and the query `{compare: 'year'}`.
//
// An address says all that a view needs to be shown again: after a reload, by a link, by the back button.

// Returns the parts of an address.
export function parse(hash) {
  const [, way, query = ''] = /^#?([^?]*)\??(.*)$/s.exec(hash);
  const [view, ...path] = way.split('/').map(decoded);
  return { view, path, query: Object.fromEntries(new URLSearchParams(query)) };
}

// Returns the text of an address; parts that are `null` or empty are left out at its end.
export function format({ view, path = [], query = {} }) {
  const known = path.slice(0, path.findLastIndex((part) => part != null && part !== '') + 1);
  const way = [view, ...known.map((part) => part ?? '')].map((part) => encodeURIComponent(part)).join('/');
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null && value !== ''));
  return `#${way}${asked.size ? `?${asked}` : ''}`;
}

// The address that is shown.
export const current = () => parse(location.hash);

// Opens an address; the back button leads back to this one.
export function go(address) {
  location.hash = format(address);
}

// Writes the address of what is shown already, without an entry of its own for the back button.
export function replace(address) {
  history.replaceState(history.state, '', format(address));
}

// A stray `%` is a text like any other.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
