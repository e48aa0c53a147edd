// Bundles the page:
//
//   node build.mjs MODULES OUT
//
// MODULES is the node_modules of package.json, OUT the directory to make.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [modules, out] = process.argv.slice(2).map((p) => path.resolve(p));

const here = path.dirname(fileURLToPath(import.meta.url));
const { buildSync } = createRequire(`${modules}/`)('esbuild');

const from = (name) => path.join(here, name);
const to = (name) => path.join(out, name);

const options = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  nodePaths: [modules],
  legalComments: 'eof',
  logLevel: 'warning',
};

fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(out, { recursive: true });

fs.copyFileSync(from('index.html'), to('index.html'));
fs.cpSync(from('icons'), to('icons'), { recursive: true });

const build = (entry, outfile, more = {}) =>
  buildSync({ ...options, ...more, entryPoints: [from(entry)],
              outfile: to(outfile) });

const notice = '/*! uPlot is in here: LICENSES.txt has its notice. */';

build('js/main.mjs', 'page.js', { banner: { js: notice } });
build('js/profiles/main.mjs', 'profiles.js');
build('css/all.css', 'page.css', { banner: { css: notice } });


// speedscope comes built.  Its file names hold a hash; left out is what it
// needs for samples of its own and for Java's recordings.

const release = path.join(modules, 'speedscope/dist/release');

const names = fs.readdirSync(release).filter((name) =>
  /^speedscope-.*\.(js|css)$|\.woff2$/.test(name));

const named = (pattern) => names.find((name) => pattern.test(name));

fs.mkdirSync(to('speedscope'));

for (const name of names) {
  fs.copyFileSync(path.join(release, name), to(`speedscope/${name}`));
}

build('speedscope/open.mjs', 'speedscope/open.js');

fs.writeFileSync(to('speedscope/index.html'),
  fs.readFileSync(from('speedscope/index.html'), 'utf8')
    .replace('STYLE', named(/\.css$/)).replace('SCRIPT', named(/\.js$/)));


// What is served has the notices of what is served.

const notices = [
  ['The dashboard', path.join(here, '../LICENSE')],
  ['uPlot, in page.js and page.css', path.join(modules, 'uplot/LICENSE')],
  ['speedscope, in speedscope/', path.join(modules, 'speedscope/LICENSE')],
  ['Source Code Pro, the font of speedscope',
   path.join(release, 'source-code-pro.LICENSE.md')],
];

fs.writeFileSync(to('LICENSES.txt'), notices.map(([what, file]) =>
  `${what}\n${'='.repeat(what.length)}\n\n`
  + `${fs.readFileSync(file, 'utf8').trim()}\n`).join('\n\n'));
