// Balance and cost of today, as tiles of the live view: from the program, now and then.

import { localDay } from './calendar.js';
import { h, icon, say, show, write } from './dom.js';
import { guessed, money, percent } from './format.js';
import { askLong, house, now } from './live.js';
import { t } from './text.js';

const EVERY = 5 * 60_000;

// What the program has answered last: `{own, used, guess}` and `{cost, unsure, month, year, currency}`; `null` where it says
// nothing.
/** @type {{own: Value, used: Value, guess: boolean} | null} */
let shares = null;
/** @type {{cost: Value, unsure: boolean, month: Value, year: Value, currency: string} | null} */
let costs = null;
let due = 0;

/** @type {(path: string) => Promise<any>} */
const got = async (path) => {
  const answer = await askLong(path).catch(() => null);
  return answer?.ok ? answer.json : null;
};

async function readShares() {
  const balance = await got('balance?from=-24h&per=day');
  /** @type {(column: string) => any} */
  const last = (column) => balance?.[column]?.at(-1) ?? null;
  shares = { own: last('self_sufficiency'), used: last('self_consumption'), guess: Boolean(last('gap') || balance?.unsure) };
  // The next day begins at midnight, local time.
  due = Math.min(due, last('end') ?? due);
}

/** @param {string} source */
async function readCosts(source) {
  const asked = new URLSearchParams({ source });
  const forecast = got(`forecast?${asked}`);
  const bill = await got(`bill?${asked}&from=${localDay(now())}&to=now`);
  const { month, year } = (await forecast) ?? {};
  const soFar = { month: month?.so_far ?? null, year: year?.so_far ?? null };
  costs = bill && { cost: bill.total, unsure: bill.gaps.length > 0, ...soFar, currency: bill.currency };
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
  const element = h('p.tile.own', { 'data-test': 'today-own', hidden: true }, h('span', t('self_sufficiency')), value, more);
  return {
    element,
    update() {
      show(element, shares?.own != null);
      if (shares?.own == null) return;
      write(value, guessed(percent(shares.own), shares.guess));
      say(more, shares.used === null ? null : t('self_consumption_text', { value: percent(shares.used) }));
    },
  };
}

// Tile of today's cost; it leads to the costs.
export function costTile() {
  const [value, more] = [h('strong'), h('small')];
  const element = h('a.tile', { href: '#costs', 'data-test': 'today-cost', hidden: true }, h('span', icon('next'), t('cost_today')), value, more);
  return {
    element,
    update() {
      show(element, costs?.cost != null);
      if (costs?.cost == null) return;
      const { cost, unsure, month, year, currency } = costs;
      write(value, guessed(money(cost, currency), unsure));
      const sums = Object.entries({ month, year }).filter(([, value]) => value !== null);
      say(more, sums.map(([name, value]) => t(`cost_${name}`, { value: money(value, currency) })).join(', ') || null);
    },
  };
}
