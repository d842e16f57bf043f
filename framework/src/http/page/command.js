// Commands: a form for each, a dialog that explains the effect, and the token if one is needed.

import { button, elements, h, on, say, set, show, write } from './dom.js';
import { field } from './field.js';
import { exact } from './format.js';
import { house, nameOf } from './live.js';
import { sumOf, valueOf } from './model.js';
import { known, t } from './text.js';
import { keepToken, send as post, token as kept } from './token.js';

/**
 * A command with the values that were given.
 * @typedef {{section: string, name: string, short: string, title: string, values: Record<string, unknown>, told: string[]}} Call
 */

/** @type {ReturnType<typeof build>} */
let dialog;
/** @type {HTMLElement} */
let toast;
/** @type {Call | null} */
let asked = null; // what the dialog is about
let fading = 0;

/** @param {HTMLElement} message */
export function start(message) {
  toast = message;
  dialog = build();
  document.body.append(dialog.element);
}

function build() {
  const title = h('h2', { id: 'dialog-title' }, t('confirm_title'));
  const text = h('p@dialog-text');
  const problem = h('p.problem', { role: 'alert', hidden: true });
  const token = h('input@token', { type: 'password', autocomplete: 'off', id: 'token' });
  const label = h('label', { for: 'token' }, t('token'));
  const entry = h('div.field', { hidden: true }, label, token, h('small', t('token_text')));
  const yes = h('button.primary@confirm', { type: 'submit' });
  const no = button('cancel', t('cancel'), () => element.close());
  const body = h('form', { method: 'dialog' }, title, text, entry, problem, h('div.buttons', no, yes));
  const element = h('dialog@dialog', { 'aria-labelledby': 'dialog-title' }, body);
  on(element, 'close', () => (asked = null));
  on(body, 'submit', (event) => {
    event.preventDefault();
    send();
  });
  return { element, text, problem, token, entry, yes, no };
}

// Returns the form of a command, as shown by `/cmds?details`.
/** @type {(section: string, command: any) => HTMLFormElement} */
export function form(section, command) {
  const { Name: name, Args: args, About: about } = command;
  const short = name.slice(section.length + 1);
  const shown = house.sections.get(section)?.readings[command.ShownBy];
  const current = Object.keys(args).length === 1 ? valueOf(shown) : null;
  const fields = Object.entries(/** @type {Record<string, string>} */ (args)).map(([arg, kind]) => {
    const details = command.ArgsDetails[arg];
    const unit = details.unit ? ` (${details.unit})` : '';
    const label = known(`arg_${short}_${arg}`) ?? (details.about ? details.about + unit : known(`arg_${arg}`)) ?? arg;
    return field(`arg-${name}-${arg}`, { arg, kind, label, current, ...details });
  });
  const title = known(`command_${short}`) ?? short;
  const element = h(
    `form.command@command-${name}`,
    { novalidate: true },
    fields.length ? h('h4', title) : null,
    known(`command_${short}`) || !about ? null : h('p.hint', { lang: 'en' }, about),
    elements(fields),
    h(`button@run-${name}`, { type: 'submit' }, fields.length ? t('run') : title),
  );
  on(element, 'submit', (event) => {
    event.preventDefault();
    // All of them, so that each shows its problem; the first one with a problem gets the focus.
    const wrong = fields.filter((one) => !one.check());
    if (wrong.length) return wrong[0].focus();
    const given = fields.filter((one) => one.value() !== undefined);
    const values = Object.fromEntries(given.map((one) => [one.arg, one.value()]));
    question({ section, name, short, title, values, told: given.map((one) => one.told()) });
  });
  return element;
}

// Returns the effect of a command in words.
/** @type {(call: Call) => string} */
function explained({ section, short, title, values, told }) {
  const source = nameOf(section);
  const counter = house.subjects.find((subject) => subject.section === section && subject.imports);
  const count = counter && sumOf(counter.imports, house.sections.get(section)?.readings);
  const from = counter && typeof count === 'number' ? exact(count, counter.unit) : t('unknown_value');
  const about = `about_${short}`;
  if (known(about)) return t(about, { source, now: from, value: exact(values.value ?? 0, 'kWh') });
  const withArgs = told.length ? ` ${t('about_with', { args: told.join(', ') })}` : '';
  return t('about_any', { command: title, source }) + withArgs;
}

/** @param {Call} command */
function question(command) {
  asked = command;
  write(dialog.text, explained(command));
  show(dialog.entry, false);
  say(dialog.problem, null);
  dialog.token.value = '';
  work(false);
  dialog.element.showModal();
  dialog.no.focus();
}

/** @param {boolean} begun */
function work(begun) {
  dialog.yes.disabled = begun;
  write(dialog.yes, t(begun ? 'working' : 'confirm'));
}

async function send() {
  const command = asked;
  if (!command) return;
  const token = dialog.token.value.trim() || kept();
  work(true);
  const { name, values } = command;
  const answer = await post('cmd', { name, args: values }, { value: token });
  work(false);
  if (answer.ok) {
    if (token) keepToken(token);
    if (asked === command) dialog.element.close();
    tell('good', t('done', { command: command.title, source: nameOf(command.section) }));
    return;
  }
  // The dialog was closed meanwhile, so only the message is shown.
  if (asked !== command) return tell('bad', t('command_failed', { reason: answer.reason }));
  if (answer.status === 401) {
    keepToken(null);
    show(dialog.entry, true);
    say(dialog.problem, token ? t('token_wrong') : null);
    dialog.token.value = '';
    dialog.token.focus();
  } else if (answer.status === 403) {
    const hasNoToken = answer.json.error?.cause === 'no_token';
    say(dialog.problem, `${t('not_allowed')} ${hasNoToken ? t('not_allowed_text') : answer.reason}`);
  } else {
    say(dialog.problem, t('command_failed', { reason: answer.reason }));
  }
}

// Shows a message for a moment.
/** @type {(kind: string, text: string) => void} */
export function tell(kind, text) {
  clearTimeout(fading);
  say(set(toast, { 'data-kind': kind }), text);
  fading = setTimeout(() => show(toast, false), 8000);
}
