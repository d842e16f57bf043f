// Find my meter: a search over the ports, shown while it runs, and what it finds.

import { button, h, on, set, show, write } from './dom.js';
import { failureOf } from './failure.js';
import { ROLES } from './model.js';
import { explain } from './reasons.js';
import { known, t } from './text.js';
import { withToken } from './token.js';
import { fileOf, withKeys } from './toml.js';

// Readings of a meter that are shown at once.
const FIRST = 6;

// Makers by the letters that begin a meter's identification (as assigned by the FLAG Association).
/** @type {Record<string, string>} */
const MAKERS = {
  ACE: 'Itron', APA: 'Apator', DZG: 'DZG', EBZ: 'eBZ', EFR: 'EFR', ELS: 'Elster', ELV: 'Elvaco', EMH: 'EMH metering',
  ESY: 'EasyMeter', FML: 'Siconia', HAG: 'Hager', HLY: 'Holley', ISK: 'Iskraemeco', ITR: 'Itron', KAM: 'Kamstrup',
  KFM: 'Kaifa', KMP: 'Kamstrup', LGZ: 'Landis+Gyr', LOG: 'Logarex', NZR: 'NZR', SAG: 'Sagemcom', XMX: 'Xemex',
};

// Reads server-sent events, and calls `handler` with name and data of each.
/** @type {(response: Response, handler: (name: string, data: any) => void) => Promise<void>} */
async function listen(response, handler) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value.replaceAll('\r', '')).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').flatMap((line) => [/^(\w+): ?(.*)$/.exec(line) ?? []]);
      const name = fields.find(([, field]) => field === 'event')?.[2];
      const data = fields.filter(([, field]) => field === 'data').map(([, , rest]) => rest);
      if (name) handler(name, JSON.parse(data.join('\n') || '{}'));
    }
  }
}

/** @typedef {{name: string, value: string, unit?: string}} FoundReading */
/**
 * A meter that was found.
 * @typedef {object} Found
 * @property {string} name
 * @property {() => string} toml
 * @property {boolean} isSaved
 * @property {HTMLElement} [button]
 * @property {(begun: boolean) => void} work
 * @property {(answer: Answered) => void} done
 */

// A search that the program refuses.
class Refusal extends Error {
  /** @param {{json: any, reason?: string, status: number}} answer */
  constructor(answer) {
    super('refused');
    this.answer = answer;
  }
}

export class Finder {
  #save;
  /** @type {AbortController | null} */
  #search = null; // the running search
  /** @type {Map<string, Row>} */
  #rows = new Map(); // of each port
  /** @type {Found[]} */
  #found = [];
  /** @type {Setup['ports']} */
  #ports = [];
  #done = 0;
  #parts;

  /** @param {(found: {file: string, toml: string}[]) => Promise<Answered[]>} save */
  constructor(save) {
    this.#save = save;
    const start = button('find', t('find'), () => this.start(), { class: 'primary' });
    const stop = button('find-stop', t('stop'), () => this.stop(), { hidden: true });
    const all = button('find-save-all', t('save_all'), () => this.#keep(this.#found), { class: 'primary', hidden: true });
    const status = h('p@find-status', { role: 'status' });
    const bar = h('progress', { 'aria-label': t('find_progress'), hidden: true });
    const failure = h('div.error@find-failure', { role: 'alert', hidden: true });
    const list = h('ul.ports@find-list');
    const attributes = { id: 'find-port', 'data-test': 'find-port', type: 'text', autocomplete: 'off', spellcheck: 'false' };
    const port = h('input', attributes);
    const field = h('div.field', h('label', { for: 'find-port' }, t('find_port')), port, h('small', t('find_port_text')));
    const here = h('p.hint@find-ports');
    const advice = h('div.advice@find-advice', { hidden: true }, h('p', t('advice')), h('ul', ['advice_1', 'advice_2', 'advice_3'].map((key) => h('li', t(key)))));
    const form = h('form.stack', h('details', h('summary', t('find_elsewhere')), field), h('p.buttons', stop, start));
    on(port, 'keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      this.start();
    });
    const texts = [h('h2', t('find')), h('p', t('find_text')), here];
    this.#parts = { start, stop, all, status, bar, failure, list, port, here, advice };
    this.element = h('section.card.stack@finder', texts, form, h('div.meter', bar, status), failure, list, advice, h('p.buttons', all));
  }

  // Takes the ports of the machine.
  /** @param {Setup['ports']} ports */
  update(ports) {
    this.#ports = ports;
    const told = ports.map(({ name, device, port, used_by: user }) => {
      const title = name ? `${name} (${device ?? port})` : (device ?? port);
      return user ? t('port_used', { port: title, source: user }) : title;
    });
    write(this.#parts.here, told.length ? t('find_ports', { ports: told.join(', ') }) : t('find_no_port'));
  }

  async start() {
    if (this.#search) return;
    const search = new AbortController();
    this.#search = search;
    const { start, stop, all, status, bar, failure, list, port, advice } = this.#parts;
    const wanted = port.value.trim();
    this.#rows.clear();
    this.#found = [];
    this.#done = 0;
    list.replaceChildren();
    for (const element of [failure, all, advice]) show(element, false);
    bar.removeAttribute('value');
    show(bar, true);
    const hadFocus = document.activeElement === start;
    show(start, false);
    show(stop, true);
    if (hadFocus) stop.focus();
    write(status, t('find_running'));
    let isWhole = false;
    try {
      const response = await fetch('setup/probe', {
        method: 'POST',
        headers: withToken({ 'Content-Type': 'application/json' }),
        body: JSON.stringify(wanted ? { ports: [wanted] } : {}),
        signal: search.signal,
      });
      if (!response.ok) {
        const json = await response.json();
        throw new Refusal({ json, reason: json.error?.message, status: response.status });
      }
      await listen(response, (name, data) => {
        if (name === 'end') isWhole = true;
        else this.#take(name, data);
      });
      if (!isWhole) throw new Error(t('find_broken'));
      write(status, this.#found.length ? t('find_found', { count: this.#found.length }) : t('find_none'));
      show(advice, !this.#found.length);
    } catch (error) {
      if (search.signal.aborted) {
        write(status, t('find_stopped'));
      } else {
        write(status, '');
        const unknown = () => [h('strong', t('did_not_work')), h('span', String(error instanceof Error ? error.message : error))];
        failure.replaceChildren(...(error instanceof Refusal ? failureOf(error.answer) : unknown()));
        show(failure, true);
      }
    } finally {
      this.#search = null;
      const stopHadFocus = document.activeElement === stop;
      show(bar, false);
      show(stop, false);
      write(show(start, true), t('find_again'));
      start.classList.toggle('primary', !this.#found.length);
      for (const row of this.#rows.values()) row.end();
      show(all, this.#found.length > 1);
      if (stopHadFocus) (this.#found[0]?.button ?? start).focus();
    }
  }

  stop() {
    this.#search?.abort();
  }

  /** @type {(event: string, data: any) => void} */
  #take(event, data) {
    const { bar, list, status } = this.#parts;
    const { port } = data;
    let row = this.#rows.get(port);
    if (!row) {
      row = new Row(this.#titleOf(port));
      this.#rows.set(port, row);
      list.append(row.element);
    }
    if (event === 'progress') {
      row.progress(data.text);
      set(bar, { max: data.of, value: data.done || null });
      return;
    }
    this.#done += 1;
    if (bar.max > 1) set(bar, { value: this.#done });
    if (event === 'problem') row.problem(data);
    if (event === 'found') {
      const found = row.found(data, (one) => this.#keep([one]));
      this.#found.push(found);
      write(status, t('find_one', { port: this.#titleOf(port) }));
    }
  }

  /** @param {string} port */
  #titleOf(port) {
    const of = this.#ports.find((one) => one.port === port || one.device === port);
    return of?.name ? `${of.name} (${of.device})` : port || t('find_machine');
  }

  // Saves what was found, with the names that a person gave.
  /** @param {Found[]} all */
  async #keep(all) {
    const wanted = all.filter(({ isSaved }) => !isSaved);
    for (const one of wanted) one.work(true);
    const answers = await this.#save(wanted.map((one) => ({ file: fileOf(10, one.name), toml: one.toml() })));
    answers.forEach((answer, i) => wanted[i].done(answer));
  }
}

// A port in the list, and what is found there.
class Row {
  /** @param {string} title */
  constructor(title) {
    this.text = h('span.what@find-what');
    this.body = h('div.stack');
    this.element = h('li@find-row', { 'data-state': 'running' }, h('p.head', h('strong', title), this.text), this.body);
  }

  /** @param {string} text */
  progress(text) {
    write(set(this.text, { lang: 'en' }), text);
  }

  /** @param {{code?: string, text: string, hint?: string}} problem */
  problem({ code, text, hint }) {
    set(this.element, { 'data-state': 'problem', 'data-test': 'find-problem' });
    explain(this.text, { code, message: text });
    this.body.replaceChildren(...(hint ? [h('p.hint', { lang: 'en' }, hint)] : []));
  }

  // The search has ended: a port without a finding was not looked at to the end.
  end() {
    if (this.element.dataset.state !== 'running') return;
    set(this.element, { 'data-state': 'stopped' });
    write(this.text, t('find_port_stopped'));
  }

  /** @type {(data: {text: string, plugin: string, name: string, toml: string, keys?: string[], readings: FoundReading[]}, save: (found: Found) => void) => Found} */
  found({ text, plugin, name, toml, keys: missing = [], readings }, save) {
    set(this.element, { 'data-state': 'found', 'data-test': 'find-found' });
    write(this.text, t('find_meter'));
    const facts = explained(text, plugin, readings);
    const list = h('dl.main', facts.map(([title, value]) => h('div', h('dt', t(title)), h('dd', { dir: 'auto' }, value))));
    const id = `find-label-${name}`;
    const label = h(`input@${id}`, { id, type: 'text', maxlength: 64, dir: 'auto', autocomplete: 'off' });
    const field = h('div.field', h('label', { for: id }, t('label')), label, h('small', t('label_text')));
    const role = h('select', { id: `${id}-role` }, [h('option', { value: '' }, t('role_none')), ...roleOptions()]);
    const roles = h('div.field', h('label', { for: `${id}-role` }, t('role')), role);
    // A meter that encrypts is read once the keys of its grid operator are known.
    const secrets = missing.map((key) => {
      const attributes = { id: `${id}-${key}`, 'data-test': `find-${key}-${name}`, type: 'text', maxlength: 64 };
      return { key, input: h('input', { ...attributes, autocomplete: 'off', spellcheck: 'false' }) };
    });
    const locks = secrets.map(({ key, input }) =>
      h('div.field', h('label', { for: input.id }, t(`meter_${key}`)), input, h('small', t('meter_key_text'))),
    );
    const written = () => {
      const given = secrets.map(({ key, input }) => [key, input.value.trim()]);
      const keys = { label: label.value.trim(), role: role.value, ...Object.fromEntries(given) };
      return Object.values(keys).some(Boolean) ? withKeys(toml, name, keys) : toml;
    };
    const pre = h('pre@find-toml', toml);
    const update = () => write(pre, written());
    on(on(label, 'input', update), 'change', update);
    on(role, 'change', update);
    for (const { input } of secrets) on(input, 'input', update);
    const failure = h('div.error@find-save-failure', { role: 'alert', hidden: true });
    /** @type {Found} */
    const result = { name, toml: written, isSaved: false, work: () => {}, done: () => {} };
    const keep = button(`find-save-${name}`, t('save'), () => save(result), { class: 'primary' });
    this.body.replaceChildren(
      list,
      readingsOf(readings),
      h('div.fields', locks, field, roles),
      h('details@find-section', h('summary', t('find_section')), pre),
      failure,
      h('p.buttons', keep),
    );
    return Object.assign(result, {
      button: keep,
      /** @param {boolean} begun */
      work(begun) {
        keep.disabled = begun;
        write(keep, t(begun ? 'working' : 'save'));
      },
      /** @param {Answered} answer */
      done: (answer) => {
        result.work(false);
        show(failure, !answer.ok);
        if (!answer.ok) return failure.replaceChildren(...failureOf(answer));
        result.isSaved = true;
        write(this.text, t('is_saved'));
        keep.disabled = true;
      },
    });
  }
}

/** @type {(chosen?: string) => HTMLOptionElement[]} */
export const roleOptions = (chosen) => ROLES.map((role) => h('option', { value: role, selected: role === chosen }, t(`role_${role}`)));

// Maker, model, protocol and connection of a meter, as far as they are known.
/** @type {(text: string, plugin: string, readings: FoundReading[]) => [string, string][]} */
function explained(text, plugin, readings) {
  const [, ident] = /\x60([^\x60]*)\x60/.exec(text) ?? [];
  const [, way] = /\(([^)]*)\)/.exec(text) ?? [];
  const [, advice] = /\): (.*)$/s.exec(text) ?? [];
  const number = readings.map(({ value }) => value).find((value) => /^\d?[A-Z]{3}\d{10}$/.test(value));
  const letters = /^\/?([A-Za-z]{3})\d/.exec(ident ?? '')?.[1] ?? /^\d?([A-Z]{3})/.exec(ident ?? number ?? '')?.[1];
  const maker = MAKERS[letters?.toUpperCase() ?? ''];
  const rest = (way ?? '').split(', ').filter((part) => part !== plugin);
  /** @type {[string, string | null | undefined][]} */
  const facts = [
    ['maker', maker],
    ['model', ident],
    ['meter_number', number === ident ? null : number],
    ['protocol', known(`protocol_${plugin}`) ?? plugin],
    ['connection', rest.join(', ')],
    ['good_to_know', advice],
  ];
  return facts.flatMap(([name, value]) => (value ? [[name, value]] : []));
}

// The first readings, and the others folded.
/** @type {(readings: FoundReading[]) => HTMLElement} */
function readingsOf(readings) {
  if (!readings.length) return h('p.hint', t('no_readings_yet'));
  /** @type {(reading: FoundReading) => HTMLElement} */
  const row = ({ name, value, unit }) => h('tr', h('th', { scope: 'row' }, name), h('td', [value, unit].filter(Boolean).join('\u00a0')));
  /** @type {(all: FoundReading[], label: string) => HTMLElement} */
  const list = (all, label) => h('div.scroll', h('table.readings', { 'aria-label': label }, h('tbody', all.map(row))));
  const rest = readings.slice(FIRST);
  const more = rest.length ? h('details', h('summary', t('more_readings', { count: rest.length })), list(rest, t('more_readings', { count: rest.length }))) : null;
  return h('div@find-readings', h('h3', t('first_readings')), list(readings.slice(0, FIRST), t('first_readings')), more);
}
