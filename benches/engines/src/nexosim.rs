//! In NeXosim: a model for the balancer and one for each task, joined by ports; a model schedules its own inputs.
//!
//! After the crate's overview and its example `espresso_machine`, which withdraws events by their keys. One thread: the
//! models do too little between messages to share.

use std::time::Duration;

use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::{EventSinkReader, Output, SinkState, event_slot};
use nexosim::simulation::{EventKey, Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};

use crate::responses::Responses;
use crate::workload::{Departure, Discipline, Request, Requests, Router, Task, Workload};

/// Nanoseconds since the simulation began.
fn nanos(time: MonotonicTime) -> u64 {
    time.duration_since(MonotonicTime::EPOCH).as_nanos() as u64
}

/// The load balancer, which makes the requests and counts the responses too.
#[derive(Serialize, Deserialize)]
struct Balancer {
    /// Service time of a request, to each server -- output ports.
    servers: Vec<Output<u64>>,
    /// All responses, after the last -- output port.
    finished: Output<Responses>,
    requests: Requests,
    count: u64,
    router: Router,
    responses: Responses,
}

#[Model]
impl Balancer {
    /// Awaits the first request.
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        self.expect_next(context);
    }

    fn expect_next(&mut self, context: &Context<Self>) {
        if let Some(Request { gap, service }) = self.requests.next() {
            context
                .schedule_event(Duration::from_nanos(gap), schedulable!(Self::request), service)
                .expect("a gap is not nothing");
        }
    }

    /// A request comes.
    #[nexosim(schedulable)]
    async fn request(&mut self, service: u64, context: &Context<Self>) {
        let server = self.router.choose();
        self.servers[server].send(service).await;
        self.expect_next(context);
    }

    /// Server and arrival of a request that was answered -- input port.
    async fn answered(&mut self, (server, arrived): (usize, u64), context: &Context<Self>) {
        self.router.answered(server);
        self.responses.record(arrived, nanos(context.time()));
        if self.responses.count == self.count {
            self.finished.send(self.responses.clone()).await;
        }
    }
}

/// A task.
#[derive(Serialize, Deserialize)]
struct Server {
    /// Server and arrival of a request that was answered -- output port.
    answered: Output<(usize, u64)>,
    index: usize,
    task: Task,
    does_replace: bool,
    pending: Option<EventKey>,
}

#[Model]
impl Server {
    /// Service time of a request -- input port.
    async fn take_in(&mut self, service: u64, context: &Context<Self>) {
        if let Some(departure) = self.task.arrive(nanos(context.time()), service) {
            self.expect(departure, context);
        }
    }

    fn expect(&mut self, Departure { delay, arrived }: Departure, context: &Context<Self>) {
        let delay = Duration::from_nanos(delay);
        let answer = schedulable!(Self::answer);
        if !self.does_replace {
            return context.schedule_event(delay, answer, arrived).expect("a delay is not nothing");
        }
        let key = context.schedule_keyed_event(delay, answer, arrived).expect("a delay is not nothing");
        if let Some(overtaken) = self.pending.replace(key) {
            overtaken.cancel();
        }
    }

    /// A request is done.
    #[nexosim(schedulable)]
    async fn answer(&mut self, arrived: u64, context: &Context<Self>) {
        self.pending = None;
        self.answered.send((self.index, arrived)).await;
        if let Some(departure) = self.task.depart(nanos(context.time())) {
            self.expect(departure, context);
        }
    }
}

/// Simulates `count` requests.
pub fn run(workload: &Workload, count: u64, seed: u64) -> Responses {
    let mut balancer = Balancer {
        servers: Vec::new(),
        finished: Output::default(),
        requests: Requests::new(workload, count, seed),
        count,
        router: Router::new(workload),
        responses: Responses::new(count, workload.rate()),
    };
    let balancer_mailbox = Mailbox::new();
    let mut bench = SimInit::with_num_threads(1);
    for index in 0..workload.tasks {
        let mut server = Server {
            answered: Output::default(),
            index,
            task: Task::new(workload.discipline),
            does_replace: workload.discipline == Discipline::Sharing,
            pending: None,
        };
        let mailbox = Mailbox::new();
        let mut output = Output::default();
        output.connect(Server::take_in, &mailbox);
        balancer.servers.push(output);
        server.answered.connect(Balancer::answered, &balancer_mailbox);
        bench = bench.add_model(server, mailbox, &format!("server {index}"));
    }
    let (sink, mut finished) = event_slot(SinkState::Enabled);
    balancer.finished.connect_sink(sink);
    let bench = bench.add_model(balancer, balancer_mailbox, "balancer");
    let mut simulation = bench.init(MonotonicTime::EPOCH).expect("the bench is whole");
    simulation.run().expect("no model fails");
    finished.try_read().expect("the last response was counted")
}
