//! In desque: an event type for each thing that happens, one state that they share, time in whole nanoseconds.
//!
//! After the crate's example `mm1_queue`. An event cannot be withdrawn, so a departure that was overtaken is known by its
//! stamp.

use desque::SimState;
use desque::serial::{OkEvent, Simulation};

use crate::responses::Responses;
use crate::workload::{Departure, Discipline, Request, Requests, Router, Task, Workload};

struct Store {
    requests: Requests,
    router: Router,
    tasks: Vec<Task>,
    /// How often a task's departure was replaced.
    stamps: Vec<u64>,
    does_replace: bool,
    responses: Responses,
}

impl SimState<u64> for Store {}

/// A request comes to the balancer.
#[derive(Debug)]
struct Arrival {
    service: u64,
}

impl Arrival {
    fn schedule(simulation: &mut Simulation<Store, u64>) {
        if let Some(Request { gap, service }) = simulation.state_mut().requests.next() {
            simulation.schedule_with_delay(Arrival { service }, gap).expect("a gap is not negative");
        }
    }
}

impl OkEvent<Store, u64> for Arrival {
    fn execute(&mut self, simulation: &mut Simulation<Store, u64>) {
        let now = *simulation.current_time();
        let store = simulation.state_mut();
        let task = store.router.choose();
        let next = store.tasks[task].arrive(now, self.service);
        Answer::schedule(task, next, simulation);
        Arrival::schedule(simulation);
    }
}

/// A task has answered a request.
#[derive(Debug)]
struct Answer {
    task: usize,
    arrived: u64,
    stamp: u64,
}

impl Answer {
    fn schedule(task: usize, departure: Option<Departure>, simulation: &mut Simulation<Store, u64>) {
        let Some(Departure { delay, arrived }) = departure else { return };
        let store = simulation.state_mut();
        store.stamps[task] += u64::from(store.does_replace);
        let stamp = store.stamps[task];
        simulation.schedule_with_delay(Answer { task, arrived, stamp }, delay).expect("a delay is not negative");
    }
}

impl OkEvent<Store, u64> for Answer {
    fn execute(&mut self, simulation: &mut Simulation<Store, u64>) {
        let now = *simulation.current_time();
        let store = simulation.state_mut();
        if store.stamps[self.task] != self.stamp {
            return;
        }
        store.responses.record(self.arrived, now);
        store.router.answered(self.task);
        let next = store.tasks[self.task].depart(now);
        Answer::schedule(self.task, next, simulation);
    }
}

/// Simulates `count` requests.
pub fn run(workload: &Workload, count: u64, seed: u64) -> Responses {
    let store = Store {
        requests: Requests::new(workload, count, seed),
        router: Router::new(workload),
        tasks: (0..workload.tasks).map(|_| Task::new(workload.discipline)).collect(),
        stamps: vec![0; workload.tasks],
        does_replace: workload.discipline == Discipline::Sharing,
        responses: Responses::new(count, workload.rate()),
    };
    let mut simulation = Simulation::new(store, 0);
    Arrival::schedule(&mut simulation);
    simulation.run().expect("no event fails");
    simulation.state().responses.clone()
}
