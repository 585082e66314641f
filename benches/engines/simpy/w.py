"""One workload in SimPy, in the manner of its documentation: a process for each request, a Resource for each task.

Arguments: round_robin or least_outstanding, first_come or sharing, tasks, workers, requests a second, mean service in
seconds, requests, batches, seed. Prints the CPU seconds and the batch means in ms.
Without arguments it prints the versions of SimPy and Python.
"""

import platform
import random
import sys
import time

import simpy


class Router:
    """The balancer's choice; of several with the fewest in flight, the first in turn."""

    def __init__(self, balancing, tasks):
        self.is_round_robin = balancing == "round_robin"
        self.turn = 0
        self.outstanding = [0] * tasks

    def choose(self):
        task = self.turn
        if not self.is_round_robin:
            least = min(self.outstanding)
            try:
                task = self.outstanding.index(least, task)
            except ValueError:
                task = self.outstanding.index(least)
        self.outstanding[task] += 1
        self.turn = (task + 1) % len(self.outstanding)
        return task

    def answered(self, task):
        self.outstanding[task] -= 1


class Processor:
    """Jobs that share `workers` processors, each job at most one. SimPy cannot withdraw a timeout: it is passed over."""

    def __init__(self, env, workers):
        self.env = env
        self.workers = workers
        self.attained = 0.0
        self.at = 0.0
        self.jobs = []
        self.timeout = None

    def serve(self, service):
        """An event that succeeds when `service` is done."""
        done = self.env.event()
        self.pass_time()
        self.jobs.append((self.attained + service, self.env.now, done))
        self.expect()
        return done

    def rate(self):
        return min(1.0, self.workers / len(self.jobs))

    def pass_time(self):
        if self.jobs:
            self.attained += (self.env.now - self.at) * self.rate()
        self.at = self.env.now

    def expect(self):
        self.timeout = None
        if self.jobs:
            delay = max(0.0, (min(self.jobs)[0] - self.attained) / self.rate())
            self.timeout = self.env.timeout(delay)
            self.timeout.callbacks.append(self.depart)

    def depart(self, timeout):
        if timeout is not self.timeout:
            return
        self.pass_time()
        first = min(self.jobs)
        self.jobs.remove(first)
        first[2].succeed()
        self.expect()


def request(env, router, tasks, is_sharing, service, responses):
    arrived = env.now
    chosen = router.choose()
    task = tasks[chosen]
    if is_sharing:
        yield task.serve(service)
    else:
        with task.request() as turn:
            yield turn
            yield env.timeout(service)
    router.answered(chosen)
    responses.append((arrived, env.now - arrived))


def source(env, draw, rate, mean, count, router, tasks, is_sharing, responses):
    for _ in range(count):
        yield env.timeout(draw.expovariate(rate))
        env.process(request(env, router, tasks, is_sharing, draw.expovariate(1.0 / mean), responses))


def main():
    if len(sys.argv) == 1:
        print(simpy.__version__, "on Python", platform.python_version())
        return
    balancing, discipline, *numbers = sys.argv[1:]
    tasks, workers, count, batches, seed = (int(numbers[place]) for place in (0, 1, 4, 5, 6))
    rate, mean = float(numbers[2]), float(numbers[3])
    begin = time.process_time()
    env = simpy.Environment()
    is_sharing = discipline == "sharing"
    station = Processor if is_sharing else simpy.Resource
    stations = [station(env, workers) for _ in range(tasks)]
    responses = []
    router = Router(balancing, tasks)
    env.process(source(env, random.Random(seed), rate, mean, count, router, stations, is_sharing, responses))
    env.run()
    seconds = time.process_time() - begin
    by_batch = [[] for _ in range(batches)]
    length = count / rate / batches
    for arrived, response in responses:
        by_batch[min(int(arrived / length), batches - 1)].append(response)
    means = (1e3 * sum(batch) / len(batch) for batch in by_batch if batch)
    print(seconds, *means)


if __name__ == "__main__":
    main()
