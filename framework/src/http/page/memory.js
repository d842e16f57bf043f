// Choices that this browser remembers, such as the range of the history. Secrets are not among them: see token.js.

/**
 * Returns what was remembered under a name.
 * @param {string} name
 * @returns {Record<string, string>}
 */
export function recall(name) {
  try {
    const value = JSON.parse(localStorage.getItem(name) ?? '{}');
    return value && typeof value === 'object' ? value : {};
  } catch {
    // Storage may be switched off, or hold something else.
    return {};
  }
}

/**
 * Remembers under a name.
 * @param {string} name
 * @param {Record<string, string>} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Then the choice holds until the page is left.
  }
}
