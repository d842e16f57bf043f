// Addresses of the views: `#history/month/2026-01/heat_pump?compare=year` is the view `history`, the path
// `['month', '2026-01', 'heat_pump']` and the query `{compare: 'year'}`.
//
// An address says all that a view needs to be shown again: after a reload, by a link, by the back button.

/**
 * Returns the parts of an address.
 * @param {string} hash
 */
export function parse(hash) {
  const [, way = '', query = ''] = /^#?([^?]*)\??(.*)$/s.exec(hash) ?? [];
  const [view, ...path] = way.split('/').map(decoded);
  return { view, path, query: Object.fromEntries(new URLSearchParams(query)) };
}

/**
 * Returns the text of an address; parts that are `null` or empty are left out at its end.
 * @param {Address} address
 */
export function format({ view, path = [], query = {} }) {
  const known = path.slice(0, path.findLastIndex((part) => part != null && part !== '') + 1);
  const way = [view, ...known].map((part) => encodeURIComponent(part ?? '').replaceAll('%3A', ':')).join('/');
  /** @type {string[][]} */
  const there = Object.entries(query).flatMap(([key, value]) => (value ? [[key, value]] : []));
  const asked = new URLSearchParams(there);
  return `#${way}${asked.size ? `?${asked}` : ''}`;
}

// The address that is shown.
export const current = () => parse(location.hash);

/**
 * Opens an address at once; the back button leads back to this one.
 * @param {Address} address
 */
export function go(address) {
  const text = format(address);
  if (text !== location.hash) history.pushState(null, '', text);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

/**
 * Writes the address of what is shown already, without an entry of its own for the back button.
 * @param {Address} address
 */
export function replace(address) {
  history.replaceState(history.state, '', format(address));
}

// A stray `%` is a text like any other.
/** @type {(part: string) => string} */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
