// Logs in with the token that a QR code has put into the address.

import { keepWanted, takeToken, token } from './token.js';

const TRIED = 'login-tried';

takeToken();
const value = token();
// A page that is about to be replaced leaves it to the next one. A token is tried once: a wrong one would be refused
// again and again, until the program accepts no guess any more.
const stays = !document.querySelector('meta[http-equiv=refresh]');
if (!stays) keepWanted();
if (stays && value && sessionStorage.getItem(TRIED) !== value) {
  sessionStorage.setItem(TRIED, value);
  /** @type {HTMLInputElement} */ (document.getElementById('token')).value = value;
  document.querySelector('form')?.requestSubmit();
}
