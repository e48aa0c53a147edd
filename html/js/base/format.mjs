// Numbers to text; null for what is no number, which is shown as "n/a".

const number = (f) => (value) => Number.isFinite(value) ? f(value) : null;

// Made once: to make one costs more than to format with it a hundred times

const plains = [0, 1, 2].map((digits) => new Intl.NumberFormat('en', {
  minimumFractionDigits: digits,
  maximumFractionDigits: digits,
}));

// most need no commas
const plain = (value, digits = 0) =>
  Math.abs(value) < 999 ? value.toFixed(digits) : plains[digits].format(value);

const times = new Intl.DateTimeFormat([], { timeStyle: 'medium' });

const shortTimes = new Intl.DateTimeFormat([], {
  timeStyle: 'medium', hourCycle: 'h23',
});

const dates = new Intl.DateTimeFormat([], {
  dateStyle: 'medium', timeStyle: 'medium',
});

// three digits, or more before the point
const short = (value) =>
  plain(value, value >= 99.95 || value === 0 ? 0 : value >= 9.995 ? 1 : 2);

const scaled = (value, units, factor, enough) => {
  let i = 0;

  while (i < units.length - 1 && enough(value)) {
    value *= factor;
    i++;
  }

  return `${short(value)} ${units[i]}`;
};

export const count = number((value) => plain(value));

export const rate = number(short);

export const percent = number((value) =>
  value > 0 && value < 0.005 ? '< 0.01%' : `${short(value)}%`);

export const fraction = number((value) => percent(value * 100));

export const bytes = number((value) => value < 1023.5 ? `${plain(value)} B`
  : scaled(value / 1024, ['KiB', 'MiB', 'GiB', 'TiB'], 1 / 1024,
           (v) => v >= 1023.5));

export const megabytes = number((value) => bytes(value * 1048576));

export const seconds = number((value) => value
  ? scaled(value, ['s', 'ms', 'µs'], 1000, (v) => v < 0.9995) : '0 s');

export const milliseconds = number((value) => seconds(value / 1e3));

export const nanoseconds = number((value) => seconds(value / 1e9));

// the two largest units
export const uptime = number((value) => {
  const parts = [
    [value / 86400, 'd'],
    [value / 3600 % 24, 'h'],
    [value / 60 % 60, 'min'],
    [value % 60, 's'],
  ];

  const first = parts.findIndex(([n]) => n >= 1);

  return parts.slice(first, first + 2).filter(([n]) => n >= 1)
              .map(([n, unit]) => `${Math.floor(n)} ${unit}`)
              .join(' ') || '0 s';
});

export const text = (value) => value == null ? null : String(value);

// "unavailable" names fields from some part of the answer on: memory.alloc

function reason(answer, path) {
  const keys = Object.keys(answer.unavailable ?? {});

  const key = keys.find((k) => `.${path}.`.includes(`.${k}.`));

  return key ? String(answer.unavailable[key]) : 'there is no value yet';
}

const paths = new Map();

const parts = (path) => {
  if (!paths.has(path)) {
    paths.set(path, path.split('.'));
  }

  return paths.get(path);
};

// a value that is going to be there, as the server says

const later = 'not known yet';

// whether this text stands for a value that is missing

export const missing = (text) => text === 'n/a' || text === later;

// What to show of a field: {text, title}.  "answer" tells why a value is
// missing from "object", a part of it.

export function field(object, path, format = text, answer = object) {
  const shown = format(parts(path).reduce((at, key) => at?.[key], object));

  if (shown !== null) {
    return { text: shown };
  }

  const title = reason(answer, path);

  return { text: title.startsWith(later) ? later : 'n/a', title };
}

// A difference of two values, with its sign

export const signed = (format) => number((value) =>
  (value > 0 ? '+' : value < 0 ? '\u2212' : '') + format(Math.abs(value)));

export const date = (value) => value ? dates.format(new Date(value)) : null;

export const clock = (value) => value ? times.format(new Date(value)) : null;

// for an axis
export const shortClock = (ms) => shortTimes.format(ms);

// Values of profiles, by the unit that the profile names

export const ofUnit = (unit) => unit === 'bytes' ? bytes
  : unit === 'nanoseconds' ? nanoseconds : count;

// A frame of a stack: text, or an object of a function and its place

export function frame(value) {
  if (value === null || typeof value !== 'object') {
    return String(value);
  }

  const { file, line } = value;
  const place = file ? ` ${file}${line ? `:${line}` : ''}` : '';

  return (value.function ?? value.name ?? value.symbol ?? '?') + place;
}

export const perSecond = number((value) => `${short(value)}/s`);

// ms of pause in a second
export const pauses = number((value) => `${milliseconds(value)}/s`);
