// Periods of the local calendar: beginning and end, name, predecessor and successor.
//
// A calendar day is stored as its midnight in UTC (`Date.UTC`), so that summer time does not affect sums of days.

import { DATE, formatter, parts, time } from './format.js';
import { t } from './text.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = { year: 'numeric' };
const MONTH = { month: 'long', ...YEAR };
const WEEKDAY = { weekday: 'short', day: 'numeric', month: 'short' };

const civil = (options, day) => formatter(options, 'UTC').format(day);

const shifted = (day, years, months = 0, days = 0) => {
  const date = new Date(day);
  return Date.UTC(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days);
};

// Requests of a period: the length of a bar (`per`), and the step of the course on a wide and on a narrow chart. Its
// beginning for a day in it, its neighbours, its name, and what the time axis shows of each bar.
const CALENDAR = {
  hour: {
    per: 'hour',
    steps: ['1m', '1m'],
    next: (hour, count) => hour + count * HOUR,
    name: (hour) => `${formatter(WEEKDAY).format(hour)}, ${time(hour)} – ${time(hour + HOUR)}`,
  },
  day: {
    per: 'hour',
    steps: ['5m', '15m'],
    first: (day) => day,
    next: (day, count) => shifted(day, 0, 0, count),
    name: (day) => civil({ weekday: 'short', ...DATE }, day),
  },
  week: {
    per: 'day',
    steps: ['15m', '1h'],
    first: (day) => shifted(day, 0, 0, -((new Date(day).getUTCDay() + 6) % 7)),
    next: (day, count) => shifted(day, 0, 0, 7 * count),
    name: (day) => t('week_of', { week: isoWeek(day), range: formatter(DATE, 'UTC').formatRange(day, day + 6 * DAY) }),
    tick: { weekday: 'short' },
  },
  month: {
    per: 'day',
    steps: ['1h', '6h'],
    first: (day) => shifted(day, 0, 0, 1 - new Date(day).getUTCDate()),
    next: (day, count) => shifted(day, 0, count),
    name: (day) => civil(MONTH, day),
    tick: { day: 'numeric' },
  },
  year: {
    per: 'month',
    steps: ['1d', '1d'],
    first: (day) => Date.UTC(new Date(day).getUTCFullYear(), 0),
    next: (day, count) => shifted(day, count),
    name: (day) => civil(YEAR, day),
    tick: { month: 'short' },
  },
  all: { per: 'year', name: (day) => t('all_time', { date: civil(YEAR, day) }), tick: YEAR },
};
export const KINDS = Object.keys(CALENDAR);

// The whole history grows with the years. Without a step, a short one would be answered with single readings.
const stepsOfAll = (years) => (years <= 2 ? ['1d', '7d'] : years <= 20 ? ['7d', '1mo'] : ['1mo', '1mo']);

// Name of a bar.
const BAR = { day: WEEKDAY, month: MONTH, year: YEAR };

// Returns the beginning of a calendar day (and time) in the machine's zone.
function instant(civil) {
  const offset = (at) => {
    const { year, month, day, hour, minute, second } = parts(at);
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  };
  return civil - offset(civil - offset(civil));
}

function civilDay(at) {
  const { year, month, day } = parts(at);
  return Date.UTC(year, month - 1, day);
}

export class Period {
  // `anchor`: the hour's beginning in milliseconds for an hour, else the first calendar day.
  constructor(kind, anchor, until = CALENDAR[kind].next(anchor, 1)) {
    const moment = kind === 'hour' ? (at) => at : instant;
    Object.assign(this, { kind, anchor, ...CALENDAR[kind], start: moment(anchor), end: moment(until) });
    this.steps ??= stepsOfAll((this.end - this.start) / (366 * DAY));
  }

  // The period that a moment lies in; `all` begins at `first` and ends with this year.
  static of(kind, at, first = at) {
    if (kind === 'hour') return new Period(kind, at - (parts(at).minute * 60_000 + (at % 60_000)));
    const { year } = CALENDAR;
    if (kind === 'all') return new Period(kind, year.first(civilDay(first)), year.next(year.first(civilDay(at)), 1));
    return new Period(kind, CALENDAR[kind].first(civilDay(at)));
  }

  moved(count) {
    return this.kind === 'all' ? this : new Period(this.kind, CALENDAR[this.kind].next(this.anchor, count));
  }

  contains(at) {
    return at >= this.start && at < this.end;
  }

  // The range as the history takes it.
  get range() {
    return `from=${new Date(this.start).toISOString()}&to=${new Date(this.end).toISOString()}`;
  }

  get label() {
    return this.name(this.anchor);
  }

  // What a bar, or a moment of the course, is called.
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
      for (let at = start; at <= end; at += 10 * 60_000) marks.push({ at, text: time(at) });
    } else if (kind === 'day') {
      for (let at = start; at <= end; at += HOUR) marks.push({ at, text: String(parts(at).hour) });
    } else {
      const beginning = (i) => CALENDAR[per].next(anchor, i);
      for (let i = 0; instant(beginning(i)) < end && i < 400; i++) {
        const at = (instant(beginning(i)) + instant(beginning(i + 1))) / 2;
        marks.push({ at, text: civil(tick, beginning(i)) });
      }
    }
    return marks;
  }
}

// Returns the number of a week: the first one has the year's first Thursday (ISO 8601).
function isoWeek(monday) {
  const thursday = new Date(monday + 3 * DAY);
  return 1 + Math.floor((thursday - Date.UTC(thursday.getUTCFullYear(), 0)) / (7 * DAY));
}
