// A BullMQ queue, as far as it goes without scripts: usage `bullmq_queue.mjs PORT`. Adding, taking and finishing jobs are Lua
// scripts, which the server does not have yet: the error that they get is named here. What BullMQ does with plain
// commands works: connecting, settings of a queue, its stream of events, the list of its workers.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";

const require = createRequire(import.meta.url);
const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const NO_SCRIPTS = /unknown command '(evalsha|eval)'/i;

const client = new Redis(connection);
await client.flushall();

// It asks for the server's version and settings first.
const queue = new Queue("jobs", { connection });
// What is refused is told twice: to the caller, and as an event.
queue.on("error", (error) => assert.match(error.message, NO_SCRIPTS));
await queue.waitUntilReady();
assert.match(await queue.getVersion(), /bullmq/);

await queue.setGlobalConcurrency(4);
assert.equal(await queue.getGlobalConcurrency(), 4);
assert.equal(await queue.isPaused(), false);
assert.equal(await queue.getJob("missing"), undefined);
assert.deepEqual((await queue.getJobLogs("missing")).logs, []);

const events = new QueueEvents("jobs", { connection });
await events.waitUntilReady();
const heard = new Promise((resolve) => events.on("waiting", ({ jobId }) => resolve(jobId)));
// What a script would tell of a new job; again until the reader stands at the stream's end.
const teller = setInterval(() => client.xadd("bull:jobs:events", "*", "event", "waiting", "jobId", "7"), 50);
assert.equal(await heard, "7");
clearInterval(teller);
assert.ok((await queue.trimEvents(0)) > 0);

await assert.rejects(queue.add("job", { a: 1 }), NO_SCRIPTS);
await assert.rejects(queue.addBulk([{ name: "job", data: {} }]), NO_SCRIPTS);
await assert.rejects(queue.getJobCounts(), NO_SCRIPTS);
await assert.rejects(queue.pause(), NO_SCRIPTS);

// A worker connects, names its connection and stays without work.
const worker = new Worker("jobs", async () => "done", { connection, name: "w" });
const refused = new Promise((resolve) => worker.on("error", resolve));
await worker.waitUntilReady();
assert.match((await refused).message, NO_SCRIPTS);
assert.equal((await queue.getWorkers()).length, 1);

await worker.close(true);
await events.close();
await queue.close();
await client.quit();
console.log(`bullmq ${require("bullmq/package.json").version}: without scripts, 13 passed, 0 failed`);
