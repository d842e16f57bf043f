// What a section is: its role comes from OBIS codes and units, never from its name.
//
// A *subject* is one thing that people look at: an electricity meter, a consumer, a gas meter, a temperature. Where it
// has a number that may be spread over several readings (two tariffs; import and export), that is a *sum*: a list of
// `{name, factor}`, in W, kWh, or the subject's own unit.

import { known, t } from './text.js';

// Without a prototype: a unit may be called `constructor`.
const POWER = { __proto__: null, W: 1, kW: 1000, MW: 1e6 };
const ENERGY = { __proto__: null, Wh: 0.001, kWh: 1, MWh: 1000 };
const VOLUME = { __proto__: null, m3: 1, 'm³': 1, l: 0.001, L: 0.001 };
const VOLTAGE = { __proto__: null, V: 1 };
const HEAT = { __proto__: null, MJ: 1, GJ: 1 };

const bare = (obis) => (obis ?? '').replace(/^1-\d+:/, '').replace(/\*255$/, '');

// The subjects of a section, from its numbers: `{name, unit, obis}`.
export function subjectsOf(section, entries) {
  const find = (code, factors) => {
    const entry = entries.find((entry) => bare(entry.obis) === code && entry.unit in factors);
    return entry && { name: entry.name, factor: factors[entry.unit] };
  };
  const one = (code, factors) => listed(find(code, factors));
  const difference = (plus, minus) => {
    const [drawn, fed] = [find(plus, POWER), find(minus, POWER)];
    return drawn || fed ? listed(drawn, fed && { ...fed, factor: -fed.factor }) : null;
  };
  // Some meters count the tariffs only, without their total.
  const counted = (quantity) =>
    one(`${quantity}.8.0`, ENERGY) ?? listed(...[1, 2, 3, 4].map((tariff) => find(`${quantity}.8.${tariff}`, ENERGY)));

  const phases = [20, 40, 60].map(
    (phase) => one(`${phase + 16}.7.0`, POWER) ?? difference(`${phase + 1}.7.0`, `${phase + 2}.7.0`),
  );
  const power =
    one('16.7.0', POWER) ??
    difference('1.7.0', '2.7.0') ??
    one('15.7.0', POWER) ??
    (phases.every(Boolean) ? phases.flat() : null);
  const imports = counted(1) ?? one('15.8.0', ENERGY);
  const exports = counted(2);
  const subjects = [];
  const add = (kind, more) => {
    const key = subjects.length ? `${section}/${more.main?.name ?? kind}` : section;
    subjects.push({ key, section, kind, power: null, imports: null, exports: null, ...more });
  };
  if (power || imports || exports) {
    const voltages = [32, 52, 72].map((code) => one(`${code}.7.0`, VOLTAGE));
    add('electricity', { power, imports, exports, phases: phases.some(Boolean) ? phases : [], voltages, unit: 'kWh' });
  }
  const plain = (name, factors, usual) => {
    const entry = entries.find((entry) => entry.name === name && !entry.obis);
    const unit = entry && (entry.unit || usual);
    return unit in factors ? [{ name, factor: factors[unit] }] : null;
  };
  const count = plain('count', ENERGY, 'kWh');
  if (count) add('consumer', { imports: count, power: plain('power', POWER, 'W'), unit: 'kWh' });

  const separate = !subjects.length;
  for (const entry of entries) {
    const { name, unit } = entry;
    const shared = { main: entry, unit };
    if (unit in VOLUME) add('volume', { ...shared, imports: [{ name, factor: 1 }] });
    else if (unit in HEAT) add('heat', { ...shared, imports: [{ name, factor: 1 }] });
    else if (separate && unit in ENERGY) add('heat', { ...shared, imports: [{ name, factor: 1 }] });
    else if (separate && unit === '°C') add('temperature', shared);
  }
  if (!subjects.length && entries.length) add('other', { main: entries[0], unit: entries[0].unit });
  return subjects;
}

const listed = (...terms) => {
  const there = terms.filter(Boolean);
  return there.length ? there : null;
};

// The one that the page is about: the first that knows both directions of the flow, else the first that has power.
export function mainOf(subjects) {
  const meters = subjects.filter(({ kind }) => kind === 'electricity');
  return (
    meters.find(({ power, imports }) => power && imports) ?? meters.find(({ power }) => power) ?? meters[0] ?? null
  );
}

// A name for people. What the program itself proposes as a section's name says no more than its kind.
export function labelOf(subject) {
  const { section, kind, main, key } = subject;
  const name = key === section ? section : (main?.name ?? section);
  const said = known(name.toLowerCase());
  if (key !== section && said) return said;
  if (/^smartmeter_(d0|sml|s0)$/.test(name)) return t(kind);
  const words = name.replaceAll('_', ' ').trim() || name;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// The bare value of a member of a section in /data.
export const valueOf = (reading) => (reading !== null && typeof reading === 'object' ? reading.value : reading);

// A sum's value in a section of /data; `null` where a part of it is missing.
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

// What a register holds, in words: value groups C, D and E of its OBIS code (IEC 62056-61).
export function registerName(obis) {
  const match = /^(?:\d+-\d+:)?([0-9A-Z]+)\.([0-9A-Z]+)(?:\.([0-9]+))?(?:\*255)?$/.exec(obis ?? '');
  if (!match) return null;
  const [c, d, e] = [
    match[1].replace('C', '96').replace('F', '97'),
    match[2].replace('F', '97'),
    Number(match[3] ?? 0),
  ];
  const special = {
    '0.0': 'q_number',
    96.1: 'q_number',
    0.2: 'q_firmware',
    '1.0': 'q_clock',
    0.9: 'q_clock',
    96.5: 'q_status',
    96.8: 'q_uptime',
    96.14: 'q_tariff_now',
    97.97: 'q_error',
    24.2: 'q_counted',
    24.3: 'q_counted',
    81.7: 'q_angle',
  }[`${c}.${d}`];
  if (special) return t(special);
  const phase = Math.floor((c - 1) / 20);
  if (!(phase <= 4) || d === '0') return null;
  const quantity = c - 20 * phase;
  const name = t(
    {
      7: {
        1: 'q_power_import',
        2: 'q_power_export',
        3: 'q_reactive',
        4: 'q_reactive',
        11: 'q_current',
        12: 'q_voltage',
        13: 'q_factor',
        14: 'q_frequency',
        15: 'q_power',
        16: 'q_power',
      },
      8: { 1: 'q_import', 2: 'q_export', 3: 'q_reactive', 4: 'q_reactive', 15: 'q_absolute', 16: 'q_net' },
      4: { 1: 'q_average', 2: 'q_average' },
      6: { 1: 'q_max', 2: 'q_max' },
    }[d]?.[quantity] ?? '',
  );
  if (!name) return null;
  const named = phase ? t('q_phase', { name, phase: phase === 4 ? 'N' : `L${phase}` }) : name;
  return d === '8' && e > 0 && e < 64 ? t('q_tariff', { name: named, tariff: e }) : named;
}
