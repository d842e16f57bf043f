// Periods of the local calendar: beginning and end, name, address, predecessor and successor.

import { civilDay, civilOf, DAY, iso, localMinute } from './calendar.js';
import { DATE, formatter, localAsUtc, parts, time } from './format.js';
import { t } from './text.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
// A year with whole weeks, so that weekdays are compared with the same weekdays.
const WEEKS_OF_YEAR = 52;
/** @type {Intl.DateTimeFormatOptions} */
const YEAR = { year: 'numeric' };
/** @type {Intl.DateTimeFormatOptions} */
const MONTH = { month: 'long', ...YEAR };
/** @type {Intl.DateTimeFormatOptions} */
const WEEKDAY = { weekday: 'short', day: 'numeric', month: 'short' };

/** @type {(options: Intl.DateTimeFormatOptions, day: number) => string} */
const civil = (options, day) => formatter(options, 'UTC').format(day);

/** @type {(day: number, years: number, months?: number, days?: number) => number} */
const shifted = (day, years, months = 0, days = 0) => {
  const date = new Date(day);
  return Date.UTC(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days);
};

/**
 * Requests of a kind of period: the length of a bar (`per`), and the step of the course on a wide and on a narrow chart.
 * Its beginning for a day in it, its neighbours, its name, its date in an address and back, the kind that a bar opens,
 * and what the time axis shows of each bar. Anchors are calendar days, but moments for an hour.
 * @typedef {object} Kind
 * @property {Per} per
 * @property {[string, string]} [steps]
 * @property {(day: number) => number} [first]
 * @property {(anchor: number, count: number) => number} next
 * @property {(anchor: number) => string} name
 * @property {(anchor: number) => string} [write]
 * @property {(text: string) => number | null} [read]
 * @property {KindName} [opens]
 * @property {string} [field]
 * @property {Intl.DateTimeFormatOptions} [tick]
 */
/** @typedef {'hour' | 'day' | 'month' | 'year'} Per */
/** @typedef {'hour' | 'day' | 'week' | 'month' | 'year' | 'all'} KindName */

/** @type {Record<KindName, Kind>} */
const CALENDAR = {
  hour: {
    per: 'hour',
    steps: ['1m', '1m'],
    next: (hour, count) => hour + count * HOUR,
    name: (hour) => `${formatter(WEEKDAY).format(hour)}, ${time(hour)} – ${time(hour + HOUR)}`,
    write: (hour) => {
      const text = localMinute(hour);
      // The second of two equal hours in autumn is written in UTC.
      return instantOf(text) === hour ? text : `${iso(hour, 16)}Z`;
    },
    read: (text) => {
      if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z?$/.test(text)) return null;
      return text.endsWith('Z') ? Date.parse(text) || null : instantOf(text);
    },
    field: 'datetime-local',
  },
  day: {
    per: 'hour',
    steps: ['5m', '15m'],
    first: (day) => day,
    next: (day, count) => shifted(day, 0, 0, count),
    name: (day) => civil({ weekday: 'short', ...DATE }, day),
    write: iso,
    read: civilOf,
    opens: 'hour',
    field: 'date',
  },
  week: {
    per: 'day',
    steps: ['15m', '1h'],
    first: (day) => shifted(day, 0, 0, -((new Date(day).getUTCDay() + 6) % 7)),
    next: (day, count) => shifted(day, 0, 0, 7 * count),
    name: (day) => t('week_of', { week: isoWeek(day), range: formatter(DATE, 'UTC').formatRange(day, day + 6 * DAY) }),
    write: (day) => `${iso(day + 3 * DAY, 4)}-W${String(isoWeek(day)).padStart(2, '0')}`,
    read: (text) => {
      const [, year, week] = /^(\d{4})-W(\d{2})$/.exec(text) ?? [];
      const first = week && CALENDAR.week.first?.(Date.UTC(Number(year), 0, 4));
      return first && Number(week) >= 1 && Number(week) <= 53 ? shifted(first, 0, 0, 7 * (Number(week) - 1)) : civilOf(text);
    },
    opens: 'day',
    field: 'week',
    tick: { weekday: 'short' },
  },
  month: {
    per: 'day',
    steps: ['1h', '6h'],
    first: (day) => shifted(day, 0, 0, 1 - new Date(day).getUTCDate()),
    next: (day, count) => shifted(day, 0, count),
    name: (day) => civil(MONTH, day),
    write: (day) => iso(day, 7),
    read: (text) => civilOf(`${text.slice(0, 7)}-01`),
    opens: 'day',
    field: 'month',
    tick: { day: 'numeric' },
  },
  year: {
    per: 'month',
    steps: ['1d', '1d'],
    first: (day) => Date.UTC(new Date(day).getUTCFullYear(), 0),
    next: (day, count) => shifted(day, count),
    name: (day) => civil(YEAR, day),
    write: (day) => iso(day, 4),
    read: (text) => civilOf(`${text.slice(0, 4)}-01-01`),
    opens: 'month',
    field: 'number',
    tick: { month: 'short' },
  },
  all: {
    per: 'year',
    next: (day) => day,
    name: (day) => t('all_time', { date: civil(YEAR, day) }),
    opens: 'year',
    tick: YEAR,
  },
};
export const KINDS = /** @type {KindName[]} */ (Object.keys(CALENDAR));

// The whole history grows with the years. Without a step, a short one would be answered with single readings.
/** @type {(years: number) => [string, string]} */
const stepsOfAll = (years) => (years <= 2 ? ['1d', '7d'] : years <= 20 ? ['7d', '1mo'] : ['1mo', '1mo']);
// A bar for each year says little while there are fewer.
const LEAST_YEARS = 3;

// Name of a bar.
/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const BAR = { day: WEEKDAY, month: MONTH, year: YEAR };

// Returns the beginning of a calendar day (and time) in the machine's zone.
/** @type {(civil: number) => number} */
function instant(civil) {
  /** @type {(at: number) => number} */
  const offset = (at) => localAsUtc(at) - Math.floor(at / 1000) * 1000;
  return civil - offset(civil - offset(civil));
}

/** @type {(text: string) => number | null} */
const instantOf = (text) => {
  const civil = Date.parse(`${text}Z`);
  return Number.isNaN(civil) ? null : instant(civil);
};

export class Period {
  /**
   * @param {KindName} kind
   * @param {number} anchor the hour's beginning in milliseconds for an hour, else the first calendar day
   * @param {number} until
   */
  constructor(kind, anchor, until = CALENDAR[kind].next(anchor, 1)) {
    const { per, steps, tick } = CALENDAR[kind];
    /** @type {(at: number) => number} */
    const moment = kind === 'hour' ? (at) => at : instant;
    this.kind = kind;
    this.anchor = anchor;
    this.until = until;
    this.start = moment(anchor);
    this.end = moment(until);
    const years = (this.end - this.start) / (366 * DAY);
    this.per = kind === 'all' && years < LEAST_YEARS ? /** @type {Per} */ ('month') : per;
    this.steps = steps ?? stepsOfAll(years);
    this.tick = kind === 'all' && this.per === 'month' ? MONTH_OF_YEAR : tick;
  }

  /**
   * The period that a moment lies in: for an hour the sixty minutes before it; `all` begins at `first` and ends with this
   * year, or month.
   * @param {KindName} kind
   * @param {number} at
   */
  static of(kind, at, first = at) {
    if (kind === 'hour') return new Period(kind, at - (at % MINUTE) - HOUR + MINUTE);
    const day = civilDay(at);
    if (kind !== 'all') return new Period(kind, /** @type {Required<Kind>} */ (CALENDAR[kind]).first(day));
    const [from, to] = [civilDay(first), shifted(day, 0, 0, 1)];
    const isShort = to - from < LEAST_YEARS * 365 * DAY;
    const { year, month } = CALENDAR;
    const begin = (isShort ? month : year).first?.(from) ?? from;
    const end = (isShort ? month : year).first?.(day) ?? day;
    return new Period(kind, begin, (isShort ? month : year).next(end, 1));
  }

  /**
   * The period that an address names; `null` if it names none.
   * @param {KindName} kind
   * @param {string} date
   */
  static parse(kind, date) {
    const { read, first } = CALENDAR[kind];
    const anchor = read?.(date) ?? null;
    if (anchor === null) return null;
    return new Period(kind, first ? first(anchor) : anchor);
  }

  // Its date in an address, as date fields have it.
  get date() {
    return CALENDAR[this.kind].write?.(this.anchor) ?? '';
  }

  // Kind of the field in which a date is chosen.
  get field() {
    return CALENDAR[this.kind].field ?? null;
  }

  /** @param {number} count @returns {Period} */
  moved(count) {
    return this.kind === 'all' ? this : new Period(this.kind, CALENDAR[this.kind].next(this.anchor, count));
  }

  // The same period a year ago: the same weekdays, where the bars are days or hours.
  /** @returns {Period} */
  get yearBefore() {
    if (this.kind === 'all' || this.kind === 'year') return this.moved(-1);
    const days = -7 * WEEKS_OF_YEAR;
    if (this.kind === 'hour') return new Period(this.kind, this.anchor + days * DAY);
    return new Period(this.kind, shifted(this.anchor, 0, 0, days), shifted(this.until, 0, 0, days));
  }

  // What the bar of a moment opens; `null` if nothing is finer.
  /** @param {number} at @returns {Period | null} */
  opened(at) {
    const { opens } = CALENDAR[this.kind];
    if (!opens) return null;
    if (opens === 'hour') return new Period('hour', at);
    return Period.of(this.kind === 'all' && this.per === 'month' ? 'month' : opens, at);
  }

  /** @param {number} at */
  contains(at) {
    return at >= this.start && at < this.end;
  }

  // The range as the history takes it.
  get range() {
    return `from=${new Date(this.start).toISOString()}&to=${new Date(this.end).toISOString()}`;
  }

  get label() {
    return CALENDAR[this.kind].name(this.anchor);
  }

  /**
   * What a bar, or a moment of the course, is called.
   * @param {number} at
   * @param {number} [end]
   */
  title(at, end) {
    const { kind, per } = this;
    if (end !== undefined) return per === 'hour' ? `${time(at)} – ${time(end)}` : formatter(BAR[per]).format(at);
    if (kind === 'hour' || kind === 'day') return time(at);
    if (kind === 'year' || kind === 'all') return formatter(DATE).format(at);
    return `${formatter({ weekday: 'short', day: 'numeric' }).format(at)}, ${time(at)}`;
  }

  // Marks of the time axis: where a line stands, where its text, and the text.
  ticks() {
    const { kind, start, end, anchor, per, tick } = this;
    const marks = [];
    if (kind === 'hour') {
      const ten = 10 * MINUTE;
      for (let at = Math.ceil(start / ten) * ten; at <= end; at += ten) marks.push({ at, text: time(at) });
    } else if (kind === 'day') {
      for (let at = start; at <= end; at += HOUR) marks.push({ at, text: String(parts(at).hour) });
    } else {
      /** @type {(i: number) => number} */
      const beginning = (i) => CALENDAR[per].next(anchor, i);
      for (let i = 0; instant(beginning(i)) < end && i < 400; i++) {
        const at = (instant(beginning(i)) + instant(beginning(i + 1))) / 2;
        marks.push({ at, text: civil(tick ?? {}, beginning(i)) });
      }
    }
    return marks;
  }
}

/** @type {Intl.DateTimeFormatOptions} */
const MONTH_OF_YEAR = { month: 'short', year: '2-digit' };

// Returns the number of a week: the first one has the year's first Thursday (ISO 8601).
/** @type {(monday: number) => number} */
function isoWeek(monday) {
  const thursday = new Date(monday + 3 * DAY);
  return 1 + Math.floor((thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0)) / (7 * DAY));
}
