//! Whether a rolling update can get through in the room there is, thought through before it begins.
//!
//! Follows *Rolling update* in the developer guide (2026): what may stop and what may start are the bounds of the deployment
//! configuration; time plays no part, as every step but the last waits for the one before.

use crate::aws::container_instance::RegisteredResources;
use crate::aws::task_definition::Reservation;

/// What is to be replaced by what.
#[derive(Clone, Debug)]
pub struct RollingUpdate {
    /// Tasks of the new revision that are wanted.
    pub desired: u32,
    /// Healthy tasks that must remain.
    pub lower: u32,
    /// Tasks allowed at once.
    pub upper: u32,
    /// What a task of the new revision reserves.
    pub new: Reservation,
    /// What tasks of older ones do, each kind once; of those on one instance the first kind stops first.
    pub old: Vec<Reservation>,
    /// Whether no two tasks of the service may share an instance, whatever their revisions.
    pub is_distinct_instance: bool,
}

/// An instance on which the new tasks may run, or old ones do.
#[derive(Clone, Debug)]
pub struct Site {
    /// What is free.
    pub available: RegisteredResources,
    /// Whether somebody else has a static host port that the new revision needs.
    pub has_port_taken: bool,
    /// Whether the new revision may run here at all.
    pub takes_new: bool,
    /// Old tasks on it, of each kind.
    pub old_tasks: Vec<u32>,
    /// New tasks on it.
    pub new_tasks: u32,
}

impl Site {
    /// Old tasks on it, of all kinds.
    pub fn all_old_tasks(&self) -> u32 {
        self.old_tasks.iter().sum()
    }

    fn fits(&self, update: &RollingUpdate) -> bool {
        let has_a_port = |old: &Reservation| old.ports.iter().any(|it| update.new.ports.contains(it));
        let by_old = self.old_tasks.iter().zip(&update.old).any(|(count, old)| *count > 0 && has_a_port(old));
        let is_port_free = update.new.ports.is_empty() || !self.has_port_taken && self.new_tasks == 0 && !by_old;
        let is_alone = !update.is_distinct_instance || self.new_tasks + self.all_old_tasks() == 0;
        self.takes_new && is_port_free && is_alone && self.available.lacks(&update.new).is_none()
    }

    /// How many new tasks fit as it stands.
    pub fn room_for(&self, update: &RollingUpdate) -> u32 {
        if self.fits(update) { self.available.tasks(&update.new, update.is_one_an_instance()) } else { 0 }
    }

    fn start(&mut self, update: &RollingUpdate) {
        let it = &mut self.available;
        it.cpu_units -= update.new.cpu_units;
        it.memory_mib -= update.new.memory_mib;
        it.network_interfaces -= update.new.network_interfaces;
        it.gpus -= update.new.gpus;
        it.neuron_devices -= update.new.neuron_devices;
        self.new_tasks += 1;
    }

    fn stop(&mut self, update: &RollingUpdate) {
        let Some(kind) = self.old_tasks.iter().position(|it| *it > 0) else { return };
        self.available = self.available.and(&update.old[kind]);
        self.old_tasks[kind] -= 1;
    }

    /// How many old tasks must stop here before a new one fits; `None` where that is of no use.
    fn stops_needed(&self, update: &RollingUpdate) -> Option<u32> {
        let mut tried = self.clone();
        (0..=self.all_old_tasks()).find(|it| {
            if *it > 0 {
                tried.stop(update);
            }
            tried.fits(update)
        })
    }
}

impl RollingUpdate {
    /// Whether no two new tasks can share an instance.
    pub fn is_one_an_instance(&self) -> bool {
        self.is_distinct_instance || !self.new.ports.is_empty()
    }

    /// The fewest places for one task more that let it get through, where `sites` have no others; `None` where no number does.
    ///
    /// Which of the old tasks stops first is chosen as well as it can be, so fewer would never do.
    pub fn least_spare(&self, sites: &[Site]) -> Option<u32> {
        let cannot_move = self.lower >= self.desired && self.upper <= self.desired;
        let has_old = sites.iter().any(|it| it.all_old_tasks() > 0);
        if cannot_move && has_old && self.desired > 0 {
            return None;
        }
        (0..=self.desired).find(|spare| self.gets_through(sites, *spare))
    }

    fn gets_through(&self, sites: &[Site], mut spare: u32) -> bool {
        let mut sites = sites.to_vec();
        let mut old: u32 = sites.iter().map(Site::all_old_tasks).sum();
        let mut new = 0;
        loop {
            let before = (old, new);
            for site in &mut sites {
                while new < self.desired && new + old < self.upper && site.fits(self) {
                    site.start(self);
                    new += 1;
                }
            }
            let in_spare = spare.min(self.desired - new).min(self.upper.saturating_sub(new + old));
            spare -= in_spare;
            new += in_spare;
            for _ in 0..old.min((old + new).saturating_sub(self.lower)) {
                let with_old = sites.iter_mut().filter(|it| it.all_old_tasks() > 0);
                let best = with_old.min_by_key(|it| it.stops_needed(self).unwrap_or(u32::MAX));
                let Some(site) = best else { break };
                site.stop(self);
                old -= 1;
            }
            if old == 0 && new == self.desired {
                return true;
            }
            if (old, new) == before {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(cpu_units: u32) -> Reservation {
        Reservation { cpu_units, memory_mib: 1, ports: Vec::new(), network_interfaces: 0, gpus: 0, neuron_devices: 0 }
    }

    fn update(desired: u32, bounds: (u32, u32), old: u32, new: u32) -> RollingUpdate {
        RollingUpdate {
            desired,
            lower: bounds.0,
            upper: bounds.1,
            new: reservation(new),
            old: vec![reservation(old)],
            is_distinct_instance: false,
        }
    }

    fn site(cpu_units: u32, old_tasks: u32) -> Site {
        let available = RegisteredResources { cpu_units, memory_mib: 1_000, ..RegisteredResources::default() };
        Site { available, has_port_taken: false, takes_new: true, old_tasks: vec![old_tasks], new_tasks: 0 }
    }

    #[test]
    fn we_49_bounds_that_leave_no_move_need_more_than_room() {
        assert_eq!(update(3, (3, 3), 1, 1).least_spare(&[site(100, 3)]), None);
    }

    #[test]
    fn we_51_to_53_and_55_what_may_stop_first_needs_no_room() {
        assert_eq!(update(6, (6, 12), 1, 1).least_spare(&[site(2, 6)]), Some(0), "room for two");
        assert_eq!(update(6, (6, 12), 1, 1).least_spare(&[site(0, 6)]), Some(1), "each stop gives the next its place");
        assert_eq!(update(4, (2, 4), 1, 1).least_spare(&[site(0, 4)]), Some(0));
        assert_eq!(update(1, (1, 2), 1, 1).least_spare(&[site(0, 1)]), Some(1));
        assert_eq!(update(1, (0, 1), 1, 1).least_spare(&[site(0, 1)]), Some(0));
    }

    #[test]
    fn a_larger_revision_needs_several_to_stop_on_one_instance() {
        // Two old tasks of 1 make room for one new task of 2, which halves what fits.
        assert_eq!(update(4, (2, 8), 1, 2).least_spare(&[site(0, 2), site(0, 2)]), Some(2));
        assert_eq!(update(2, (1, 4), 2, 2).least_spare(&[site(1, 1), site(1, 1)]), Some(0));
        assert_eq!(update(2, (2, 4), 2, 3).least_spare(&[site(1, 1), site(1, 1)]), Some(1));
    }

    #[test]
    fn a_static_port_is_free_only_when_the_old_task_is_gone() {
        let mut update = update(2, (2, 4), 1, 1);
        let port = (crate::aws::task_definition::Protocol::Tcp, 80);
        (update.old[0].ports, update.new.ports) = (vec![port], vec![port]);
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1)]), Some(1));
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1), site(50, 0)]), Some(0));
        update.lower = 1;
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1)]), Some(0));
    }

    #[test]
    fn on_distinct_instances_an_old_task_is_in_the_way() {
        let mut update = update(2, (2, 4), 1, 1);
        update.is_distinct_instance = true;
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1)]), Some(1));
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1), site(50, 0)]), Some(0));
        update.lower = 1;
        assert_eq!(update.least_spare(&[site(50, 1), site(50, 1)]), Some(0));
    }

    #[test]
    fn of_old_tasks_of_several_sizes_each_leaves_its_own_room() {
        let mut update = update(2, (1, 4), 3, 3);
        update.old.push(reservation(1));
        let both = Site { old_tasks: vec![1, 1], ..site(0, 0) };
        assert_eq!(update.least_spare(std::slice::from_ref(&both)), Some(1), "the second one leaves too little");
        assert_eq!(update.least_spare(&[both, site(2, 0)]), Some(1), "and in another place");
    }
}
