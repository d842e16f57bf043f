// The token: for commands and the setup from another device. It is kept until this tab is closed.

const KEY = 'token';

export const token = () => sessionStorage.getItem(KEY);

/** @type {(value: string | null | undefined) => void} */
export function keepToken(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

// Takes the token out of the address, where a QR code puts it: the bar and the browser's history must not keep it.
export function takeToken() {
  const [, value] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (!value) return;
  try {
    keepToken(decodeURIComponent(value));
  } catch {
    keepToken(value);
  }
  history.replaceState(null, '', location.pathname + location.search);
}

// A browser that must log in first is led away from the page, and back without what its address said: so that is kept.
const WANTED = 'wanted';
export const keepWanted = () => sessionStorage.setItem(WANTED, location.search + location.hash);
export function takeWanted() {
  const wanted = sessionStorage.getItem(WANTED);
  sessionStorage.removeItem(WANTED);
  if (wanted && !location.search && !location.hash) history.replaceState(null, '', location.pathname + wanted);
}

/** @type {(headers: Record<string, string>, value?: string | null) => Record<string, string>} */
export const withToken = (headers, value = token()) => (value ? { ...headers, Authorization: `Bearer ${value}` } : headers);

// Sends a request that changes something. The status is 0 if there is no answer.
/** @type {(path: string, body: unknown, options?: {value?: string | null, signal?: AbortSignal}) => Promise<{ok: boolean, status: number, json: any, reason: string}>} */
export async function send(path, body, { value, signal = AbortSignal.timeout(20_000) } = {}) {
  const headers = withToken({ 'Content-Type': 'application/json', Prefer: 'cause' }, value);
  try {
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), signal });
    const json = await response.json();
    const error = json.error ?? {};
    const reason = [error.message, error.hint].filter(Boolean).join(': ');
    return { ok: response.ok, status: response.status, json, reason };
  } catch (error) {
    return { ok: false, status: 0, json: {}, reason: String(error instanceof Error ? error.message : error) };
  }
}
