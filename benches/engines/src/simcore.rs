//! In simcore, the engine of DSLab: a component for the balancer and one for each task, events between them.
//!
//! After the crate's example `intro-callbacks`. What is answered at once is a direct call, as the crate's documentation
//! advises; only what takes time is an event.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use simcore::{Event, EventHandler, EventId, Simulation, SimulationContext, cast};

use crate::responses::Responses;
use crate::workload::{Departure, Discipline, Request, Requests, Router, Task, Workload};

/// A request comes to the balancer.
#[derive(Clone, Serialize)]
struct Arrival {
    service: u64,
}

/// A server has answered a request.
#[derive(Clone, Serialize)]
struct Answer {
    arrived: u64,
}

/// What the balancer and the servers both see.
struct Board {
    router: Router,
    responses: Responses,
}

struct Balancer {
    requests: Requests,
    servers: Vec<Rc<RefCell<Server>>>,
    board: Rc<RefCell<Board>>,
    context: SimulationContext,
}

impl Balancer {
    fn expect_next(&mut self) {
        if let Some(Request { gap, service }) = self.requests.next() {
            self.context.emit_self(Arrival { service }, gap as f64 * 1e-9);
        }
    }
}

impl EventHandler for Balancer {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Arrival { service } => {
                let task = self.board.borrow_mut().router.choose();
                self.servers[task].borrow_mut().take_in(service);
                self.expect_next();
            }
        })
    }
}

struct Server {
    index: usize,
    task: Task,
    does_replace: bool,
    pending: Option<EventId>,
    board: Rc<RefCell<Board>>,
    context: SimulationContext,
}

impl Server {
    fn take_in(&mut self, service: u64) {
        let next = self.task.arrive(self.now(), service);
        if let (Some(overtaken), true) = (self.pending, self.does_replace) {
            self.context.cancel_event(overtaken);
        }
        self.expect(next);
    }

    fn expect(&mut self, departure: Option<Departure>) {
        self.pending = departure
            .map(|Departure { delay, arrived }| self.context.emit_self(Answer { arrived }, delay as f64 * 1e-9));
    }

    /// The engine's seconds, as nanoseconds.
    fn now(&self) -> u64 {
        (self.context.time() * 1e9).round() as u64
    }
}

impl EventHandler for Server {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Answer { arrived } => {
                let now = self.now();
                let mut board = self.board.borrow_mut();
                board.responses.record(arrived, now);
                board.router.answered(self.index);
                drop(board);
                let next = self.task.depart(now);
                self.expect(next);
            }
        })
    }
}

/// Simulates `count` requests.
pub fn run(workload: &Workload, count: u64, seed: u64) -> Responses {
    let mut simulation = Simulation::new(seed);
    let board = Rc::new(RefCell::new(Board {
        router: Router::new(workload),
        responses: Responses::new(count, workload.rate()),
    }));
    let servers = (0..workload.tasks).map(|index| {
        let name = format!("server {index}");
        let server = Rc::new(RefCell::new(Server {
            index,
            task: Task::new(workload.discipline),
            does_replace: workload.discipline == Discipline::Sharing,
            pending: None,
            board: board.clone(),
            context: simulation.create_context(&name),
        }));
        simulation.add_handler(&name, server.clone());
        server
    });
    let servers = servers.collect();
    let requests = Requests::new(workload, count, seed);
    let context = simulation.create_context("balancer");
    let balancer = Rc::new(RefCell::new(Balancer { requests, servers, board: board.clone(), context }));
    simulation.add_handler("balancer", balancer.clone());
    balancer.borrow_mut().expect_next();
    simulation.step_until_no_events();
    board.borrow().responses.clone()
}
