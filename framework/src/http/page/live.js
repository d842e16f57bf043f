// State of the page: one event stream for all of it, and a poll of /health now and then.
//
// A number is live while its source delivers and the program answers. Nothing here grows with time: only the newest
// batch of each section is kept.

import { setZone } from './format.js';
import { arranged, labelOf, subjectsOf, valueOf } from './model.js';
import { refusal } from './reasons.js';
import { t } from './text.js';

const LOOK_EVERY = 10_000;
const PATIENCE = 5_000;
// A year of readings takes a small board this long.
const LONG = 30_000;
const LONGEST_PAUSE = 8_000;
const MOST_MEANINGS = 500;
// Silence after which a number gets an age: three of the source's usual pauses, at least `BRIEF`, and `UNKNOWN` as long
// as its pauses are not known.
const BRIEF = 2500;
const UNKNOWN = 10_000;

/** @type {House} */
export const house = {
  sections: new Map(),
  subjects: [],
  health: null,
  series: null, // null until known, [] where there is no history
  historyError: null, // the reason, if the history cannot be read
  commands: [],
  offlineSince: null,
  revision: 0, // grows when the configuration may have changed
  paused: false, // the tab was hidden: its numbers are old until the program has answered
};

/** @type {{change: ((names: Set<string>) => void)[], restart: (() => void)[], resume: (() => void)[]}} */
const watchers = { change: [], restart: [], resume: [] };

// Calls `handler` at most once per frame with the names of the sections that changed; never in a hidden tab.
/** @type {(handler: (names: Set<string>) => void) => unknown} */
export const onChange = (handler) => watchers.change.push(handler);
// Calls `handler` when the program has started, for the first time or again.
/** @type {(handler: () => void) => unknown} */
export const onRestart = (handler) => watchers.restart.push(handler);
// Calls `handler` when the event stream goes on after a pause: batches were missed.
/** @type {(handler: () => void) => unknown} */
export const onResume = (handler) => watchers.resume.push(handler);

let skew = 0;
// The program's time, as a tablet's clock may be wrong.
export const now = () => Date.now() + skew;

/** @type {Set<string>} */
const changed = new Set();
let frame = 0;
/** @type {(name: string) => void} */
function mark(name) {
  changed.add(name);
  if (!frame && !document.hidden) frame = requestAnimationFrame(tell);
}

function tell() {
  frame = 0;
  const names = new Set(changed);
  changed.clear();
  for (const handler of watchers.change) handler(names);
}

// Returns the answer of a path, whatever its status; throws if there is none.
/** @type {(path: string, signal?: AbortSignal) => Promise<{ok: boolean, status: number, json: any}>} */
export async function ask(path, signal = AbortSignal.timeout(PATIENCE)) {
  const response = await fetch(path, { signal });
  // The session has ended: the address shows the login now.
  if (response.status === 401) location.reload();
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds, so less than two is not a difference.
  if (date) skew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
  return { ok: response.ok, status: response.status, json: await response.json() };
}

/** @type {Map<string, ReturnType<typeof ask>>} */
const pending = new Map();
// Returns the answer of a path that takes long to calculate. Whoever asks meanwhile gets the same.
/** @type {(path: string) => ReturnType<typeof ask>} */
export function askLong(path) {
  const key = `${house.revision} ${path}`;
  const asked = pending.get(key) ?? ask(path, AbortSignal.timeout(LONG)).finally(() => pending.delete(key));
  pending.set(key, asked);
  return asked;
}

/** @type {(name: string, readings: Readings, heard: boolean) => void} */
function take(name, readings, heard) {
  const before = house.sections.get(name);
  const time = Date.parse(String(readings.timestampUTC));
  // An answer has the newest batch, which may be old.
  const arrived = performance.now() - (heard ? 0 : Math.max(0, now() - time));
  /** @type {Section} */
  const entry = before ?? { gap: 0, heard: false, meanings: {}, shape: '', readings, time, arrived };
  const pause = arrived - entry.arrived;
  if (heard && entry.heard) entry.gap = entry.gap ? 0.7 * entry.gap + 0.3 * pause : pause;
  const shape = JSON.stringify(Object.entries(readings).map(([key, reading]) => [key, unitOf(reading)]));
  const same = shape === entry.shape;
  Object.assign(entry, { readings, shape, time, arrived, heard: heard || entry.heard });
  house.sections.set(name, entry);
  if (!same) {
    if (readingsOf(entry).some(([key, reading]) => !isDescribed(entry, key, reading))) readMeanings();
    sort();
  }
  const status = house.health?.sources[name];
  // A batch is newer than the last answer of /health.
  if (heard && status) status.state = 'delivering';
  mark(name);
}

// The subjects by role, then in the order of the configuration.
export function sort() {
  const names = Object.keys(house.health?.sources ?? {});
  const rest = [...house.sections.keys()].filter((name) => !names.includes(name));
  const subjects = [...names, ...rest].flatMap((name) => {
    const section = house.sections.get(name);
    return section ? subjectsOf(name, numbersOf(section)) : [];
  });
  house.subjects = arranged(subjects, saidOf);
}

// Label and role of a source: as a person wrote them, the role else as the program guesses it. Readings come first, and
// say the same.
/** @type {(section: string) => {label?: string, role?: Role}} */
export function saidOf(section) {
  const [meaning] = Object.values(house.sections.get(section)?.meanings ?? {});
  const { label, role } = house.health?.sources[section] ?? { label: meaning?.source_label, role: meaning?.source_role };
  return { label, role };
}

// The readings of a section: `[name, reading]`, as in /data.
/** @type {(section: {readings: Readings}) => [string, Reading][]} */
export const readingsOf = ({ readings }) =>
  Object.entries(readings).filter(([key]) => key !== 'timestampUTC' && key !== 'stale');

/** @type {(reading: Reading) => string | undefined} */
const unitOf = (reading) => (reading !== null && typeof reading === 'object' ? reading.unit : undefined);

// A reading whose unit changed means something else.
/** @type {(section: Section, key: string, reading: Reading) => boolean} */
const isDescribed = ({ meanings }, key, reading) => key in meanings && meanings[key].own === unitOf(reading);

/** @type {(reading: Reading) => boolean} */
const isNumber = (reading) => typeof valueOf(reading) === 'number';

/** @type {(section: Section) => Entry[]} */
const numbersOf = (section) =>
  readingsOf(section)
    .filter(([key, reading]) => isNumber(reading) && key in section.meanings)
    .map(([name]) => ({ name, meaning: section.meanings[name] }));

/** @type {Promise<void> | null} */
let describing = null;
// Requests the meanings of all readings; concurrent calls share one request.
function readMeanings() {
  describing ??= describe().finally(() => (describing = null));
}

const NO_ANSWER = { ok: false, json: null };

async function describe() {
  const { ok, json } = await ask('readings').catch(() => NO_ANSWER);
  if (!ok) return;
  for (const [name, meanings] of Object.entries(/** @type {Record<string, Record<string, Meaning>>} */ (json))) {
    const section = house.sections.get(name);
    if (!section) continue;
    // Some meters send two lists of readings in turn, so meanings of the other list are kept.
    const known = Object.keys(section.meanings).length < MOST_MEANINGS ? section.meanings : {};
    for (const key of Object.keys(meanings)) known[key] = { ...meanings[key], own: unitOf(section.readings[key]) };
    section.meanings = known;
  }
  sort();
  mark('');
}

async function readData() {
  const heard = performance.now();
  const { ok, json } = await ask('data');
  if (!ok) throw new Error('no data');
  house.paused = false;
  for (const [name, readings] of Object.entries(json)) {
    // A batch that came as an event meanwhile is newer.
    const known = house.sections.get(name);
    if (!(known?.heard && known.arrived > heard)) take(name, readings, false);
  }
  await describing;
}

let looked = 0;
let looking = 0;
// Reads /health now, and then now and then.
export async function look() {
  clearTimeout(looking);
  looked = performance.now();
  try {
    const { json } = await ask('health?code=200');
    const again = house.health?.started !== json.started;
    /** @type {(health: Health | null) => string} */
    const shapeOf = (health) => {
      const entries = Object.entries(health?.sources ?? {});
      return JSON.stringify(entries.map(([name, { plugin, label, role }]) => [name, plugin, label, role]));
    };
    const order = shapeOf(json) !== shapeOf(house.health);
    house.health = json;
    house.offlineSince = null;
    if (order) {
      for (const name of house.sections.keys()) if (!(name in json.sources)) house.sections.delete(name);
      sort();
    }
    // Other sources have other commands, and another history.
    if (again || order) restart();
  } catch {
    house.offlineSince ??= now();
  }
  mark('');
  if (!document.hidden) looking = setTimeout(look, LOOK_EVERY);
}

async function restart() {
  await Promise.all([readSeries().then(readZone), readCommands()]);
  for (const handler of watchers.restart) handler();
  mark('');
}

export async function readSeries() {
  // Without a journal there is no history.
  if (house.health && !house.health.journal) {
    house.series = [];
    return sort();
  }
  try {
    const answer = await ask('series');
    house.historyError = answer.ok ? null : refusal(answer);
    house.series = answer.ok ? answer.json.series : [];
  } catch {
    // What is known stays: it may be asked for again at any moment.
    if (!house.series?.length) house.historyError = t('unreachable');
    house.series ??= [];
  }
  sort();
}

// The time zone of the machine comes with any consumption.
async function readZone() {
  const counter = house.series?.find((series) => series.counter);
  if (!counter) return;
  const path = [counter.section, counter.name].map(encodeURIComponent).join('/');
  const { ok, json } = await ask(`history/${path}?from=-1h&per=day`).catch(() => NO_ANSWER);
  if (ok) setZone(json.zone);
}

async function readCommands() {
  try {
    const { json } = await ask('cmds?details');
    house.commands = json.Commands.map((/** @type {{Command: unknown}} */ { Command }) => Command);
  } catch {
    house.commands = [];
  }
}

/** @type {EventSource | null} */
let stream = null;
let opened = false;
let pause = 0;
let retry = 0;
function connect() {
  clearTimeout(retry);
  stream?.close();
  const mine = new EventSource('events');
  stream = mine;
  mine.onopen = () => {
    // Batches may have come between the first request and this moment.
    if (pause) look();
    pause = 0;
    for (const section of house.sections.values()) section.heard = false;
    readData().catch(() => {});
    // A reload may have been missed, too.
    house.revision += 1;
    if (opened) for (const handler of watchers.resume) handler();
    opened = true;
  };
  mine.onmessage = ({ data }) => {
    for (const [name, readings] of Object.entries(JSON.parse(data))) take(name, readings, true);
  };
  // The page was too slow for some of the events.
  mine.addEventListener('lagged', () => readData().catch(() => {}));
  // A reload of the configuration has started or stopped sources, or named readings.
  mine.addEventListener('reload', () => {
    house.revision += 1;
    look();
    readMeanings();
  });
  mine.onerror = () => {
    if (stream !== mine) return;
    mine.close();
    pause = Math.min(LONGEST_PAUSE, pause * 2 || 1000);
    retry = setTimeout(connect, pause);
    look();
    // All streams may be taken: then the numbers come this way.
    readData().catch(() => {});
  };
}

// Returns the name of a source for people.
/** @type {(section: string) => string} */
export function nameOf(section) {
  const { kind = 'other', medium } = house.subjects.find((subject) => subject.section === section) ?? {};
  return labelOf({ section, key: section, kind, medium, ...saidOf(section) });
}

// Returns the fault that a status has now: one before the last success is over.
/** @type {(status: Status) => Fault | null} */
export function faultOf({ last_error: error, last_success: success }) {
  return error && !(Date.parse(error.at) < Date.parse(success ?? '')) ? error : null;
}

// State of a source for people: `live`, or the time and the reason. It is `unknown` while the program cannot be asked.
/** @type {(name: string) => {live: boolean, state: string, since: number | null, reason: Fault | null}} */
export function stateOf(name) {
  const status = house.health?.sources[name];
  const section = house.sections.get(name);
  const unknown = Boolean(house.offlineSince) || house.paused;
  const said = status?.state ?? (section?.readings.stale ? 'stale' : 'delivering');
  const live = Boolean(section) && said === 'delivering' && !unknown;
  const since = section?.time ?? (Date.parse(status?.last_success ?? '') || null);
  const reason = status && !live && !unknown ? faultOf(status) : null;
  return { live, state: unknown ? 'unknown' : said, since, reason };
}

// Returns the age of a live number in milliseconds once it is older than usual, else `null`.
/** @type {(name: string) => number | null} */
export function ageOf(name) {
  const section = house.sections.get(name);
  if (!section || !stateOf(name).live) return null;
  const silence = performance.now() - section.arrived;
  return silence > (section.gap ? Math.max(BRIEF, 3 * section.gap) : UNKNOWN) ? silence : null;
}

// Polls /health early if a source is silent for longer than usual: only the program knows whether that is a fault.
function listenForSilence() {
  const ages = [...house.sections].flatMap(([name, { heard }]) => {
    const age = ageOf(name);
    return age === null ? [] : [{ name, heard, age }];
  });
  for (const { name } of ages) mark(name);
  /** @type {(one: {heard: boolean, age: number}) => boolean} */
  const recent = ({ heard, age }) => heard && age < 60_000;
  if (performance.now() - looked > 2000 && ages.some(recent)) look();
}

let ticking = 0;
function wake() {
  clearInterval(ticking);
  if (document.hidden) {
    clearTimeout(looking);
    clearTimeout(retry);
    stream?.close();
    stream = null;
    house.paused = true;
    return;
  }
  ticking = setInterval(listenForSilence, 1000);
  connect();
  look();
  mark('');
}

export function start() {
  document.addEventListener('visibilitychange', wake);
  wake();
  return readData().catch(() => {});
}
