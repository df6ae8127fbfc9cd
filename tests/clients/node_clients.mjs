// Drives a running server through ioredis and node-redis, as an application would: usage `node_clients.mjs PORT`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const port = Number(process.argv[2]);
const require = createRequire(import.meta.url);
const deadline = (what, ms = 5000) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: no answer in ${ms} ms`)), ms).unref());

async function withIoredis() {
  const { Redis } = await import("ioredis");
  const client = new Redis(port);
  await client.flushall();
  assert.equal(await client.set("text", "value", "EX", 100), "OK");
  assert.equal(await client.get("text"), "value");
  const replies = await client.pipeline().incr("n").incr("n").lpush("text", 1).exec();
  assert.equal(replies[1][1], 2);
  assert.match(replies[2][0].message, /WRONGTYPE/);
  const done = await client.multi().set("a", 1).get("a").exec();
  assert.deepEqual(done.map(([, value]) => value), ["OK", "1"]);
  await client.hset("hash", { a: 1, b: 2 });
  assert.deepEqual({ ...(await client.hgetall("hash")) }, { a: "1", b: "2" });

  const listener = client.duplicate();
  const heard = new Promise((resolve) => listener.on("message", (channel, text) => resolve([channel, text])));
  await listener.subscribe("news");
  assert.equal(await client.publish("news", "hello"), 1);
  assert.deepEqual(await Promise.race([heard, deadline("a message")]), ["news", "hello"]);

  const names = new Set(Array.from({ length: 1500 }, (_, i) => `scan:${i}`));
  await client.mset([...names].flatMap((name) => [name, "1"]));
  const found = new Set();
  for await (const keys of client.scanStream({ match: "scan:*", count: 100 })) keys.forEach((key) => found.add(key));
  assert.deepEqual(found, names);
  await listener.quit();
  await client.quit();
  return `ioredis ${require("ioredis/package.json").version}`;
}

async function withNodeRedis() {
  const { createClient } = await import("redis");
  const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  await client.flushAll();
  assert.equal(await client.set("text", "value", { EX: 100 }), "OK");
  assert.equal(await client.get("text"), "value");
  assert.deepEqual(await Promise.all([client.incr("n"), client.incr("n")]), [1, 2]);
  assert.deepEqual(await client.multi().set("a", "1").get("a").exec(), ["OK", "1"]);
  await client.hSet("hash", { a: 1, b: 2 });
  assert.deepEqual({ ...(await client.hGetAll("hash")) }, { a: "1", b: "2" });
  await client.zAdd("zset", [{ score: 1.5, value: "x" }]);
  assert.equal(await client.zScore("zset", "x"), 1.5);

  const listener = await client.duplicate().connect();
  const heard = new Promise((resolve) => listener.pSubscribe("n*", (text, channel) => resolve([channel, text])));
  await new Promise((resolve) => setImmediate(resolve));
  while ((await client.publish("news", "hello")) === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await Promise.race([heard, deadline("a message")]), ["news", "hello"]);

  const found = new Set();
  await client.mSet(Array.from({ length: 1500 }, (_, i) => [`scan:${i}`, "1"]));
  for await (const keys of client.scanIterator({ MATCH: "scan:*", COUNT: 100 })) [keys].flat().forEach((key) => found.add(key));
  assert.equal(found.size, 1500);
  await listener.close();
  await client.close();
  return `node-redis ${require("redis/package.json").version}`;
}

const passed = [await withIoredis(), await withNodeRedis()];
console.log(`${passed.join(", ")}: ${passed.length} passed, 0 failed`);
