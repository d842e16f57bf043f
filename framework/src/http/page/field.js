// Fields of a command's form: one for each argument, by its kind.

import { h, say, set } from './dom.js';
import { exact, number, separators } from './format.js';
import { t } from './text.js';

// Parses a number as people type it, with the locale's marks, or as programs write it. `null` if it is not valid.
/** @type {(text: string) => number | null} */
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

// Returns what is wrong with a number, or `null`.
/** @type {(value: number | null, argument: Argument, limits: string) => string | null} */
function problemOf(value, { kind, min, max, step }, limits) {
  const usual = kind === 'int' ? 3 : 13756.57;
  const example = [usual, min, max].find((one) => one != null && one >= (min ?? one) && one <= (max ?? one));
  if (value === null) return t(kind === 'int' ? 'bad_whole' : 'bad_number', { example: number(example ?? 0, 9, 0) });
  if (kind === 'int' && !Number.isInteger(value)) return t('bad_whole', { example: number(example ?? 0, 9, 0) });
  const steps = (value - (min ?? 0)) / (step ?? 1);
  const isStep = step == null || Math.abs(steps - Math.round(steps)) < 1e-6;
  return value >= (min ?? value) && value <= (max ?? value) && isStep ? null : t('bad_limits', { limits });
}

// Returns the limits of a number in words.
/** @type {(argument: Argument) => string} */
function limitsOf({ min, max, step, unit }) {
  const [from, to] = [min, max].map((limit) => exact(limit, unit ?? ''));
  const range =
    min != null && max != null
      ? t('from_to', { from, to })
      : min != null
        ? t('at_least', { from })
        : max != null
          ? t('at_most', { to })
          : null;
  return [range, step == null ? null : t('in_steps', { step: exact(step, '') })].filter(Boolean).join(', ');
}

// Returns the field of an argument; `spec` is the argument in /cmds, with its label and the state that it changes.
/** @typedef {ReturnType<typeof field>} Field */
/** @param {string} id @param {Argument} spec */
export function field(id, spec) {
  const { arg, kind, label, choices, optional, default: usual, unit, current, secret, help, must } = spec;
  const start = usual ?? current ?? null;
  const isNumber = kind === 'float' || kind === 'int';
  const isBox = kind === 'bool' && !(optional && usual == null);
  // What is chosen in place of typed: value and text of each.
  /** @type {[any, string][]} */
  const chosen = choices?.map((choice) => (Array.isArray(choice) ? choice : [choice, String(choice)])) ?? [[true, t('yes')], [false, t('no')]];
  const attributes = { id, 'data-test': id, 'aria-describedby': `${id}-about ${id}-problem` };
  /** @type {HTMLInputElement | HTMLSelectElement} */
  let input;
  const check = h('input', { type: 'checkbox', ...attributes });
  if (isBox) {
    input = check;
    check.checked = [true, 1, 'on', 'true', '1'].includes(/** @type {any} */ (start));
  } else if (kind === 'bool' || choices) {
    const options = chosen.map(([value, text]) => h('option', { value }, text));
    const none = must ? null : h('option', { value: '' }, optional ? '–' : t('choose'));
    input = h('select', attributes, none, options);
    if (chosen.some(([value]) => value === start)) input.value = String(start);
  } else {
    // As text, so that a decimal comma works in every browser. Some keyboards for numbers have no minus.
    input = h('input', { type: secret ? 'password' : 'text', autocomplete: 'off', dir: 'auto', ...attributes });
    if (isNumber && (spec.min ?? -1) >= 0) set(input, { inputmode: kind === 'int' ? 'numeric' : 'decimal' });
    // A port is a number without a thousand.
    if (start !== null) input.value = typeof start === 'number' && !spec.plain ? number(start, 9, 0).replace('−', '-') : String(start);
  }
  const limits = isNumber && !spec.plain ? limitsOf(spec) : '';
  const about = h('small', { id: `${id}-about` }, [help, limits, optional ? t('optional') : ''].filter(Boolean).join(', '));
  const problem = h(`small.problem@${id}-problem`, { id: `${id}-problem`, role: 'alert', hidden: true });
  const isEmpty = () => !isBox && input.value.trim() === '' && (kind !== 'str' || choices || optional);
  // `undefined` if it is left out; `null` if it is not a number.
  const value = () => {
    if (isBox) return check.checked;
    if (isEmpty()) return undefined;
    if (isNumber) return parsed(input.value);
    return kind === 'bool' ? input.value === 'true' : input.value;
  };
  const wrong = () => {
    const given = value();
    if (given === undefined && optional) return null;
    if (isNumber) return problemOf(typeof given === 'number' ? given : null, spec, limits);
    return given === undefined || given === '' ? t(choices ? 'choose' : 'bad_text') : null;
  };
  return {
    arg,
    input,
    value,
    element: h(isBox ? 'div.field.box' : 'div.field', h('label', { for: id }, label), input, about, problem),
    focus: () => input.focus(),
    check() {
      const text = wrong();
      say(problem, text);
      set(input, { 'aria-invalid': text ? 'true' : null });
      return !text;
    },
    // Shows what the program says about it.
    /** @param {string} text */
    fail(text) {
      say(problem, text);
      set(input, { 'aria-invalid': 'true' });
    },
    // The argument in words, for the question.
    told() {
      const given = value();
      return `${arg} = ${typeof given === 'boolean' ? t(given ? 'yes' : 'no') : exact(given, unit ?? '')}`;
    },
  };
}
