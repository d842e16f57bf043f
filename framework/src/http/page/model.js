// Subjects of a section: found by what its readings mean, never by their names.
//
// A *subject* is one thing that people look at: an electricity meter, a consumer, a gas meter, a temperature. Where it
// has a number that may be spread over several readings (two tariffs; import and export), that is a *sum*: a list of
// `{name, factor}`, in W, kWh, or the subject's own unit.

import { known, t } from './text.js';

// Units in which numbers are shown, as factors to the base units.
/** @type {Record<string, number>} */
const SHOWN = /** @type {any} */ ({ __proto__: null, power: 1, energy: 3.6e6, voltage: 1 });

// Returns the subjects of a section from its numbers, with a meaning as in /readings. Readings with a
// role of their own are subjects of their own, those of one name together; hidden ones are left out.
/** @type {(section: string, entries: Entry[]) => Subject[]} */
export function subjectsOf(section, entries) {
  /** @type {Map<string, Entry[]>} */
  const groups = new Map();
  for (const entry of entries) {
    const { role, label } = entry.meaning;
    const key = role ? JSON.stringify([role, label]) : '';
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const rest = groups.get('') ?? [];
  const subjects = rest.length ? subjectsOfRest(section, rest) : [];
  for (const [key, group] of groups) {
    const { role, label } = group[0].meaning;
    if (!key || !role || role === 'hidden') continue;
    /** @type {Subject['own']} */
    const own = { role, label: label ?? titled(group[0].name.replaceAll('_', ' ')), isOwn: true };
    const [first] = subjectsOfRest(section, group);
    if (first) subjects.push({ ...first, key: `${section}/${group[0].name}`, own });
  }
  return subjects;
}

/** @type {(section: string, entries: Entry[]) => Subject[]} */
function subjectsOfRest(section, entries) {
  const live = entries.filter(({ meaning }) => meaning.live && meaning.factor);
  /** @type {(entry: Entry) => Term} */
  const term = ({ name, meaning }) => ({ name, factor: (meaning.factor ?? 0) / SHOWN[meaning.quantity ?? ''] });
  /** @type {(quantity: string, wanted: Partial<Meaning>) => Term | undefined} */
  const find = (quantity, wanted) => {
    const all = { quantity, medium: 'electricity', phase: null, tariff: null, ...wanted };
    /** @type {(entry: Entry) => boolean} */
    const fits = ({ meaning }) => Object.entries(all).every(([key, value]) => (/** @type {Record<string, unknown>} */ ({ ...meaning })[key] ?? null) === value);
    const entry = live.find(fits);
    return entry && term(entry);
  };
  /** @type {(quantity: string, wanted: Partial<Meaning>) => Term[] | null} */
  const one = (quantity, wanted) => listed(find(quantity, wanted));
  /** @type {(phase?: string | null) => Term[] | null} */
  const difference = (phase = null) => {
    const [drawn, fed] = ['import', 'export'].map((direction) => find('power', { direction, phase }));
    return drawn || fed ? listed(drawn, fed && { ...fed, factor: -fed.factor }) : null;
  };
  // Some meters count the tariffs only, without their total.
  /** @type {(direction: string) => Term[] | null} */
  const counted = (direction) =>
    one('energy', { direction, kind: 'counter' }) ??
    listed(...[1, 2, 3, 4].map((tariff) => find('energy', { direction, kind: 'counter', tariff })));

  const phases = ['L1', 'L2', 'L3'].map((phase) => one('power', { direction: 'net', phase }) ?? difference(phase));
  const imports = counted('import') ?? counted('absolute');
  const exports = counted('export');
  // Power without a direction has no medium either: beside counters of electricity it is theirs, as in the balance.
  const undirected = imports || exports ? one('power', { medium: null, kind: 'gauge' }) : null;
  const power =
    one('power', { direction: 'net' }) ??
    difference() ??
    undirected ??
    one('power', { direction: 'absolute' }) ??
    (phases.every(Boolean) ? phases.flatMap((terms) => terms ?? []) : null);
  /** @type {(entry: Entry) => boolean} */
  const isNegated = ({ name, meaning: { direction } }) =>
    (direction === 'net' || direction === 'export') && Boolean(power?.some((term) => term.name === name));
  /** @type {Subject[]} */
  const subjects = [];
  /** @type {(kind: string, more: Partial<Subject> & {unit: string}) => void} */
  const add = (kind, more) => {
    const key = subjects.length ? `${section}/${more.main?.name ?? kind}` : section;
    subjects.push({ key, section, kind, power: null, imports: null, exports: null, first: 0, ...more });
  };
  if (power || imports || exports) {
    const voltages = ['L1', 'L2', 'L3'].map((phase) => one('voltage', { phase }));
    add('electricity', { power, isNet: live.some(isNegated), imports, exports, phases: phases.some(Boolean) ? phases : [], voltages, unit: 'kWh' });
  }
  const separate = !subjects.length;
  const count = separate && one('energy', { kind: 'counter', medium: null });
  if (count) add('consumer', { imports: count, power: one('power', { medium: null }), unit: 'kWh' });

  const thermal = live.filter(isThermal);
  // What passes through a heat meter, and how warm it is, belongs to its heat.
  const details = live.filter(({ meaning }) => ['heat', 'cooling', null, undefined].includes(meaning.medium));
  for (const entry of live) {
    const { name, meaning } = entry;
    const shared = { main: entry, unit: meaning.unit };
    const counter = { ...shared, imports: [{ name, factor: 1 }] };
    const isDetail = thermal.length > 0 && details.includes(entry);
    if (isThermal(entry)) {
      const own = details.filter((other) => !isThermal(other) && (thermal.length === 1 || other.name.startsWith(prefixOf(name))));
      const power = own.find(({ meaning }) => meaning.quantity === 'power');
      const rest = own.filter((other) => other !== power);
      add(meaning.medium === 'cooling' ? 'cold' : 'heat', { ...counter, power: listed(power && term(power)), details: rest });
    } else if (isDetail) continue;
    else if (meaning.quantity === 'volume' && meaning.kind === 'counter') add('volume', { ...counter, medium: meaning.medium });
    else if (separate && meaning.quantity === 'temperature') add('temperature', shared);
  }
  if (!subjects.length && entries.length) add('other', { main: entries[0], unit: entries[0].meaning.unit });
  /** @type {(subject: Subject) => boolean} */
  const several = ({ kind }) => subjects.filter((other) => other.kind === kind).length > 1;
  return subjects.map((subject) => ({ ...subject, several: several(subject) }));
}

/** @type {(entry: Entry) => boolean} */
const isThermal = ({ meaning: { quantity, kind, medium } }) => quantity === 'energy' && kind === 'counter' && (medium === 'heat' || medium === 'cooling');

// Several meters on one line are told apart by the beginnings of their names: `kitchen_energy`.
/** @type {(name: string) => string} */
const prefixOf = (name) => name.slice(0, Math.max(0, name.lastIndexOf('energy')));

/** @type {(...terms: (Term | null | undefined)[]) => Term[] | null} */
const listed = (...terms) => {
  const there = terms.flatMap((term) => term ?? []);
  return there.length ? there : null;
};

// Roles of sources, in the order in which they are shown; one without a role comes after these.
/** @type {Role[]} */
export const ROLES = ['grid', 'production', 'storage', 'consumer', 'submeter', 'hidden'];

// Returns the subjects with what a person said about their sources, in the order of the roles, without hidden ones.
/** @type {(subjects: Subject[], saidOf: (section: string) => {label?: string, role?: Role}) => Subject[]} */
export function arranged(subjects, saidOf) {
  /** @type {(subject: Subject) => number} */
  const place = ({ role }) => (role ? ROLES.indexOf(role) + 1 : ROLES.length);
  return subjects
    .map((subject) => ({ ...subject, ...saidOf(subject.section), ...subject.own }))
    .filter(({ role }) => role !== 'hidden')
    .sort((a, b) => place(a) - place(b));
}

/** @type {(subject: Subject) => boolean} */
const isElectric = ({ kind }) => kind === 'electricity' || kind === 'consumer';

// Returns whether a subject is a consumer beside the main meter. The program knows the roles, and guesses them where
// nobody has said them.
/** @type {(subject: Subject) => boolean} */
export const isConsumer = (subject) => ['consumer', 'submeter'].includes(subject.role ?? '') && isElectric(subject);

// Returns the main subject of the page: that of the grid, else the first with power and import, else the first with
// power.
/** @type {(subjects: Subject[]) => Subject | null} */
export function mainOf(subjects) {
  const ofGrid = subjects.filter((subject) => subject.role === 'grid' && isElectric(subject));
  const others = subjects.filter(({ kind, role }) => kind === 'electricity' && !role);
  const meters = ofGrid.length ? ofGrid : others;
  return (
    meters.find(({ power, imports }) => power && imports) ?? meters.find(({ power }) => power) ?? meters[0] ?? null
  );
}

// Returns a name for people: that of the section for its first subject, unless it is one of several of its kind. The
// names that the program proposes for sections say no more than the kind. A label is shown as it is.
/** @typedef {Pick<Subject, 'section' | 'kind' | 'key'> & Partial<Subject>} Named */
/** @type {(subject: Named) => string} */
export function labelOf({ section, kind, medium, main, key, several, label, isOwn }) {
  if (isOwn && label) return label;
  const own = main && (several || key !== section);
  if (own && main.meaning?.label) return main.meaning.label;
  if (label) return own ? `${label}: ${labelOf({ section, kind, medium, main, key, several })}` : label;
  const name = own ? main.name : section;
  // A volume is that of what it is of.
  /** @type {(word: string) => string} */
  const exactly = (word) => (word === 'volume' && medium ? medium : word);
  const said = own ? known(exactly(name.toLowerCase())) : null;
  if (said) return said;
  const [, plugin, number = ''] = /^smartmeter_(d0|sml|dlms|tic|s0|mbus|wmbus)(_\d+)?$/.exec(name) ?? [];
  const silent = plugin === 's0' ? 'consumer' : 'electricity';
  const words = plugin ? t(exactly(kind === 'other' ? silent : kind)) + number : name;
  return titled(words.replaceAll('_', ' ').trim() || name);
}

/** @type {(words: string) => string} */
export const titled = (words) => words.charAt(0).toUpperCase() + words.slice(1);

// The way of a power, and the key of its words. What is next to nothing has none.
export const WORDS_OF_WAYS = { import: 'from_grid', export: 'into_grid', none: 'balanced' };
/** @type {(watts: number) => keyof typeof WORDS_OF_WAYS} */
export const wayOf = (watts) => (Math.abs(watts) <= 0.5 ? 'none' : watts > 0 ? 'import' : 'export');

// Returns the bare value of a reading in /data.
/** @type {(reading: Reading | undefined) => unknown} */
export const valueOf = (reading) => (reading !== null && typeof reading === 'object' ? reading.value : reading);

// Returns a sum's value in a section of /data; `null` if a part is missing.
/** @type {(terms: Term[] | null | undefined, readings: Readings | undefined) => Value} */
export function sumOf(terms, readings) {
  if (!terms) return null;
  let sum = 0;
  for (const { name, factor } of terms) {
    const value = valueOf(readings?.[name]);
    if (typeof value !== 'number') return null;
    sum += factor * value;
  }
  return sum;
}

/** @type {(meaning: Meaning) => string | null | undefined} */
function nameOf({ quantity, kind, direction, medium, live }) {
  const counts = kind === 'counter' || kind === 'net';
  if (quantity === 'power') {
    if (live) return direction === 'import' ? 'q_power_import' : direction === 'export' ? 'q_power_export' : 'q_power';
    return kind === 'gauge' ? 'q_average' : kind === 'maximum' ? 'q_max' : null;
  }
  if (quantity === 'energy' && live && direction) return `q_${direction}`;
  if (quantity === 'duration') return medium && 'q_uptime';
  const measured = counts || live || kind === 'state' || quantity === 'angle';
  if (quantity === 'energy') return counts && live ? 'q_energy' : null;
  return (measured && known(`q_${quantity}`) && `q_${quantity}`) || (counts && live ? 'q_counted' : null);
}

// Returns the meaning in words; `null` if it adds nothing to the reading's name.
/** @type {(meaning: Meaning | null | undefined) => string | null} */
export function describe(meaning) {
  if (meaning?.label) return meaning.label;
  const key = meaning && nameOf(meaning);
  if (!key) return null;
  const { phase, tariff, kind } = meaning;
  const name = phase ? t('q_phase', { name: t(key), phase }) : t(key);
  const counts = kind === 'counter' || kind === 'net';
  return counts && tariff != null && tariff < 64 ? t('q_tariff', { name, tariff }) : name;
}
