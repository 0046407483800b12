// Strings, maps, typed arrays, buffers outside the engine's heap, compression
// in the thread pool, and workers.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const zlib = require('node:zlib');
const crypto = require('node:crypto');

function work(seed) {
    let state = seed;
    const draw = (limit) => (state = (state * 16807) % 2147483647) % limit;
    const words = new Map();
    for (let count = 0; count < 30000; count++) {
        const key = draw(3000).toString(36);
        words.set(key, (words.get(key) ?? '').slice(-200) + key);
    }
    const buffers = [];
    for (let count = 0; count < 2000; count++) {
        const buffer = Buffer.alloc(1 + draw(20000), count & 255);
        buffers[draw(200)] = buffer;
    }
    const hash = crypto.createHash('sha256');
    for (const key of [...words.keys()].sort()) hash.update(words.get(key));
    for (const buffer of buffers) if (buffer) hash.update(buffer);
    const text = JSON.stringify([...words]);
    hash.update(JSON.stringify(JSON.parse(text)));
    return hash.digest('hex');
}

async function main() {
    console.log(work(1));
    const inputs = [1, 2, 3, 4].map((seed) => Buffer.from(work(seed).repeat(5000)));
    const sizes = await Promise.all(inputs.map((input) => new Promise((resolve, reject) =>
        zlib.gzip(input, (error, packed) => (error ? reject(error)
            : zlib.gunzip(packed, (broken, whole) => (broken ? reject(broken)
                : resolve(whole.equals(input)))))))));
    console.log(sizes.join(' '));
    const answers = await Promise.all([2, 3, 4].map((seed) => new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: seed });
        worker.once('message', resolve);
        worker.once('error', reject);
    })));
    console.log(answers.join('\n'));
}

if (isMainThread) {
    main();
} else {
    parentPort.postMessage(work(workerData));
}
