// Words of health and of workers' states, each with a shape and a colour.

const marks = {
  healthy: '● good',
  running: '● good',
  degraded: '▲ warn',
  draining: '◆ warn',
  unhealthy: '■ bad',
  stuck: '■ bad',
  ended: '○ quiet',
  died: '✕ bad',
};

const mark = (word) => (marks[word] ?? '? warn').split(' ');

export const shape = (word) => `${mark(word)[0]} ${word}`;

export const look = (word) => mark(word)[1];

export const known = (word) => Object.hasOwn(marks, word);
