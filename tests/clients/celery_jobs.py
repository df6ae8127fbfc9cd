"""Jobs through Celery, broker and results on the server, the worker in a thread: usage `celery_jobs.py PORT`.

Every version of Celery's transport (kombu) takes a lock of redis-py when a worker starts, and a Lua script releases it. The
server has no scripts yet, so a worker as it is ends with the error that `needs_scripts` names. Here the lock is released with
WATCH instead; all else is as it is. Later versions (kombu 5.7, Celery 5.7) use further scripts, for bindings and for chords.
"""

import faulthandler
import gc
import sys
import time

import celery
import kombu
import redis
import redis.lock
from celery import Celery, chain, chord, group
from celery.contrib.testing.worker import start_worker

app = Celery("jobs")


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("this task fails")


@app.task(bind=True, max_retries=3)
def fail_twice(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


# A script that does not end says where it stands.
STUCK_AFTER_S = 300


def main(port):
    # The collector may end an AsyncResult in the middle of a SUBSCRIBE, whose lock its unsubscribe then waits for, for ever.
    gc.disable()
    faulthandler.dump_traceback_later(STUCK_AFTER_S, exit=True)
    url = f"redis://127.0.0.1:{port}"
    connection = redis.Redis(port=port)
    connection.flushall()
    app.conf.update(broker_url=f"{url}/0", result_backend=f"{url}/1", broker_connection_retry_on_startup=True)
    checks = (results, failures, retries, chains, groups, chords, later, revoked, remote_control)
    needs_scripts(connection)
    redis.lock.Lock.do_release = release_watched
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL", shutdown_timeout=20):
        for check in checks:
            check(connection)
    print(f"celery {celery.__version__}, kombu {kombu.__version__}: {len(checks) + 1} passed, 0 failed")


def needs_scripts(connection):
    lock = connection.lock("lock", timeout=10)
    assert lock.acquire(blocking=False)
    try:
        lock.release()
    except redis.ResponseError as error:
        assert "unknown command 'EVALSHA'" in str(error), error
    else:
        raise AssertionError("scripts work: this can be tested now")


def release_watched(lock, token):
    with lock.redis.pipeline() as pipe:
        pipe.watch(lock.name)
        if pipe.get(lock.name) != token:
            raise redis.exceptions.LockNotOwnedError("the lock is another's")
        pipe.multi()
        pipe.delete(lock.name)
        pipe.execute()


def results(connection):
    sent = [add.delay(i, i) for i in range(50)]
    assert [result.get(timeout=20) for result in sent] == [2 * i for i in range(50)]
    assert all(result.successful() for result in sent)
    sent[0].forget()


def failures(connection):
    result = fail.delay()
    try:
        result.get(timeout=20)
    except ValueError as error:
        assert "this task fails" in str(error)
    else:
        raise AssertionError("a failure is passed on")
    assert result.failed()


def retries(connection):
    assert fail_twice.delay().get(timeout=20) == 2


def chains(connection):
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=20) == 10


def groups(connection):
    assert group(add.s(i, 1) for i in range(10))().get(timeout=20) == list(range(1, 11))


def chords(connection):
    assert chord((add.s(i, i) for i in range(10)), total.s())().get(timeout=20) == 90


def later(connection):
    start = time.monotonic()
    assert add.apply_async((1, 1), countdown=1).get(timeout=20) == 2
    assert time.monotonic() - start > 0.9


def revoked(connection):
    result = add.apply_async((1, 1), countdown=600)
    app.control.revoke(result.id)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        told = app.control.inspect(timeout=0.5).revoked() or {}
        if result.id in sum(told.values(), []):
            return
    raise AssertionError("the worker heard of it")


def remote_control(connection):
    replies = app.control.ping(timeout=2)
    assert len(replies) == 1 and list(replies[0].values()) == [{"ok": "pong"}], replies


if __name__ == "__main__":
    main(int(sys.argv[1]))
