// Balance and cost of today, as tiles of the live view: from the program, now and then.

import { localDay } from './calendar.js';
import { h, icon, say, show, write } from './dom.js';
import { guessed, moment, money, percent } from './format.js';
import { askLong, house, now } from './live.js';
import { known, loadTexts, t } from './text.js';

const EVERY = 5 * 60_000;

// What the program has answered last, `null` where it says nothing. Each of the `sums` may be a guess.
/** @type {{own: Value, used: Value, guess: boolean, why: string | null} | null} */
let shares = null;
/** @type {{cost: Value, hasBase: boolean, unsure: boolean, sums: [string, Value, boolean][], currency: string} | null} */
let costs = null;
let due = 0;

/** @type {(path: string) => Promise<any>} */
const got = async (path) => {
  const answer = await askLong(path).catch(() => null);
  return answer?.ok ? answer.json : null;
};

// Returns why a balance is not sure, in words; the texts of the household are loaded only for that.
/** @type {(balance: Balance | null | undefined) => Promise<string | null>} */
export async function whyUnsure(balance) {
  if (!balance?.unsure) return null;
  await loadTexts('household').catch(() => null);
  const { reason, since } = balance;
  const words = known(`why_${reason}`);
  // Only this reason is one of time.
  const begun = reason === 'production_begins' && since ? ` (${t('since', { time: moment(since, now()) })}).` : '.';
  return words?.replace(/\.$/, begun) ?? null;
}

async function readShares() {
  /** @type {Balance | null} */
  const balance = await got('balance?from=-24h&per=day');
  /** @type {(column: string) => any} */
  const last = (column) => /** @type {any} */ (balance)?.[column]?.at(-1) ?? null;
  // What was not read before today does not matter.
  const isUnsure = Boolean(balance?.unsure && !(balance.since && balance.since <= last('start')));
  const why = isUnsure ? await whyUnsure(balance) : null;
  shares = { own: last('self_sufficiency'), used: last('self_consumption'), guess: Boolean(last('gap') || isUnsure), why };
  // The next day begins at midnight, local time.
  due = Math.min(due, last('end') ?? due);
}

/** @param {string} source */
async function readCosts(source) {
  const asked = new URLSearchParams({ source });
  const forecast = got(`forecast?${asked}`);
  const today = localDay(now());
  /** @type {(from: string) => Promise<Bill | null>} */
  const billSince = (from) => got(`bill?${asked}&from=${from}&to=now`);
  // One after the other: a browser has few connections, and the history may wait for one.
  const [bill, ofMonth, ofYear] = [await billSince(today), await billSince(`${today.slice(0, -2)}01`), await billSince(`${today.slice(0, 4)}-01-01`)];
  const { month, year } = (await forecast) ?? {};
  const [unsure, ...guesses] = [bill, ofMonth, ofYear].map((bill) => Boolean(bill?.gaps.length));
  const sums = /** @type {[string, Value, boolean][]} */ ([['month', month?.so_far ?? null, guesses[0]], ['year', year?.so_far ?? null, guesses[1]]]);
  const hasBase = bill?.items.some(({ kind }) => kind === 'base') ?? false;
  costs = bill && { cost: bill.total, hasBase, unsure, sums, currency: bill.currency };
}

// Requests today's balance of a household that produces power, and its cost where there is a tariff.
/** @type {(main: Subject | null, isProducer: boolean, force?: boolean) => Promise<void>} */
export async function refresh(main, isProducer, force = false) {
  if (!house.series?.length || !main || (!force && now() < due)) return;
  due = now() + EVERY;
  /** @type {Tariffs | null} */
  const rates = await got('tariffs');
  const hasCost = rates?.tariffs.some(({ source }) => source === main.section);
  if (!isProducer) shares = null;
  if (!hasCost) costs = null;
  await Promise.all([isProducer && readShares(), hasCost && readCosts(main.section)]);
}

// Tile of the share of the consumption that the household produced itself.
export function ownTile() {
  const [value, more] = [h('strong'), h('small')];
  const element = h('p.tile.own@today-own', { hidden: true }, h('span', t('self_sufficiency')), value, more);
  return {
    element,
    update() {
      show(element, shares?.own != null);
      if (shares?.own == null) return;
      write(value, guessed(percent(shares.own), shares.guess));
      const used = shares.used === null ? null : t('self_consumption_text', { value: percent(shares.used) });
      say(more, [used, shares.why].filter(Boolean).join('. '));
    },
  };
}

// Tile of today's cost; it leads to the costs.
export function costTile() {
  const [value, more] = [h('strong'), h('small')];
  const element = h('a.tile@today-cost', { href: '#costs', hidden: true }, h('span', icon('next'), t('cost_today')), value, more);
  return {
    element,
    update() {
      show(element, costs?.cost != null);
      if (costs?.cost == null) return;
      const { cost, hasBase, unsure, currency } = costs;
      write(value, guessed(money(cost, currency), unsure));
      const sums = costs.sums.filter(([, value]) => value !== null);
      const texts = sums.map(([name, value, isGuess]) => t(`cost_${name}`, { value: guessed(money(value, currency), isGuess) }));
      const said = [...(hasBase ? [t('with_base')] : []), ...texts].join(', ');
      const isGuess = unsure || sums.some(([, , isGuess]) => isGuess);
      say(more, [said, isGuess && t('cost_unsure')].filter(Boolean).join('. '));
    },
  };
}
