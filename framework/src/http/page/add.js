// Forms that add an S0 counter, an MQTT broker with Home Assistant, and InfluxDB.

import { button, elements, h, on, set, show, write } from './dom.js';
import { failureOf } from './failure.js';
import { field } from './field.js';
import { t } from './text.js';
import { send } from './token.js';
import { fileOf, keyAt, nameFor, section } from './toml.js';

const PORTS = { min: 1, max: 65_535, kind: 'int', plain: true };

// Returns the forms: one for each plugin that the program has.
/** @type {(known: Setup, save: Save) => HTMLElement[]} */
export function forms(known, save) {
  /** @type {(kind: string) => boolean} */
  const has = (kind) => known.plugins.some((plugin) => plugin.kind === kind);
  const all = { s0, mqtt, influx };
  const made = Object.entries(all).filter(([kind]) => has(kind)).map(([kind, make]) => form(kind, make(known), save));
  return made.length ? [h('h2.above', t('add_more')), ...made] : [];
}

// A host as people write it: also with a scheme, or an IPv6 address without brackets.
/** @type {(text: string) => string} */
function hostOf(text) {
  const host = text.replace(/^[a-z+]+:\/\//i, '').replace(/\/+$/, '');
  return /^[0-9a-f]*:[0-9a-f:]+$/i.test(host) ? `[${host}]` : host;
}

/** @typedef {Record<string, any>} Values */
/**
 * The description of a form: its fields, when each is shown, and the section of its values. `keys` says which field has
 * a key of the section.
 * @typedef {object} Description
 * @property {number} file
 * @property {(Omit<Argument, 'label'> & {when?: (values: Values) => boolean})[]} fields
 * @property {Record<string, string>} keys
 * @property {boolean} [canTest]
 * @property {string | null} [empty]
 * @property {(values: Values) => {name: string, toml: string}} write
 */

/** @type {(setup: Setup) => Description} */
function s0({ gpio, ports, sources, publishers }) {
  /** @type {[string, string][]} */
  const pins = gpio.map(({ chip, line, name, used_by: user }) => [
    JSON.stringify([chip, line]),
    `${name || t('line_number', { line })} (${chip}, ${line})${user ? ` – ${t('pin_used', { user })}` : ''}`,
  ]);
  /** @type {[string, string][]} */
  const lines = ports.filter(({ used_by: user }) => !user).map(({ port, name, device }) => [port, name ? `${name} (${device})` : port]);
  const taken = [...sources, ...(publishers ?? [])].map(({ name }) => name);
  return {
    file: 20,
    empty: pins.length || lines.length ? null : t('s0_nowhere'),
    fields: [
      { arg: 'label', kind: 'str', help: t('s0_label_text') },
      { arg: 'at', kind: 'str', choices: [...pins, ...lines] },
      { arg: 'pulses', kind: 'float', min: 0.001, max: 1_000_000, default: 1000, help: t('pulses_text') },
      { arg: 'role', kind: 'str', choices: ['consumer', 'submeter', 'production', 'grid', 'storage'].map((role) => [role, t(`role_${role}`)]), optional: true },
    ],
    keys: { pin: 'at', line: 'at', chip: 'at', port: 'at', pulses_per_kwh: 'pulses' },
    write(values) {
      const name = nameFor(values.label, 's0', taken);
      const [chip, line] = values.at.startsWith('[') ? JSON.parse(values.at) : [];
      const place = chip ? { chip, line } : { port: values.at };
      const keys = { plugin: 's0', label: values.label, role: values.role, ...place, pulses_per_kwh: values.pulses };
      return { name, toml: section('sources', name, keys) };
    },
  };
}

/** @type {(setup: Setup) => Description} */
function mqtt({ publishers }) {
  const taken = (publishers ?? []).map(({ name }) => name);
  return {
    file: 40,
    canTest: true,
    fields: [
      { arg: 'host', kind: 'str', help: t('mqtt_host_text') },
      { arg: 'port', ...PORTS, default: 1883 },
      { arg: 'tls', kind: 'bool', default: false },
      { arg: 'username', kind: 'str', optional: true },
      { arg: 'password', kind: 'str', optional: true, secret: true },
      { arg: 'discovery', kind: 'bool', default: true },
    ],
    keys: { url: 'host' },
    write(values) {
      const name = nameFor('mqtt', 'mqtt', taken);
      const { host, port, tls, username, password, discovery } = values;
      const url = `${tls ? 'mqtts' : 'mqtt'}://${hostOf(host)}:${port}`;
      const keys = { plugin: 'mqtt', url, username, password, discovery: discovery ? 'device' : 'off' };
      return { name, toml: section('publishers', name, keys) };
    },
  };
}

/** @type {(setup: Setup) => Description} */
function influx({ publishers }) {
  const taken = (publishers ?? []).map(({ name }) => name);
  /** @type {(...versions: string[]) => (values: Values) => boolean} */
  const only = (...versions) => ({ version }) => versions.includes(version);
  return {
    file: 40,
    canTest: true,
    fields: [
      { arg: 'version', kind: 'str', choices: ['v1', 'v2', 'v3'].map((version) => [version, t(`influx_${version}`)]), default: 'v2', must: true },
      { arg: 'host', kind: 'str', help: t('influx_host_text') },
      { arg: 'port', ...PORTS, default: 8086 },
      { arg: 'tls', kind: 'bool', default: false },
      { arg: 'database', kind: 'str', when: only('v1', 'v3') },
      { arg: 'username', kind: 'str', optional: true, when: only('v1') },
      { arg: 'password', kind: 'str', optional: true, secret: true, when: only('v1') },
      { arg: 'org', kind: 'str', when: only('v2') },
      { arg: 'bucket', kind: 'str', when: only('v2') },
      { arg: 'token', kind: 'str', secret: true, when: only('v2', 'v3'), help: t('influx_token_text') },
    ],
    keys: { url: 'host' },
    write({ host, port, tls, ...values }) {
      const name = nameFor('influx', 'influx', taken);
      const url = `${tls ? 'https' : 'http'}://${hostOf(host)}:${port}`;
      return { name, toml: section('publishers', name, { plugin: 'influx', url, ...values }) };
    },
  };
}

// Returns the form of a description, folded.
/** @type {(kind: string, description: Description, save: Save) => HTMLElement} */
function form(kind, description, save) {
  const { file, fields: specs, keys, canTest, empty } = description;
  /** @type {(name: string) => string} */
  const id = (name) => `${kind}-${name}`;
  const title = h(`summary@${id('open')}`, h('strong', t(`add_${kind}`)));
  const about = h('p.hint', t(`add_${kind}_text`));
  /** @type {(...content: Child[]) => HTMLElement} */
  const frame = (...content) => h(`details.card.add@add-${kind}`, title, h('div.stack', about, content));
  if (empty) return frame(h('p', empty));
  /** @type {(arg: string) => string} */
  const labelOf = (arg) => t(`f_${arg}`);
  const fields = specs.map((spec) => field(id(spec.arg), { ...spec, label: labelOf(spec.arg), default: spec.default }));
  const shownOf = () => {
    const all = Object.fromEntries(fields.map((one) => [one.arg, one.value()]));
    const isShown = specs.map(({ when }) => !when || when(all));
    return fields.filter((_, i) => isShown[i]);
  };
  const update = () => {
    const shown = elements(shownOf());
    // Nothing else is in the form: a browser would take a hidden password for one that it may fill in.
    if (shown.length !== box.children.length || shown.some((one, i) => one !== box.children[i])) box.replaceChildren(...shown);
  };
  const box = h('div.fields');
  const answer = h(`div.answer@${id('answer')}`, { role: 'status' });
  const failure = h(`div.error@${id('failure')}`, { role: 'alert', hidden: true });
  /** @type {HTMLButtonElement | null} */
  const test = !canTest ? null : button(id('test'), t('test'), () => test && act('test', test));
  const keep = h(`button.primary@${id('save')}`, { type: 'submit' }, t('save'));
  const element = h('form.stack', { novalidate: true }, box, answer, failure, h('p.buttons', test, keep));
  on(element, 'change', update);
  on(element, 'submit', (event) => {
    event.preventDefault();
    act('save', keep);
  });
  update();

  /** @type {(action: string, clicked: HTMLButtonElement) => Promise<void>} */
  async function act(action, clicked) {
    if (clicked.disabled) return;
    const shown = shownOf();
    const wrong = shown.filter((one) => !one.check());
    write(answer, '');
    show(failure, false);
    if (wrong.length) return wrong[0].focus();
    /** @type {(value: unknown) => unknown} */
    const trimmed = (value) => (typeof value === 'string' ? value.trim() : value);
    // A secret may begin with a blank.
    const values = Object.fromEntries(shown.map((one) => [one.arg, one.input.type === 'password' ? one.value() : trimmed(one.value())]));
    const { name, toml } = description.write(values);
    const target = fileOf(file, name);
    const text = clicked.textContent;
    const both = test ? [test, keep] : [keep];
    /** @type {(begun: boolean) => void} */
    const work = (begun) => {
      for (const one of both) one.disabled = begun;
      write(clicked, begun ? t(action === 'test' ? 'testing' : 'working') : text);
    };
    work(true);
    const sent = action === 'test' ? await send('setup/test', { toml }, { signal: AbortSignal.timeout(30_000) }) : await save(target, toml);
    work(false);
    if (sent.ok) {
      // The whole view is new after a change.
      if (action === 'test') write(answer, t('test_good', { text: sent.json.text ?? '' }));
      return;
    }
    tellMistakes(sent, toml);
  }

  // Shows each mistake at its field; what belongs to none is below the fields.
  /** @type {(sent: Answered, toml: string) => void} */
  function tellMistakes(sent, toml) {
    const rest = [];
    let first = null;
    for (const mistake of sent.json.mistakes ?? []) {
      const key = mistake.file ? null : keyAt(toml, mistake.line);
      const one = fields.find(({ arg }) => arg === (keys[key ?? ''] ?? key));
      if (!one) {
        rest.push(mistake);
        continue;
      }
      one.fail([mistake.message, mistake.hint].filter(Boolean).join('. '));
      first ??= one;
    }
    const isAll = first && !rest.length;
    if (!isAll) failure.replaceChildren(...failureOf({ ...sent, json: { ...sent.json, mistakes: rest } }));
    show(failure, !isAll);
    first?.focus();
  }

  set(element, { 'aria-label': t(`add_${kind}`) });
  return frame(element);
}
