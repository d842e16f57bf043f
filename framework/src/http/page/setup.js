// Setup: the search for meters, further sources and publishers, names and roles, and the files that this page wrote.
//
// Loaded when it is opened for the first time, with its looks.

import { forms } from './add.js';
import { replace } from './address.js';
import { tell } from './command.js';
import { button, h, on, say, set, show } from './dom.js';
import { mistakesOf } from './failure.js';
import { Finder } from './find.js';
import { look } from './live.js';
import { reach } from './reach.js';
import { explain } from './reasons.js';
import { dropIns, names } from './saved.js';
import { loadTexts, t } from './text.js';
import { keepToken, send, token, withToken } from './token.js';

// The looks come before the first picture, so that nothing moves.
const looks = new Promise((done) => {
  const sheet = h('link', { rel: 'stylesheet', href: 'page/setup.css' });
  on(on(sheet, 'load', done), 'error', done);
  document.head.append(sheet);
});
await Promise.all([looks, loadTexts('setup')]);

// What `/setup` has answered last.
/** @type {Setup} */
let known = { drop_ins: [], sources: [], publishers: [], ports: [], gpio: [], plugins: [] };

/** @type {HTMLElement} */
let view;
const parts = build();

/** @param {HTMLElement} section */
export function start(section) {
  view = section;
  const back = h('p', h('a@setup-back', { href: '#sources' }, t('setup_back')));
  const head = h('header.summary', parts.title, h('p.hint', t('setup_text')), back);
  parts.body.append(parts.finder.element, parts.add, parts.names, parts.reach, parts.files);
  view.replaceChildren(head, parts.access.element, parts.problem, parts.body);
}

// Called when the view is shown. `#find` starts the search at once, and not again when the page is reloaded.
/** @param {{view: string}} address */
export async function open({ view: name }) {
  const isSearch = name === 'find';
  if (isSearch) replace({ view: 'setup' });
  await read();
  parts.title.focus();
  if (isSearch && known.allowed) parts.finder.start();
}

function build() {
  return {
    finder: new Finder(saveAll),
    title: h('h1@setup-title', { tabindex: -1 }, t('setup')),
    problem: h('div.card.error@setup-problem', { role: 'alert', hidden: true }),
    access: access(),
    add: h('div.group'),
    reach: h('div.group'),
    names: h('div.group'),
    files: h('div.group'),
    body: h('div.group'),
  };
}

// Reads `/setup`, and shows it.
async function read() {
  let answer;
  try {
    const response = await fetch('setup', { headers: withToken({}), signal: AbortSignal.timeout(20_000) });
    answer = await response.json();
    if (!response.ok) throw new Error(answer.error?.message ?? String(response.status));
  } catch (error) {
    show(parts.body, false);
    parts.problem.replaceChildren(h('strong', t('setup_failed')), h('span', String(error instanceof Error ? error.message : error)), retry());
    return show(parts.problem, true);
  }
  known = { ...known, ...answer };
  const { allowed = false, reason, code, mistakes, lan } = known;
  parts.access.update(allowed, reason ? { code, message: reason } : undefined);
  show(parts.body, allowed);
  const broken = allowed && answer.mistakes;
  if (broken) parts.problem.replaceChildren(h('strong', t('setup_broken')), mistakesOf(mistakes), retry());
  show(parts.problem, Boolean(broken));
  if (!allowed) return;
  parts.finder.update(known.ports);
  parts.add.replaceChildren(...forms(known, save));
  parts.names.replaceChildren(...names(known, save, remove));
  parts.reach.replaceChildren(...(lan ? [reach(lan, known.config ?? 'config.toml')] : []));
  parts.files.replaceChildren(...dropIns(known, remove));
}

const retry = () => button('setup-retry', t('retry'), read);

// Card for who may not change anything from here.
function access() {
  const reason = h('p@setup-reason');
  const wrong = h('p.problem@setup-token-wrong', { role: 'alert', hidden: true });
  const input = h('input@setup-token', { type: 'password', id: 'setup-token', autocomplete: 'off' });
  const field = h('div.field', h('label', { for: 'setup-token' }, t('token')), input);
  const enter = h('button.primary@setup-token-use', { type: 'submit' }, t('token_use'));
  const steps = [h('li', t('access_1'), h('pre', 'smartmeter token')), h('li', t('access_2'))];
  const form = h('form.stack', field, wrong, h('p.buttons', enter));
  const element = h('section.card.stack@setup-denied', { hidden: true },
    [h('h2', t('access_title')), h('p', t('access_text')), h('ol.steps-list', steps), form],
    h('details', h('summary', t('access_why')), reason),
  );
  on(form, 'submit', async (event) => {
    event.preventDefault();
    const value = input.value.trim();
    if (!value) return input.focus();
    keepToken(value);
    await read();
    if (!known.allowed) input.focus();
    else parts.title.focus();
  });
  return {
    element,
    /** @type {(allowed: boolean, why?: Fault) => void} */
    update(allowed, why) {
      explain(reason, why);
      show(element, !allowed);
      const isWrong = !allowed && Boolean(token());
      // A wrong token must not be sent with commands from now on.
      if (isWrong) keepToken(null);
      say(wrong, isWrong ? t('token_refused') : null);
      set(input, { 'aria-invalid': isWrong ? 'true' : null });
      input.value = '';
    },
  };
}

// Writes a drop-in. Returns the answer; the page shows what has changed.
/** @type {Save} */
async function save(file, toml) {
  return changed(await send('setup/save', { file, toml }), file);
}

/** @type {Remove} */
async function remove(file) {
  return changed(await send('setup/delete', { file }), file);
}

/** @type {(answer: Answered, file: string) => Promise<Answered>} */
async function changed(answer, file) {
  if (answer.status === 401 || answer.status === 403) await read();
  if (!answer.ok) return answer;
  // Both show the change soon: the readings and this view.
  await Promise.all([look(), read()]);
  const { restart } = answer.json;
  tell('good', restart ? `${t('saved', { file })} ${restart}` : t('saved', { file }));
  return answer;
}

// Saves meters that were found, one after the other. Returns the answer to each.
/** @type {(found: {file: string, toml: string}[]) => Promise<Answered[]>} */
async function saveAll(found) {
  const answers = [];
  for (const { file, toml } of found) answers.push(await send('setup/save', { file, toml }));
  const [first] = answers.filter(({ ok }) => ok);
  if (first) await changed(first, found.map(({ file }) => file).join(', '));
  // The first value is on the live view.
  if (answers.every(({ ok }) => ok)) location.hash = '#now';
  return answers;
}
