// Types of the program's answers (docs/http.md), and of what the page's modules pass to each other.

/** Number of a column, `null` where nothing was read. */
type Value = number | null;
type Role = 'grid' | 'production' | 'storage' | 'consumer' | 'submeter' | 'hidden';

/** Meaning of a reading, as in /readings and /series. */
interface Meaning {
  quantity?: string | null;
  kind?: string | null;
  direction?: string | null;
  medium?: string | null;
  phase?: string | null;
  tariff?: number | null;
  live?: boolean;
  factor?: number | null;
  unit: string;
  /** What the configuration says of the reading itself, and of its source. */
  label?: string;
  role?: Role;
  source_label?: string;
  source_role?: Role;
}

/** Series of /series. */
interface Series {
  section: string;
  name: string;
  unit: string;
  obis: string;
  counter: boolean;
  meaning: Meaning;
  from: string;
  to: string;
}

/** Error that any answer may be. */
interface Refused {
  error?: { code: string; message: string; hint?: string };
}

/** Course of a reading: /history with `step`. */
interface Course {
  time: number[];
  mean: Value[];
  min: Value[];
  max: Value[];
  count: number[];
}

/** Consumption of a counter: /history with `per`. */
interface Consumption {
  zone: string;
  start: number[];
  end: number[];
  amount: Value[];
  gap: boolean[];
  swap: boolean[];
  partial: boolean[];
  currency?: string;
  cost?: Value[];
  cost_gap?: boolean[];
}

/** What the house used, and where it came from: /balance. */
interface Balance {
  zone?: string;
  currency?: string;
  start: number[];
  end: number[];
  consumption: Value[];
  drawn: Value[];
  fed: Value[];
  produced: Value[];
  self_used: Value[];
  charged: Value[];
  discharged: Value[];
  self_consumption: Value[];
  self_sufficiency: Value[];
  consumers: { source: string; label?: string; role?: Role; amount: Value[] }[];
  other: Value[];
  gap: boolean[];
  partial: boolean[];
  cost?: Value[];
  income?: Value[];
  saved?: Value[];
  cost_gap?: boolean[];
  unsure?: boolean;
  reason?: string;
  /** From when on all production was read. */
  since?: number;
}

/** What /tariffs answers. */
interface Tariffs {
  currency: string;
  tariffs: Tariff[];
}
interface Tariff {
  name: string;
  source: string;
  from: string;
  to?: string;
  currency: string;
  vat: Value;
  work: string;
  prices?: string;
  windows?: Priced[];
  levies?: Levy[];
  base_per_day?: number;
  base_per_month?: number;
  base_per_year?: number;
  feed_in?: number;
  /** Several prices, in words. */
  feed_in_prices?: string;
  gas_factor?: number;
  instalment_per_month?: number;
}

/** Times at which a price holds, in the words of the configuration. */
interface Times {
  name?: string;
  days?: string[];
  hours?: string[];
  months?: string[];
}
interface Priced extends Times {
  price: Value;
}
interface Levy {
  name: string;
  price?: Value;
  per: string;
  windows?: Priced[];
}

/** What /bill answers. */
interface Bill {
  currency: string;
  source: string;
  from: string;
  to: string;
  /** What was asked, if the bill has other moments. */
  asked?: { from: string; to: string };
  assumed?: { vat: Value; gas_factor?: number; tariff?: string; tariff_from?: string };
  energy: BillEnergy[];
  items: BillItem[];
  net: Value;
  total: Value;
  gaps: { register: string; from: number; to: number; reason: string }[];
}
/** Energy of a register with one price, and what its counter showed. */
interface BillEnergy {
  register: string;
  tariff?: number;
  direction: string;
  from: number;
  to: number;
  unit: string;
  begin: Value;
  end: Value;
  swaps: Swap[];
  /** Those of each meter, if there are several. */
  parts?: BillPart[];
  estimated: boolean;
}
interface BillPart {
  from: number;
  to: number;
  begin: Value;
  end: Value;
}
/** Another meter, or a counter that was set. */
interface Swap {
  time: number;
  from: Value;
  to: Value;
}
interface BillItem {
  kind: string;
  text: string;
  window?: Times;
  amount?: number;
  unit?: string;
  price?: number;
  net: Value;
}

/** What /forecast answers. */
interface Forecast {
  currency: string;
  month: ForecastOf;
  year: ForecastOf;
  unsure: boolean;
  reason?: string;
}
interface ForecastOf {
  so_far: Value;
  expected: Value;
  instalment?: number;
}

/** What a counter showed at a moment: /registers. */
interface Shown {
  value: Value;
  at: number;
  before?: { value: number; time: number } | null;
  after?: { value: number; time: number } | null;
  exact: boolean;
  gap: boolean;
}
interface Register extends Shown {
  source: string;
  label?: string;
  name: string;
  obis: string;
  unit: string;
  direction?: string;
  tariff?: number | null;
  /** Digits after the point that the meter sends. */
  decimals?: number;
  begin?: Shown;
  amount?: Value;
  swaps?: Swap[];
}

/** How sure a figure of /insights is. */
interface Sure {
  unsure: boolean;
  reason?: string;
}
/** What /insights answers. */
interface Insights {
  month: string;
  standby: Sure & { watts: Value; trend: Standby[] };
  peaks: Peak[];
  greatest_day: (Sure & { day: string; kwh: number }) | null;
  heat_pump: HeatPump;
  voltage: Voltage[];
}
interface Standby {
  month: string;
  watts: Value;
  unsure: boolean;
}
interface Peak extends Sure {
  rule: string;
  month: string;
  kw: Value;
  at: number | null;
  parts?: { at: number; kw: number }[];
}
interface HeatPump extends Sure {
  points: { day: string; temperature: number; kwh: number }[];
}
interface Voltage extends Sure {
  name: string;
  phase?: string;
  min: number;
  mean: number;
  max: number;
  outside_minutes: number;
  at: number | null;
}

/** Part of a sum over readings. */
interface Term {
  name: string;
  factor: number;
}

/** One thing that people look at: see model.js. */
interface Subject {
  key: string;
  section: string;
  kind: string;
  unit: string;
  power: Term[] | null;
  /** Whether its power is more than 0 for what is drawn, and less for what is fed in. */
  isNet?: boolean;
  imports: Term[] | null;
  exports: Term[] | null;
  phases?: (Term[] | null)[];
  voltages?: (Term[] | null)[];
  /** What a volume is of: gas, water. */
  medium?: string | null;
  /** What else a heat meter says. */
  details?: Entry[];
  main?: Entry;
  several?: boolean;
  label?: string;
  role?: Role;
  /** Label and role of its readings, in place of those of the source. */
  own?: { label: string; role: Role; isOwn: true };
  isOwn?: boolean;
  /** Moment of the first reading, in the history. */
  first: number;
}

/** Reading with its meaning. */
interface Entry {
  name: string;
  meaning: Meaning;
}

/** Address of a view: see address.js. */
interface Address {
  view: string;
  path?: (string | null | undefined)[];
  query?: Record<string, string | null | undefined>;
}

/** Module of a view. */
interface ViewModule {
  start(section: HTMLElement): void;
  open(address: { view: string; path: string[]; query: Record<string, string> }): unknown;
}

interface View {
  name: string;
  label?: string;
  icon?: string;
  tab?: string;
  module?: ViewModule;
  load?: () => Promise<ViewModule>;
  soon?: boolean;
}

/** Attributes of an element; `null` and `false` take one away. */
type Attributes = Record<string, string | number | boolean | null | undefined>;
/** Children of an element. */
type Child = Node | string | false | null | undefined | Child[];

/** Meaning of a colour: the class `name`, and a text. */
interface Key {
  name: string;
  text: string;
}

/** Part of a stacked bar. */
interface Part {
  name: string;
  value: number;
  guess?: boolean;
}

interface Bar {
  start: number;
  end: number;
  columns: Part[][];
  before: number[];
  uncertain?: boolean;
}

interface Curve {
  name: string;
  times: number[];
  mean: (Value | undefined)[];
  min?: Value[];
  max?: Value[];
  filled?: boolean;
}

/** What pointer and table show of one moment. */
interface Item {
  at: number;
  title: string;
  cells: string[];
  /** Its numbers with all their digits. */
  values?: (Value | undefined)[];
  /** Beginning of its bar. */
  start?: number;
}

/** What a chart shows: see chart.js. */
interface Spec {
  title: string;
  label: string;
  from: number;
  to: number;
  ticks: { at: number; text: string }[];
  axisText: (value: number) => string;
  least: number;
  free?: boolean;
  unit?: string;
  keys: Key[];
  heads: string[];
  items: Item[];
  courses?: Curve[];
  bars?: Bar[];
  marks?: string;
  /** Heads whose cells are in the table only. */
  quiet?: string[];
  /** Opens what an item is made of. */
  open?: (item: Item) => unknown;
}

/** Picture of a chart: where a time and a value stand. */
interface Frame {
  x: (at: number) => number;
  y: (value: number) => number;
  width: number;
  height: number;
  id: string;
}

/** Reading of /data: a bare value, or one with its unit. */
type Reading = null | string | number | boolean | { value: unknown; unit?: string; OBIS_Code?: string; timestampUTC?: string; more?: string[] };
type Readings = Record<string, Reading>;

/** Reason of a fault: its kind, and the program's text. */
interface Fault {
  code?: string;
  message: string;
}

/** Status of a source, publisher or endpoint in /health. */
interface Status {
  state: string;
  plugin?: string;
  label?: string;
  role?: Role;
  last_success?: string | null;
  last_error?: (Fault & { at: string }) | null;
  [more: string]: any;
}

/** What /health answers. */
interface Health {
  started: string;
  simulated?: boolean;
  journal?: any;
  backup?: any;
  sources: Record<string, Status>;
  publishers: Record<string, Status>;
  endpoints: Record<string, Status>;
  [more: string]: any;
}

/** Section of /data with what the page knows about it. `heard`: since the stream began. */
interface Section {
  readings: Readings;
  meanings: Record<string, Meaning & { own?: string }>;
  shape: string;
  time: number;
  arrived: number;
  gap: number;
  heard: boolean;
}

/** State of the page: see live.js. */
interface House {
  sections: Map<string, Section>;
  subjects: Subject[];
  health: Health | null;
  /** `null` until known, empty where there is no history. */
  series: Series[] | null;
  /** The reason, if the history cannot be read. */
  historyError: string | null;
  commands: any[];
  offlineSince: number | null;
  /** Grows when the configuration may have changed. */
  revision: number;
  /** The tab was hidden: its numbers are old until the program has answered. */
  paused: boolean;
}

/** Name of the element in `p.hint@reason`. */
type TagOf<T extends string> = T extends `${infer K}@${string}` ? TagOf<K> : T extends `${infer K}.${string}` ? K : T;
type HtmlElement<T extends string> =
  TagOf<T> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[TagOf<T>] : HTMLElement;
type SvgElement<T extends string> =
  TagOf<T> extends keyof SVGElementTagNameMap ? SVGElementTagNameMap[TagOf<T>] : SVGElement;

/** Argument of a command in /cmds, or key of a section. */
interface Argument {
  arg: string;
  kind: string;
  label: string;
  choices?: (string | [unknown, string])[];
  optional?: boolean;
  default?: unknown;
  unit?: string;
  current?: unknown;
  secret?: boolean;
  help?: string;
  must?: boolean;
  plain?: boolean;
  min?: number;
  max?: number;
  step?: number;
}

/** Answer to something that changes the setup: see token.js. */
interface Answered {
  ok: boolean;
  status: number;
  json: any;
  reason: string;
}
type Save = (file: string, toml: string) => Promise<Answered>;
type Remove = (file: string) => Promise<Answered>;

/** File of `config.d`. */
interface DropIn {
  file: string;
  text?: string | null;
}

/** What /setup answers. */
interface Setup {
  allowed?: boolean;
  reason?: string;
  code?: string;
  config?: string;
  lan?: { addresses: string[]; may_read: boolean; reason?: string };
  mistakes?: (Fault & { file?: string; line?: number; hint?: string })[];
  drop_ins: DropIn[];
  sources: { name: string; plugin: string; label?: string; role?: Role; where?: string }[];
  publishers: { name: string }[];
  ports: { port: string; name?: string; device?: string; used_by?: string }[];
  gpio: { chip: string; line: number; name?: string; used_by?: string }[];
  plugins: { kind: string }[];
}
