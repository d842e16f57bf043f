// Periods of the local calendar: beginning and end, name, predecessor and successor.
//
// A calendar day is stored as its midnight in UTC (`Date.UTC`), so that summer time does not affect sums of days.

import { formatter, parts, time } from './format.js';
import { t } from './text.js';

export const KINDS = ['hour', 'day', 'week', 'month', 'year', 'all'];
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

// Requests: the length of a bar, and the step of the course; a coarser one for a narrow chart.
const PER = { hour: 'hour', day: 'hour', week: 'day', month: 'day', year: 'month', all: 'year' };
const STEP = {
  hour: ['1m', '1m'],
  day: ['5m', '15m'],
  week: ['15m', '1h'],
  month: ['1h', '6h'],
  year: ['1d', '1d'],
};
// The whole history grows with the years. Without a step, a short one would be answered with single readings.
const stepOfAll = (years) => (years <= 2 ? ['1d', '7d'] : years <= 20 ? ['7d', '1mo'] : ['1mo', '1mo']);

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

const shifted = (civil, years, months = 0, days = 0) => {
  const date = new Date(civil);
  return Date.UTC(date.getUTCFullYear() + years, date.getUTCMonth() + months, date.getUTCDate() + days);
};

export class Period {
  // `anchor`: the hour's beginning in milliseconds for an hour, else the first calendar day.
  constructor(kind, anchor, until) {
    Object.assign(this, { kind, anchor, per: PER[kind] });
    this.start = kind === 'hour' ? anchor : instant(anchor);
    this.end = kind === 'hour' ? anchor + HOUR : kind === 'all' ? until : instant(this.#moved(1));
    this.step = STEP[kind] ?? stepOfAll((this.end - this.start) / (366 * DAY));
  }

  // The period that a moment lies in; `all` begins at `first` and ends with this year.
  static of(kind, at, first = at) {
    const day = civilDay(at);
    const date = new Date(day);
    switch (kind) {
      case 'hour':
        return new Period(kind, at - (parts(at).minute * 60_000 + (at % 60_000)));
      case 'day':
        return new Period(kind, day);
      case 'week':
        return new Period(kind, shifted(day, 0, 0, -((date.getUTCDay() + 6) % 7)));
      case 'month':
        return new Period(kind, Date.UTC(date.getUTCFullYear(), date.getUTCMonth()));
      case 'year':
        return new Period(kind, Date.UTC(date.getUTCFullYear(), 0));
      default: {
        const from = Date.UTC(new Date(civilDay(first)).getUTCFullYear(), 0);
        return new Period(kind, from, instant(Date.UTC(date.getUTCFullYear() + 1, 0)));
      }
    }
  }

  #moved(count) {
    const { kind, anchor } = this;
    switch (kind) {
      case 'hour':
        return anchor + count * HOUR;
      case 'day':
        return shifted(anchor, 0, 0, count);
      case 'week':
        return shifted(anchor, 0, 0, 7 * count);
      case 'month':
        return shifted(anchor, 0, count);
      default:
        return shifted(anchor, count);
    }
  }

  moved(count) {
    return this.kind === 'all' ? this : new Period(this.kind, this.#moved(count));
  }

  contains(at) {
    return at >= this.start && at < this.end;
  }

  // The range as the history takes it.
  get range() {
    return `from=${new Date(this.start).toISOString()}&to=${new Date(this.end).toISOString()}`;
  }

  get label() {
    const { kind, anchor, start, end } = this;
    const civil = (name, options) => formatter(name, options, false);
    switch (kind) {
      case 'hour': {
        const day = formatter('hourDay', { weekday: 'short', day: 'numeric', month: 'short' }).format(start);
        return `${day}, ${time(start)} – ${time(end)}`;
      }
      case 'day':
        return civil('longDay', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }).format(anchor);
      case 'week': {
        const range = civil('range', { day: 'numeric', month: 'short', year: 'numeric' }).formatRange(
          anchor,
          anchor + 6 * DAY,
        );
        return t('week_of', { week: isoWeek(anchor), range });
      }
      case 'month':
        return civil('month', { month: 'long', year: 'numeric' }).format(anchor);
      case 'year':
        return civil('year', { year: 'numeric' }).format(anchor);
      default:
        return t('all_time', { date: civil('year', { year: 'numeric' }).format(anchor) });
    }
  }

  // What a bar, or a moment of the course, is called.
  title(at, end) {
    const { kind } = this;
    if (end === undefined) {
      if (kind === 'hour' || kind === 'day') return time(at);
      if (kind === 'year' || kind === 'all')
        return formatter('date', { day: 'numeric', month: 'short', year: 'numeric' }).format(at);
      return `${formatter('dayOfWeek', { weekday: 'short', day: 'numeric' }).format(at)}, ${time(at)}`;
    }
    switch (this.per) {
      case 'hour':
        return `${time(at)} – ${time(end)}`;
      case 'day':
        return formatter('weekday', { weekday: 'short', day: 'numeric', month: 'short' }).format(at);
      case 'month':
        return formatter('monthInZone', { month: 'long', year: 'numeric' }).format(at);
      default:
        return formatter('yearInZone', { year: 'numeric' }).format(at);
    }
  }

  // Marks of the time axis: where a line stands, where its text, and the text.
  ticks() {
    const { kind, start, end, anchor } = this;
    const marks = [];
    const between = (name, options, next) => {
      const format = formatter(name, options, false);
      for (let civil = anchor, i = 1; instant(civil) < end && marks.length < 400; i++) {
        const following = next(i);
        marks.push({ line: instant(civil), at: (instant(civil) + instant(following)) / 2, text: format.format(civil) });
        civil = following;
      }
    };
    switch (kind) {
      case 'hour':
        for (let at = start; at <= end; at += 10 * 60_000) marks.push({ line: at, at, text: time(at) });
        break;
      case 'day':
        for (let at = start; at <= end; at += HOUR)
          marks.push({ line: at, at, text: String(parts(at).hour), every: 3 });
        break;
      case 'week':
        between('tickWeekday', { weekday: 'short' }, (i) => shifted(anchor, 0, 0, i));
        break;
      case 'month':
        between('tickDay', { day: 'numeric' }, (i) => shifted(anchor, 0, 0, i));
        break;
      case 'year':
        between('tickMonth', { month: 'short' }, (i) => shifted(anchor, 0, i));
        break;
      default:
        between('year', { year: 'numeric' }, (i) => shifted(anchor, i));
    }
    return marks;
  }
}

// Returns the number of a week: the first one has the year's first Thursday (ISO 8601).
function isoWeek(monday) {
  const thursday = new Date(monday + 3 * DAY);
  return 1 + Math.floor((thursday - Date.UTC(thursday.getUTCFullYear(), 0)) / (7 * DAY));
}
