//! What makes tasks end where ECS does not say it: found when their checks fail, since it depends on where they are and since when.

use crate::aws::container::lacked_command;
use crate::aws::stop_cause::StopCause;
use crate::aws::task_definition::{NetworkMode, Protocol};
use crate::cluster::Task;
use crate::control::Control;
use crate::table::Id;

impl Control<'_> {
    /// Puts down why a task that has just become unhealthy fails its checks, where that is known: it will be stopped for it.
    pub(super) fn note_why_checks_fail(&mut self, task: Id<Task>) {
        if let Some(cause) = self.why_checks_fail(task) {
            self.records.stop_causes.insert(task, cause);
        }
    }

    fn why_checks_fail(&self, task: Id<Task>) -> Option<StopCause> {
        let row = &self.cluster.tasks[task];
        let definition = self.definition_of(task);
        if self.has_unhealthy_containers(task) {
            let lacked = definition.probed_containers().find_map(|place| {
                let container = &definition.containers[place];
                lacked_command(&container.health_check_command, &container.application.lacked_commands)
            });
            if let Some(command) = lacked {
                return Some(StopCause::LacksCommand(command.to_owned()));
            }
            let check = definition.probed_containers().find_map(|it| definition.containers[it].health_check);
            return check.filter(|_| !row.process_is_up).map(|it| StopCause::StartPeriodTooShort(it.start_period));
        }
        let service = row.service()?;
        let target = &self.cluster.targets[row.target?];
        let group = &self.scenario.target_groups[target.target_group];
        let balancer = &self.scenario.load_balancers[group.load_balancer];
        let zone = self.cluster.zone_of_task(task)?;
        if !balancer.availability_zones.contains(&zone) {
            let availability_zone = self.scenario.availability_zones[zone].name.clone();
            return Some(StopCause::ZoneNotEnabled { load_balancer: balancer.name.clone(), availability_zone });
        }
        if !target.is_reachable {
            return self.security_groups_keep_out(task);
        }
        let grace_period = self.services[service.index()].health_check_grace_period;
        (!row.process_is_up).then_some(StopCause::GracePeriodTooShort(grace_period))
    }

    fn security_groups_keep_out(&self, task: Id<Task>) -> Option<StopCause> {
        let (protocol, port): (Protocol, u16) = self.port_of_target(task)?;
        let groups = self.security_groups_of(task);
        Some(StopCause::SecurityGroups {
            names: groups.iter().map(|it| self.scenario.security_groups[*it].name.clone()).collect(),
            ingress: groups.iter().flat_map(|it| self.scenario.security_groups[*it].ingress.clone()).collect(),
            protocol,
            ports: port..=port,
            is_host_port: self.definition_of(task).network_mode != NetworkMode::Awsvpc,
        })
    }
}
