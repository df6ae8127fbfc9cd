"""Jobs through rq, its worker in this process: usage `rq_jobs.py PORT`.

What rq runs as a Lua script needs EVALSHA, which the server does not have: the last check names it.
"""

import os
import sys
import time

import redis
import rq
from rq import Queue, Retry, SimpleWorker, Worker
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# rq finds functions by the name of their module.
import rq_jobs as tasks


def add(a, b):
    return a + b


def fail():
    raise ValueError("this job fails")


def fail_once(port, key):
    if redis.Redis(port=port).incr(key) == 1:
        raise ValueError("the first try fails")
    return "second try"


def main(port):
    connection = redis.Redis(port=port)
    connection.flushall()
    checks = (results, children, failures, retries, dependents, later, batches, needs_scripts)
    for check in checks:
        check(connection, Queue("default", connection=connection))
    print(f"rq {rq.VERSION}: {len(checks)} passed, 0 failed")


def work(connection, queue, worker=SimpleWorker):
    worker([queue], connection=connection).work(burst=True, logging_level="CRITICAL")


def results(connection, queue):
    jobs = [queue.enqueue(tasks.add, i, 10 * i) for i in range(50)]
    assert queue.count == 50 and queue.job_ids[0] == jobs[0].id
    work(connection, queue)
    assert [job.return_value() for job in jobs] == [11 * i for i in range(50)]
    assert all(job.get_status() == JobStatus.FINISHED for job in jobs)
    assert FinishedJobRegistry(queue=queue).count == 50 and queue.count == 0
    assert jobs[0].latest_result().type.name == "SUCCESSFUL"


def children(connection, queue):
    """The usual worker, which forks a child for every job."""
    jobs = [queue.enqueue(tasks.add, i, i) for i in range(3)]
    work(connection, queue, Worker)
    assert [job.return_value() for job in jobs] == [0, 2, 4]


def failures(connection, queue):
    job = queue.enqueue(tasks.fail)
    work(connection, queue)
    assert job.get_status() == JobStatus.FAILED and "this job fails" in job.latest_result().exc_string
    registry = FailedJobRegistry(queue=queue)
    assert registry.get_job_ids() == [job.id]
    registry.requeue(job.id)
    assert queue.job_ids == [job.id]
    work(connection, queue)
    job.delete()
    assert registry.count == 0 and not Job.exists(job.id, connection)


def retries(connection, queue):
    port = connection.connection_pool.connection_kwargs["port"]
    job = queue.enqueue(tasks.fail_once, port, "tries", retry=Retry(max=2))
    work(connection, queue)
    assert job.return_value() == "second try" and connection.get("tries") == b"2"


def dependents(connection, queue):
    first = queue.enqueue(tasks.add, 1, 2)
    second = queue.enqueue(tasks.add, 3, 4, depends_on=first)
    assert second.get_status() == JobStatus.DEFERRED
    work(connection, queue)
    assert second.return_value() == 7


def later(connection, queue):
    from datetime import timedelta

    from rq.scheduler import RQScheduler

    job = queue.enqueue_in(timedelta(seconds=1), tasks.add, 5, 6)
    assert ScheduledJobRegistry(queue=queue).get_job_ids() == [job.id]
    scheduler = RQScheduler([queue], connection=connection)
    if hasattr(rq.scheduler, "acquire_or_refresh_lock"):
        # The locks of later versions are scripts.
        lacks_scripts(scheduler.acquire_locks)
        job.delete()
        return
    scheduler.acquire_locks()
    deadline = time.monotonic() + 10
    while not queue.count and time.monotonic() < deadline:
        time.sleep(0.1)
        scheduler.enqueue_scheduled_jobs()
    scheduler.release_locks()
    work(connection, queue)
    assert job.return_value() == 11


def batches(connection, queue):
    jobs = queue.enqueue_many([Queue.prepare_data(tasks.add, (i, 1)) for i in range(20)])
    jobs[3].cancel()
    work(connection, queue)
    done = [job.return_value() for job in jobs]
    assert done == [None if i == 3 else i + 1 for i in range(20)], done


def needs_scripts(connection, queue):
    queue.enqueue(tasks.add, 1, 1)
    lacks_scripts(queue.empty)


def lacks_scripts(call):
    try:
        call()
    except redis.ResponseError as error:
        assert "unknown command 'EVALSHA'" in str(error), error
    else:
        raise AssertionError("scripts work: this can be tested now")


if __name__ == "__main__":
    main(int(sys.argv[1]))
