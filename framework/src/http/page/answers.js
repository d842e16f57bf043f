// Requests of the history: everything that a range needs, at once.

import { house } from './live.js';
import { isConsumer } from './model.js';
import { answer, consumption, course, risen } from './query.js';
import { has } from './tiles.js';

/** @typedef {import('./choice.js').Choice} Choice */
/** @typedef {import('./period.js').Period} Period */
/**
 * What is to be shown.
 * @typedef {object} Wish
 * @property {Subject} subject
 * @property {Choice | null} choice
 * @property {Period} period
 * @property {'' | 'before' | 'year'} compare
 * @property {boolean} money
 * @property {Subject[]} consumers those of the main meter
 * @property {boolean} isMain
 * @property {boolean} produces whether a source is known that produces
 * @property {boolean} narrow whether a chart has room for few points only
 */
/** @typedef {{text: string, curve?: Course, counted?: Consumption, before?: Consumption | null}} Line */
/**
 * @typedef {object} Answers
 * @property {Wish} wish
 * @property {Course | null} curve
 * @property {Consumption | null} imports
 * @property {Consumption | null} exports
 * @property {Balance | null} balance
 * @property {{text: string, isPart: boolean, counted: {amount: Value[], gap: boolean[], swap?: boolean[], partial?: boolean[]}}[]} consumers
 * @property {{period: Period | null, curve: Course | null, imports: Consumption | null, exports: Consumption | null, balance: Balance | null}} before
 * @property {Line[]} lines
 */

// A power curve of more than a week shows nothing but noise.
const OF_A_WEEK = ['hour', 'day', 'week'];

/** @type {Tariffs | null} */
let tariffs = null;
let tariffsOf = '';

// Returns the tariffs; `null` if no price is known.
export async function readTariffs() {
  const state = `${house.health?.started} ${house.revision}`;
  if (!tariffs || tariffsOf !== state) {
    tariffs = await answer('tariffs').catch(() => null);
    tariffsOf = state;
  }
  return tariffs?.tariffs.length ? tariffs : null;
}

/** @type {(subjects: Subject[]) => boolean} */
const hasBalance = (subjects) => subjects.some((subject) => isConsumer(subject) || subject.role === 'production' || subject.role === 'storage');

/**
 * @param {Wish} wish
 * @param {Subject[]} subjects
 * @param {AbortSignal} signal
 * @param {(text: Subject) => string} labelOf
 * @returns {Promise<Answers>}
 */
export async function read(wish, subjects, signal, labelOf) {
  const { subject, choice, period, compare, isMain, narrow } = wish;
  const { section, main, imports, exports } = subject;
  const step = `&step=${period.steps[narrow ? 1 : 0]}`;
  const cost = (await readTariffs()) ? '&cost=true' : '';
  /** @type {(who: string, terms: Term[] | null, when: Period | null, more?: string) => Promise<Consumption | null>} */
  const count = async (who, terms, when, more = '') => {
    if (!terms || !when) return null;
    if (when.kind === 'hour') return risen(who, terms, when, signal);
    return consumption(who, terms, `${when.range}&per=${when.per}${more}`, signal);
  };
  /** @type {(terms: Term[] | null, when: Period | null) => Promise<Course | null>} */
  const follow = async (terms, when) => (terms && when ? course(section, terms, when.range + step, signal) : null);
  /** @type {(when: Period | null) => Promise<Balance | null>} */
  const balanced = async (when) => {
    if (!when || when.kind === 'hour' || !isMain || !hasBalance(subjects)) return null;
    return answer(`balance?${when.range}&per=${when.per}${cost}`, signal).catch((error) => {
      if (signal.aborted) throw error;
      return null;
    });
  };
  const earlier = period.kind === 'all' ? null : compare === 'year' ? period.yearBefore : period.moved(-1);
  const compared = compare ? earlier : null;

  if (choice) {
    const lines = choice.lines.map(async ({ text, terms }) => {
      if (!choice.counts) return { text, curve: (await follow(terms, period)) ?? undefined };
      const [counted, before] = await Promise.all([count(section, terms, period), count(section, terms, earlier)]);
      return { text, counted: counted ?? undefined, before };
    });
    const before = { period: earlier, curve: null, imports: null, exports: null, balance: null };
    return { wish, curve: null, imports: null, exports: null, balance: null, consumers: [], before, lines: await Promise.all(lines) };
  }

  const isShort = !subject.power || OF_A_WEEK.includes(period.kind);
  const terms = isShort ? (subject.power ?? (imports || !main ? null : [{ name: main.name, factor: 1 }])) : null;
  const own = async () => {
    const balance = await balanced(period);
    // What cannot be balanced has no gaps of its consumers.
    if (balance && has(balance.consumption)) return { balance, consumers: consumersOf(balance, subjects, labelOf) };
    const counted = wish.consumers.map(async (subject) => ({
      text: labelOf(subject),
      isPart: subject.role === 'submeter',
      counted: await count(subject.section, subject.imports, period),
    }));
    const all = await Promise.all(counted);
    return { balance, consumers: all.flatMap(({ counted, ...one }) => (counted ? [{ ...one, counted }] : [])) };
  };
  const [{ balance, consumers }, curve, taken, fed, ...before] = await Promise.all([
    own(),
    follow(terms, period),
    count(section, imports, period, cost),
    count(section, exports, period, cost),
    follow(terms, compared),
    count(section, imports, earlier, cost),
    count(section, exports, earlier, cost),
    balanced(earlier),
  ]);
  return {
    wish,
    curve,
    imports: taken,
    exports: fed,
    balance,
    consumers,
    before: { period: earlier, curve: before[0], imports: before[1], exports: before[2], balance: before[3] },
    lines: [],
  };
}

/** @type {(balance: Balance, subjects: Subject[], labelOf: (subject: Subject) => string) => Answers['consumers']} */
const consumersOf = ({ consumers, gap }, subjects, labelOf) =>
  consumers.map(({ source, label, role, amount }) => {
    const subject = subjects.find(({ section }) => section === source);
    return { isPart: role === 'submeter', text: subject ? labelOf(subject) : (label ?? source), counted: { amount, gap } };
  });
