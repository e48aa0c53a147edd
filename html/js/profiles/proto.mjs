// pprof's profile.proto, as /debug/pprof serves it: read into plain objects.
// The numbers of fields are those of github.com/google/pprof/proto.

// A reader of one message: next() gives the number of the next field, 0 at the
// end; then exactly one of the others reads its value.

class Reader {
  constructor(bytes, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.wire = 0;
  }

  varint() {
    let low = 0;
    let high = 0;

    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) {
        throw new Error('the profile is cut off');
      }

      const byte = this.bytes[this.at++];
      const bits = byte & 0x7f;

      if (shift < 28) {
        low |= bits << shift;

      } else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;

      } else {
        high |= bits << (shift - 32);
      }

      if (byte < 0x80) {
        // an int64: the high half carries the sign
        return (high | 0) * 4294967296 + (low >>> 0);
      }
    }

    throw new Error('the profile is broken');
  }

  next() {
    if (this.at >= this.end) {
      return 0;
    }

    const tag = this.varint();

    this.wire = tag & 7;

    return tag >>> 3;
  }

  // the bytes of a field: [from, to]
  part() {
    const length = this.varint();
    const from = this.at;

    if (this.wire !== 2 || length < 0 || length > this.end - from) {
      throw new Error('the profile is broken');
    }

    this.at += length;

    return [from, this.at];
  }

  message() {
    return new Reader(this.bytes, ...this.part());
  }

  text(decoder) {
    return decoder.decode(this.bytes.subarray(...this.part()));
  }

  // a repeated number, packed or not
  numbers(list) {
    if (this.wire !== 2) {
      list.push(this.varint());
      return;
    }

    const all = this.message();

    while (all.at < all.end) {
      list.push(all.varint());
    }
  }

  skip() {
    const lengths = { 1: 8, 5: 4 };

    if (this.wire === 0) {
      this.varint();

    } else if (this.wire === 2) {
      this.part();

    } else if (lengths[this.wire]) {
      this.at += lengths[this.wire];

    } else {
      throw new Error('the profile is broken');
    }
  }
}

// A message by a table of its fields: {number: [name, kind]}, where kind is
// "number", "numbers", or the table of a message that may repeat

function read(reader, fields) {
  const message = {};

  for (const [name, kind] of Object.values(fields)) {
    message[name] = kind === 'number' ? 0 : [];
  }

  for (let n = reader.next(); n; n = reader.next()) {
    const [name, kind] = fields[n] ?? [];

    if (!name) {
      reader.skip();

    } else if (kind === 'number') {
      message[name] = reader.varint();

    } else if (kind === 'numbers') {
      reader.numbers(message[name]);

    } else if (kind === 'text') {
      message[name].push(reader.text(decoder));

    } else {
      message[name].push(read(reader.message(), kind));
    }
  }

  return message;
}

const decoder = new TextDecoder();

const valueType = { 1: ['type', 'number'], 2: ['unit', 'number'] };

const label = {
  1: ['key', 'number'],
  2: ['str', 'number'],
  3: ['num', 'number'],
  4: ['unit', 'number'],
};

const line = { 1: ['function', 'number'], 2: ['line', 'number'] };

const profile = {
  1: ['types', valueType],
  2: ['samples', {
    1: ['locations', 'numbers'],
    2: ['values', 'numbers'],
    3: ['labels', label],
  }],
  3: ['mappings', { 1: ['id', 'number'], 5: ['file', 'number'] }],
  4: ['locations', {
    1: ['id', 'number'],
    2: ['mapping', 'number'],
    3: ['address', 'number'],
    4: ['lines', line],
  }],
  5: ['functions', {
    1: ['id', 'number'],
    2: ['name', 'number'],
    4: ['file', 'number'],
  }],
  6: ['strings', 'text'],
  9: ['time', 'number'],
  10: ['duration', 'number'],
  11: ['periodType', valueType],
  12: ['period', 'number'],
  13: ['comments', 'numbers'],
  14: ['defaultType', 'number'],
};

async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream()
    .pipeThrough(new DecompressionStream('gzip'));

  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const base = (path) => path.slice(path.lastIndexOf('/') + 1);

// A gzipped or plain profile, with names in the place of numbers:
//
//   types      [{type, unit}]
//   samples    [{frames: root first, values, labels: Map of text to text}]
//   time       ms since the epoch; duration: seconds
//
// A frame is one object for each function: {name, module, file}.

export async function decode(buffer) {
  let bytes = new Uint8Array(buffer);

  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    bytes = await gunzip(bytes);
  }

  const raw = read(new Reader(bytes), profile);

  const text = (i) => raw.strings[i] ?? '';
  const type = ({ type: t, unit }) => ({ type: text(t), unit: text(unit) });

  const byId = (list) => new Map(list.map((item) => [item.id, item]));
  const functions = byId(raw.functions);
  const mappings = byId(raw.mappings);
  const frames = new Map();

  // inlined calls stand innermost first
  const expand = (location) => {
    const module = base(text(mappings.get(location.mapping)?.file));

    const list = location.lines.length ? [...location.lines].reverse()
                                       : [{ function: 0 }];

    return list.map(({ function: id }) => {
      const found = functions.get(id);
      const name = text(found?.name) || `0x${location.address.toString(16)}`;
      const key = `${module}\n${name}`;

      if (!frames.has(key)) {
        frames.set(key, { name, module, file: text(found?.file) });
      }

      return frames.get(key);
    });
  };

  const stacks = new Map(raw.locations.map((l) => [l.id, expand(l)]));

  const labelsOf = (list) => new Map(list.map(({ key, str, num }) =>
    [text(key), str ? text(str) : String(num)]));

  return {
    types: raw.types.map(type),
    samples: raw.samples.map(({ locations, values, labels }) => ({
      frames: [...locations].reverse().flatMap((id) => stacks.get(id) ?? []),
      values,
      labels: labelsOf(labels),
    })),
    time: raw.time / 1e6,
    duration: raw.duration / 1e9,
    period: raw.period,
    comments: raw.comments.map(text).filter(Boolean),
    defaultType: text(raw.defaultType),
  };
}
