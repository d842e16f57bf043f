// Names and roles of the sources, and the files that this page has written.

import { button, h, on, show } from './dom.js';
import { failureOf } from './failure.js';
import { roleOptions } from './find.js';
import { t } from './text.js';
import { fileOf, hasKey, withKeys } from './toml.js';

const KEYS = /** @type {const} */ (['label', 'role']);

// Returns the forms with label and role of each source.
/** @type {(setup: Setup, save: Save, remove: Remove) => HTMLElement[]} */
export function names({ sources, drop_ins: files }, save, remove) {
  if (!sources.length) return [];
  return [
    h('h2.above', t('names')),
    h('section.card.stack@names', h('p.hint', t('names_text')), sources.map((source) => named(source, files, save, remove))),
  ];
}

/** @type {(source: Setup['sources'][0], files: DropIn[], save: Save, remove: Remove) => HTMLElement} */
function named(source, files, save, remove) {
  const { name, plugin, label, role, where } = source;
  const own = fileOf(60, name);
  /** @type {(file: string | undefined, key: string) => boolean} */
  const has = (file, key) => hasKey(files.find((one) => one.file === file)?.text, name, key);
  // A key that another file sets can only be changed there.
  /** @type {(key: string) => string | undefined} */
  const placeOf = (key) => [own, where].find((file) => has(file, key)) ?? files.find((one) => hasKey(one.text, name, key))?.file;
  /** @type {(key: string, value?: string) => boolean} */
  const isElsewhere = (key, value) => Boolean(value) && !placeOf(key);
  const isDropIn = files.some(({ file, text }) => file === where && text);
  /** @type {(key: string, element: HTMLInputElement | HTMLSelectElement, value?: string) => HTMLElement} */
  const input = (key, element, value) => {
    const id = `${key}-${name}`;
    const fixed = isElsewhere(key, value);
    for (const [attribute, it] of Object.entries({ id, 'data-test': id })) element.setAttribute(attribute, it);
    element.disabled = fixed;
    return h('div.field', h('label', { for: id }, t(key)), element, fixed ? h('small', t('set_elsewhere', { file: where ?? '' })) : null);
  };
  const text = h('input', { type: 'text', maxlength: 64, dir: 'auto', autocomplete: 'off', value: label ?? '' });
  const choice = h('select', [h('option', { value: '' }, t('role_none')), ...roleOptions(role)]);
  const failure = h(`div.error@names-failure-${name}`, { role: 'alert', hidden: true });
  const keep = h(`button@names-save-${name}`, { type: 'submit' }, t('save'));
  const fields = h('div.fields', input('label', text, label), input('role', choice, role));
  const title = h('legend', h('strong', name), ' ', h('small', plugin));
  const element = h(`form@names-${name}`, { novalidate: true }, h('fieldset', title, fields, failure, h('p.buttons', keep)));
  on(element, 'submit', async (event) => {
    event.preventDefault();
    const wanted = { label: text.value.trim(), role: choice.value };
    // Each key is changed in the file that has it; new ones go to the source's own file.
    const changes = new Map();
    for (const key of KEYS.filter((key) => !(key === 'label' ? text : choice).disabled)) {
      const file = placeOf(key) ?? (isDropIn && where ? where : own);
      changes.set(file, { ...changes.get(file), [key]: wanted[key] });
    }
    keep.disabled = true;
    let answer;
    for (const [file, keys] of changes) {
      const old = files.find((one) => one.file === file)?.text ?? '';
      const toml = withKeys(old, name, keys);
      const isEmpty = file === own && !/^\s*\w+\s*=/m.test(toml);
      if (isEmpty && !old) continue;
      answer = await (isEmpty ? remove(file) : save(file, toml));
      if (!answer.ok) break;
    }
    keep.disabled = false;
    show(failure, Boolean(answer && !answer.ok));
    if (answer && !answer.ok) failure.replaceChildren(...failureOf(answer));
  });
  return element;
}

// Returns the drop-ins with their texts.
/** @type {(setup: Setup, remove: Remove) => HTMLElement[]} */
export function dropIns({ drop_ins: files, config }, remove) {
  const note = h('p.hint', t('files_text', { config: config ?? 'config.toml' }));
  const list = files.map((file) => dropIn(file, remove));
  const content = list.length ? list : [h('p', t('no_files'))];
  return [h('h2.above', t('files')), h('section.card.stack@drop-ins', note, content)];
}

/** @type {(file: DropIn, remove: Remove) => HTMLElement} */
function dropIn({ file, text }, remove) {
  const failure = h('div.error', { role: 'alert', hidden: true });
  const away = button(`remove-${file}`, t('remove'), async () => {
    if (!(await isSure(t('remove_sure', { file })))) return;
    away.disabled = true;
    const answer = await remove(file);
    away.disabled = false;
    show(failure, !answer.ok);
    if (!answer.ok) failure.replaceChildren(...failureOf(answer));
  });
  const shown = h('pre', { dir: 'ltr' }, text ?? t('file_unreadable'));
  return h(`details.file@file-${file}`, h('summary', h('code', file)), shown, failure, h('p.buttons', away));
}

// Asks before something is taken away.
/** @type {(text: string) => Promise<boolean>} */
function isSure(text) {
  return new Promise((answered) => {
    const no = button('remove-cancel', t('cancel'), () => dialog.close('no'));
    const yes = button('remove-confirm', t('remove_yes'), () => dialog.close('yes'), { class: 'primary' });
    const title = h('h2', { id: 'remove-title' }, t('confirm_title'));
    const buttons = h('div.buttons', no, yes);
    const dialog = h('dialog@remove-dialog', { 'aria-labelledby': 'remove-title' }, h('div.stack', title, h('p', text), buttons));
    on(dialog, 'close', () => {
      dialog.remove();
      answered(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
