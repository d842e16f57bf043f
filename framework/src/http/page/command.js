// Commands: a form for each, a dialog that explains the effect, and the token if one is needed.

import { button, elements, h, on, say, set, show, write } from './dom.js';
import { exact, number, separators } from './format.js';
import { house, nameOf } from './live.js';
import { sumOf } from './model.js';
import { known, t } from './text.js';

const KEY = 'token';
let dialog;
let toast;
let asked; // the command that the dialog is about
let fading = 0;

export function start(message) {
  toast = message;
  const title = h('h2', { id: 'dialog-title' }, t('confirm_title'));
  const text = h('p', { 'data-test': 'dialog-text' });
  const problem = h('p.problem', { role: 'alert', hidden: true });
  const token = h('input', { type: 'password', autocomplete: 'off', 'data-test': 'token', id: 'token' });
  const label = h('label', { for: 'token' }, t('token'));
  const entry = h('div.field', { hidden: true }, label, token, h('small', t('token_text')));
  const yes = h('button.primary', { type: 'submit', 'data-test': 'confirm' });
  const no = button({ 'data-test': 'cancel' }, t('cancel'), () => element.close());
  const body = h('form', { method: 'dialog' }, title, text, entry, problem, h('div.buttons', no, yes));
  const element = h('dialog', { 'aria-labelledby': 'dialog-title', 'data-test': 'dialog' }, body);
  on(element, 'close', () => (asked = null));
  on(body, 'submit', (event) => {
    event.preventDefault();
    send();
  });
  dialog = { element, text, problem, token, entry, yes, no };
  document.body.append(element);
}

// Returns the form of a command, as shown by /cmds.
export function form(section, command) {
  const { Name: name, Args: args, About: about } = command;
  const short = name.slice(section.length + 1);
  const fields = Object.entries(args).map(([arg, kind]) => {
    const id = `arg-${name}-${arg}`;
    // As text, so that a decimal comma works in every browser.
    const attributes = { type: 'text', autocomplete: 'off', 'aria-describedby': `${id}-problem` };
    const input = h('input', { id, 'data-test': id, ...attributes });
    if (kind === 'float') set(input, { inputmode: 'decimal' });
    const said = known(`arg_${short}_${arg}`) ?? command.ArgsAbout?.[arg] ?? known(`arg_${arg}`) ?? arg;
    const problem = h('small.problem', { id: `${id}-problem`, hidden: true });
    return { arg, kind, input, problem, element: h('div.field', h('label', { for: id }, said), input, problem) };
  });
  const title = known(`command_${short}`) ?? short;
  const element = h(
    'form.command',
    { 'data-test': `command-${name}`, novalidate: true },
    fields.length ? h('h4', title) : null,
    known(`command_${short}`) || !about ? null : h('p.hint', { lang: 'en' }, about),
    elements(fields),
    h('button', { type: 'submit', 'data-test': `run-${name}` }, fields.length ? t('run') : title),
  );
  on(element, 'submit', (event) => {
    event.preventDefault();
    const values = {};
    let fine = true;
    for (const { arg, kind, input, problem } of fields) {
      const value = kind === 'float' ? parsed(input.value) : input.value;
      const wrong = value === null || value === '';
      const wanted = kind === 'float' ? t('bad_number', { example: number(13756.57, 2) }) : t('bad_text');
      say(problem, wrong ? wanted : null);
      set(input, { 'aria-invalid': wrong ? 'true' : null });
      if (wrong && fine) input.focus();
      fine &&= !wrong;
      values[arg] = value;
    }
    if (fine) question({ section, name, short, title, values });
  });
  return element;
}

// Parses a number as people type it, with the locale's marks, or as programs write it. `null` if it is not valid.
export function parsed(text) {
  const plain = text.trim().replace(/[\s'’\u202f\u00a0]/g, '');
  const marks = plain.match(/[.,]/g) ?? [];
  // `13.756` has decimals where people write `13,756` for thousands, and the other way round.
  const thousands =
    /^-?\d{1,3}([.,])\d{3}(\1\d{3})*$/.test(plain) && (marks.length > 1 || marks[0] === separators.group);
  const last = thousands ? plain.length : Math.max(plain.lastIndexOf(','), plain.lastIndexOf('.'), -1);
  const [whole, decimals] = last < 0 ? [plain, ''] : [plain.slice(0, last), plain.slice(last + 1)];
  const joined = `${whole.replace(/[.,]/g, '')}.${decimals}`;
  return /^-?\d+\.\d*$/.test(joined) ? Number(joined) : null;
}

// Returns the effect of a command in words.
function explained({ section, short, title, values }) {
  const source = nameOf(section);
  const counter = house.subjects.find((subject) => subject.section === section && subject.imports);
  const count = counter && sumOf(counter.imports, house.sections.get(section).readings);
  const from = typeof count === 'number' ? exact(count, counter.unit) : t('unknown_value');
  const about = `about_${short}`;
  if (known(about)) return t(about, { source, now: from, value: exact(values.value ?? 0, 'kWh') });
  const args = Object.entries(values).map(([name, value]) => `${name} = ${exact(value, '')}`);
  const told = args.length ? ` ${t('about_with', { args: args.join(', ') })}` : '';
  return t('about_any', { command: title, source }) + told;
}

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

function work(begun) {
  dialog.yes.disabled = begun;
  write(dialog.yes, t(begun ? 'working' : 'confirm'));
}

async function send() {
  const command = asked;
  const token = dialog.token.value.trim() || sessionStorage.getItem(KEY);
  work(true);
  const answer = await post(command, token);
  work(false);
  if (answer.ok) {
    if (token) sessionStorage.setItem(KEY, token);
    if (asked === command) dialog.element.close();
    tell('good', t('done', { command: command.title, source: nameOf(command.section) }));
    return;
  }
  // The dialog was closed meanwhile, so only the message is shown.
  if (asked !== command) return tell('bad', t('command_failed', { reason: answer.reason }));
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    show(dialog.entry, true);
    say(dialog.problem, token ? t('token_wrong') : null);
    dialog.token.value = '';
    dialog.token.focus();
  } else if (answer.status === 403) {
    const untold = answer.reason.includes('token') && !answer.reason.includes('Host');
    say(dialog.problem, `${t('not_allowed')} ${untold ? t('not_allowed_text') : answer.reason}`);
  } else {
    say(dialog.problem, t('command_failed', { reason: answer.reason }));
  }
}

async function post({ name, values }, token) {
  const headers = { 'Content-Type': 'application/json' };
  try {
    if (token) headers.Authorization = `Bearer ${token}`;
    const body = JSON.stringify({ name, args: values });
    const response = await fetch('cmd', { method: 'POST', headers, body, signal: AbortSignal.timeout(20_000) });
    const json = await response.json();
    return { ok: response.ok, status: response.status, reason: json.error?.message ?? '' };
  } catch (error) {
    return { ok: false, status: 0, reason: error.message };
  }
}

function tell(kind, text) {
  clearTimeout(fading);
  say(set(toast, { 'data-kind': kind }), text);
  fading = setTimeout(() => show(toast, false), 8000);
}
