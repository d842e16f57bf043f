// Compares what the program serves with its source: the syntax trees of the scripts must be the same, but for places.
//
// `node same.mjs <folder of the source> <address of the files>`

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'acorn';

const [folder, address] = process.argv.slice(2);
const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.js'));

// The tree as text, without the places of its nodes.
const treeOf = (script) =>
  JSON.stringify(parse(script, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: false }), (key, value) =>
    key === 'start' || key === 'end' ? undefined : typeof value === 'bigint' ? `${value}n` : value instanceof RegExp ? String(value) : value,
  );

let wrong = 0;
for (const name of files) {
  const source = readFileSync(join(folder, name), 'utf8');
  const served = await (await fetch(`${address}/${name}`)).text();
  // The program fills in the list and the version of the files.
  const filled = name === 'worker.js' ? (text) => text.replace(/(VERSION|FILES)\s*=\s*'[^']*'/g, "$1 = ''") : (text) => text;
  const isSame = treeOf(filled(source)) === treeOf(filled(served));
  if (isSame && served.length < source.length) continue;
  console.error(`${name} ${isSame ? 'is served as it is' : 'means something else where it is served'}`);
  wrong += 1;
}
console.log(`${files.length} scripts`);
process.exit(wrong || files.length < 60 ? 1 : 0);
