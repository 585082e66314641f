//! Health checks, which go through the tasks' queues.

use crate::cluster::{Cluster, Target};
use crate::data::ProbeAnswer;
use crate::data::lane::accounts::{InFlight, Outcome};
use crate::data::lane::{Lane, revision_of, serving_application};
use crate::data::sharing::{Job, JobKind};
use crate::distribution::{Distribution, whole_nanos};
use crate::scenario::Scenario;
use crate::table::Id;
use crate::units::{Instant, Span};
use crate::workload::users::NOBODY;

impl Lane {
    /// Puts a health check into a target's queue.
    pub fn probe(&mut self, scenario: &Scenario, cluster: &Cluster, target: Id<Target>, now: Instant) -> ProbeAnswer {
        self.catch_up(now);
        let task = cluster.targets[target].task;
        let application = serving_application(scenario, revision_of(cluster, task));
        let cpu = application.health_check_cpu_time.sample(&mut self.health_check_stream).0 as f64;
        let Some(&place) = self.station_of_task.get(&task) else { return ProbeAnswer::Refused };
        let arrival = now.0 as f64;
        if self.stations[place].shares_cpu {
            return self.probe_sharing(place, cpu, arrival);
        }
        self.look_after_outlived();
        self.refresh_queues(arrival);
        let station = &mut self.stations[place];
        let row = &mut self.free_at[place * self.stride..][..self.stride];
        let free_at = station.free_at(row);
        if !station.is_up || (free_at > arrival && station.refuses(arrival)) {
            return ProbeAnswer::Refused;
        }
        let start = free_at.max(arrival);
        let end = start + cpu;
        station.takes(arrival, start);
        station.occupy(row, end);
        station.in_flight += 1;
        self.cpu_done[place] += cpu;
        self.in_flight.push(InFlight {
            arrival,
            start,
            cpu_end: end,
            end,
            caller_end: end,
            deadline: f64::INFINITY,
            cpu,
            cpu_counted: cpu,
            place: place as u32,
            user: NOBODY,
            node: 0,
            kind: JobKind::Probe,
            outcome: Outcome::Probe,
            caller_has_ended: true,
            dropped: None,
        });
        ProbeAnswer::After(Span((end - arrival) as u64))
    }

    /// CPU time of a health check of the idle task at a place, nanoseconds, and after how long it is answered; `None` where they differ.
    pub fn constant_probe(&self, scenario: &Scenario, cluster: &Cluster, place: usize) -> Option<(f64, Span)> {
        let station = &self.stations[place];
        let application = serving_application(scenario, revision_of(cluster, station.task));
        let Distribution::Constant(cpu) = application.health_check_cpu_time else { return None };
        if !station.is_up || station.is_throttled {
            return None;
        }
        if !station.shares_cpu {
            return Some((cpu.0 as f64, cpu));
        }
        let vcpu = station.offered_vcpu().min(1.0);
        let lasts = whole_nanos(cpu.0 as f64 / vcpu);
        Some((lasts * vcpu, Span(lasts as u64)))
    }

    pub(super) fn probe_sharing(&mut self, place: usize, cpu: f64, now: f64) -> ProbeAnswer {
        self.run_station(place, now);
        self.stations[place].probe_answered = None;
        let job = Job {
            arrival: now,
            cpu,
            wait: 0.0,
            deadline: f64::INFINITY,
            user: NOBODY,
            node: 0,
            kind: JobKind::Probe,
            caller_has_ended: true,
        };
        let is_taken = self.stations[place].is_up && self.take_job(place, now, job);
        if is_taken { self.foretold(place, now) } else { ProbeAnswer::Refused }
    }

    /// What has come of the health check that a target was sent.
    pub fn probe_answer(&self, cluster: &Cluster, target: Id<Target>, now: Instant) -> ProbeAnswer {
        let Some(&place) = self.station_of_task.get(&cluster.targets[target].task) else { return ProbeAnswer::Refused };
        self.foretold(place, now.0 as f64)
    }

    /// When the health check of a station is answered, if nothing comes before.
    pub(super) fn foretold(&self, place: usize, now: f64) -> ProbeAnswer {
        if self.stations[place].probe_answered.is_some() {
            return ProbeAnswer::Answered;
        }
        match self.sharing[place].foretell_probe() {
            Some(end) => ProbeAnswer::NotBefore(Span((end - now).max(1.0) as u64)),
            None => ProbeAnswer::Refused,
        }
    }
}
