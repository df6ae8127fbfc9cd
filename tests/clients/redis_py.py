"""Drives a running server through redis-py, as an application would: usage `redis_py.py PORT`."""

import sys
import threading
import time

import redis


def main(port):
    checks = 0
    protocols = [2, 3]
    for protocol in protocols:
        client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
        client.flushall()
        for check in (basics, pipelines, transactions, publish_subscribe, scans, sessions):
            check(client)
            checks += 1
        client.close()
    print(f"redis-py {redis.__version__}: {checks} passed, 0 failed")


def basics(client):
    assert client.ping() is True
    assert client.set("text", "value", ex=100) is True
    assert client.get("text") == "value"
    assert 90 <= client.ttl("text") <= 100
    assert client.incr("number") == 1 and client.incrbyfloat("float", 10.5) == 10.5
    assert client.hset("hash", mapping={"a": 1, "b": "two"}) == 2
    assert client.hgetall("hash") == {"a": "1", "b": "two"}
    assert client.rpush("list", *range(10)) == 10
    assert client.lrange("list", 0, 2) == ["0", "1", "2"]
    assert client.sadd("set", "x", "y") == 2 and client.smembers("set") == {"x", "y"}
    assert client.zadd("zset", {"one": 1, "two": 2.5}) == 2
    pairs = [[member, score] for member, score in client.zrange("zset", 0, -1, withscores=True)]
    assert pairs == [["one", 1.0], ["two", 2.5]], pairs
    large = "x" * 2_000_000
    client.set("large", large)
    assert client.get("large") == large
    assert client.type("zset") == "zset" and client.delete("large", "missing") == 1
    try:
        client.lpush("text", 1)
    except redis.ResponseError as error:
        assert "WRONGTYPE" in str(error)
    else:
        raise AssertionError("a wrong type is refused")


def pipelines(client):
    pipe = client.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(f"pipe:{i}", i)
        pipe.get(f"pipe:{i}")
    replies = pipe.execute()
    assert replies[1::2] == [str(i) for i in range(1000)]


def transactions(client):
    client.set("balance", 100)

    def spend(pipe):
        balance = int(pipe.get("balance"))
        pipe.multi()
        pipe.set("balance", balance - 30)

    client.transaction(spend, "balance")
    assert client.get("balance") == "70"
    with client.pipeline() as pipe:
        pipe.watch("balance")
        client.set("balance", 1)
        pipe.multi()
        pipe.set("balance", 2)
        try:
            pipe.execute()
        except redis.WatchError:
            pass
        else:
            raise AssertionError("a watched key that changed breaks the transaction")


def publish_subscribe(client):
    listener = client.pubsub()
    listener.subscribe("news")
    listener.psubscribe("n*")
    deadline = time.monotonic() + 5
    confirmed, received = 0, []
    sent = False
    while len(received) < 2 and time.monotonic() < deadline:
        message = listener.get_message(timeout=0.1)
        if message and message["type"] in ("subscribe", "psubscribe"):
            confirmed += 1
        elif message:
            received.append((message["type"], message["data"]))
        if confirmed == 2 and not sent:
            sent = client.publish("news", "hello") == 2
    assert sorted(received) == [("message", "hello"), ("pmessage", "hello")], received
    listener.close()


def scans(client):
    names = {f"scan:{i}" for i in range(2500)}
    client.mset({name: 1 for name in names})
    assert set(client.scan_iter("scan:*", count=100)) == names
    client.sadd("members", *names)
    assert set(client.sscan_iter("members")) == names
    client.hset("fields", mapping={name: 1 for name in names})
    assert {field for field, _ in client.hscan_iter("fields")} == names


def sessions(client):
    other = threading.Thread(target=lambda: client.client_setname("worker"))
    other.start()
    other.join()
    assert client.client_id() > 0
    assert client.info("server")["redis_version"].startswith("7.2")
    assert client.info("replication")["role"] == "master"
    assert client.command_count() > 100 and "get" in client.command()
    assert client.config_get("maxmemory") == {"maxmemory": "0"}


if __name__ == "__main__":
    main(int(sys.argv[1]))
