//! An index over container instances: it chooses what [`choose`](super::choose) would, without asking each of them.
//!
//! A set of instances is a row of bits, the instance with the lowest number first. For each kind of requirements the index
//! keeps the set of those that can take such a task, and brings it up to date by asking again about those instances only
//! that have changed since. Every stage of a choice is then a few operations on words of 64 instances: `spread` meets the
//! set with the members of each group, "fewest tasks" with the instances that hold one task of the group, two, and so
//! on, and `binpack` with those that have one amount left, the least first. Where none of the first amounts will do it goes
//! down the binary digits instead, of which there is a row of bits each: the least amount of a set is found from the highest
//! digit down, and those that have it are what remains. Sets keep the order of `choose`'s candidates, so a draw of the same
//! number means the same instance.
//!
//! What a choice costs does not depend on how instances are filled, and memory is small: a bit for each instance and kind
//! of requirements, and for each task group words only where its tasks are.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::aws::task_definition::Reservation;

use super::{Candidate, PlacementStrategy, Resource, SpreadField, TieBreak, attribute};

/// Of so many values of what is left the instances are looked at one value after the other.
const VALUES_TRIED: usize = 16;

/// Instances, their groups and the tasks on them, arranged for [`Index::choose`].
///
/// Instances, task groups and kinds of requirements are known by numbers of the caller's, from 0 and close together.
#[derive(Clone, Debug)]
pub struct Index {
    is_registered: Vec<bool>,
    remaining_cpu_units: Amounts,
    remaining_memory_mib: Amounts,
    fields: Vec<Groups>,
    task_groups: Vec<GroupTasks>,
    /// Tasks on each instance, by task group, in order of the group's number.
    hosted: Vec<Vec<(usize, u32)>>,
    able: Vec<Able>,
    /// Instances that have changed, the latest last; those long ago are forgotten.
    changed: Vec<usize>,
    changes_forgotten: usize,
    /// The instances that are left in the choice under way, and room for others.
    left: Vec<u64>,
    other: Vec<u64>,
}

/// A task to be placed, as the index needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The number of its task group, which `distinctInstance` asks for.
    pub task_group: usize,
    /// The number of the tasks that are counted where it is spread; those of its group, or fewer of them.
    pub counted: usize,
    /// What it reserves.
    pub reservation: &'a Reservation,
    /// The number of its requirements: equal for tasks that the same instances can take, `distinctInstance` aside.
    pub requirements: usize,
    /// The launch's strategies; without any ECS spreads over zones.
    pub strategies: &'a [PlacementStrategy],
    /// Whether `distinctInstance` is among its constraints.
    pub is_distinct_instance: bool,
    /// How ties are broken.
    pub tie_break: TieBreak,
}

/// How much of a resource is left on each instance.
#[derive(Clone, Debug, Default)]
struct Amounts {
    of_instance: Vec<u32>,
    /// Instances by how much is left on them.
    by_value: BTreeMap<u32, SparseBits>,
    /// Instances whose number has a digit, the lowest digit first.
    digits: Vec<Vec<u64>>,
}

/// Instances by the value of what a `spread` goes by.
#[derive(Clone, Debug)]
struct Groups {
    field: SpreadField,
    numbers: BTreeMap<String, usize>,
    members: Vec<SparseBits>,
    of_instance: Vec<Option<usize>>,
}

/// Tasks of one group that are placed and not asked to stop.
#[derive(Clone, Debug, Default)]
struct GroupTasks {
    /// Instances with one task, with two, and so on.
    by_count: Vec<SparseBits>,
    /// By field and group.
    in_group: Vec<Vec<u32>>,
}

/// The instances that can take a task of some requirements.
#[derive(Clone, Debug, Default)]
struct Able {
    bits: Vec<u64>,
    count: usize,
    /// Changes that are in it, of all that ever were; `None` before the first look.
    changes_seen: Option<usize>,
}

/// A row of bits of which only words with a bit are kept, in order.
#[derive(Clone, Debug, Default)]
struct SparseBits {
    places: Vec<u32>,
    words: Vec<u64>,
}

impl Index {
    /// An index without instances, for services that spread over these fields or over zones.
    pub fn new(fields: impl IntoIterator<Item = SpreadField>) -> Index {
        let mut index = Index {
            is_registered: Vec::new(),
            remaining_cpu_units: Amounts::default(),
            remaining_memory_mib: Amounts::default(),
            fields: Vec::new(),
            task_groups: Vec::new(),
            hosted: Vec::new(),
            able: Vec::new(),
            changed: Vec::new(),
            changes_forgotten: 0,
            left: Vec::new(),
            other: Vec::new(),
        };
        for field in std::iter::once(SpreadField::AvailabilityZone).chain(fields) {
            if field != SpreadField::InstanceId && index.fields.iter().all(|it| it.field != field) {
                index.fields.push(Groups {
                    field,
                    numbers: BTreeMap::new(),
                    members: Vec::new(),
                    of_instance: Vec::new(),
                });
            }
        }
        index
    }

    /// An instance is one of the candidates from now on, or its attributes have changed.
    pub fn register(&mut self, it: &Candidate<'_>) {
        let id = it.id;
        if id >= self.is_registered.len() {
            self.is_registered.resize(id + 1, false);
            self.hosted.resize_with(id + 1, Vec::new);
            self.left.resize(words(id + 1), 0);
            self.other.resize(words(id + 1), 0);
        }
        self.leave_groups(id);
        self.is_registered[id] = true;
        for (number, field) in self.fields.iter_mut().enumerate() {
            let group = match &field.field {
                SpreadField::AvailabilityZone => field.group(&it.availability_zone.to_string()),
                SpreadField::Attribute(name) => field.group(attribute(it.facts.attributes, name)),
                SpreadField::InstanceId => unreachable!("an instance is its own group"),
            };
            field.members[group].insert(id);
            field.of_instance.resize(field.of_instance.len().max(id + 1), None);
            field.of_instance[id] = Some(group);
            for &(task_group, tasks) in &self.hosted[id] {
                *self.task_groups[task_group].in_group(number, group) += tasks;
            }
        }
        self.change(id, it.remaining_cpu_units, it.remaining_memory_mib);
    }

    /// An instance is a candidate no more; its tasks count no more, and are forgotten.
    pub fn deregister(&mut self, id: usize) {
        if !self.is_registered(id) {
            return;
        }
        self.leave_groups(id);
        self.is_registered[id] = false;
        for (task_group, tasks) in std::mem::take(&mut self.hosted[id]) {
            self.task_groups[task_group].by_count[tasks as usize - 1].remove(id);
        }
        self.note_change(id);
    }

    /// Whether an instance is one of the candidates.
    pub fn is_registered(&self, id: usize) -> bool {
        self.is_registered.get(id).is_some_and(|it| *it)
    }

    /// Something has changed of a registered instance that decides what it can take. So much is left on it.
    pub fn change(&mut self, id: usize, remaining_cpu_units: u32, remaining_memory_mib: u32) {
        self.remaining_cpu_units.set(id, remaining_cpu_units);
        self.remaining_memory_mib.set(id, remaining_memory_mib);
        self.note_change(id);
    }

    /// Tasks of a group that are on a registered instance and not asked to stop.
    pub fn tasks(&self, task_group: usize, id: usize) -> u32 {
        self.hosted[id].binary_search_by_key(&task_group, |it| it.0).map_or(0, |place| self.hosted[id][place].1)
    }

    /// Services with tasks on a registered instance, in order, and how many.
    pub fn hosted(&self, id: usize) -> &[(usize, u32)] {
        &self.hosted[id]
    }

    /// So many tasks of a group are on a registered instance and not asked to stop.
    pub fn set_tasks(&mut self, task_group: usize, id: usize, tasks: u32) {
        if task_group >= self.task_groups.len() {
            self.task_groups.resize_with(task_group + 1, GroupTasks::default);
        }
        let hosted = &mut self.hosted[id];
        let before = match hosted.binary_search_by_key(&task_group, |it| it.0) {
            Ok(place) if tasks == 0 => hosted.remove(place).1,
            Ok(place) => std::mem::replace(&mut hosted[place].1, tasks),
            Err(_) if tasks == 0 => 0,
            Err(place) => {
                hosted.insert(place, (task_group, tasks));
                0
            }
        };
        let of_group = &mut self.task_groups[task_group];
        if before > 0 {
            of_group.by_count[before as usize - 1].remove(id);
        }
        if tasks > 0 {
            let enough = of_group.by_count.len().max(tasks as usize);
            of_group.by_count.resize_with(enough, SparseBits::default);
            of_group.by_count[tasks as usize - 1].insert(id);
        }
        for (number, field) in self.fields.iter().enumerate() {
            if let Some(group) = field.of_instance[id] {
                let all = of_group.in_group(number, group);
                *all = *all + tasks - before;
            }
        }
    }

    /// The instance that a task goes to; `None` where none can take it.
    ///
    /// `can_take` tells of an instance whether it can take a task of these requirements, `distinctInstance` aside. `draw`
    /// gives a number below its argument, and is asked as often as by [`choose`](super::choose), for the same numbers.
    ///
    /// # Panics
    /// When a strategy spreads over an attribute of which [`Index::new`] was not told.
    pub fn choose(
        &mut self,
        request: &Request<'_>,
        can_take: &mut dyn FnMut(usize) -> bool,
        draw: &mut dyn FnMut(usize) -> usize,
    ) -> Option<usize> {
        self.bring_up_to_date(request.requirements, can_take);
        let able = &self.able[request.requirements];
        if able.count == 0 {
            return None;
        }
        self.left.copy_from_slice(&able.bits);
        let last = request.task_group.max(request.counted);
        if self.task_groups.len() <= last {
            self.task_groups.resize_with(last + 1, GroupTasks::default);
        }
        if request.is_distinct_instance {
            for holding in &self.task_groups[request.task_group].by_count {
                holding.take_from(&mut self.left);
            }
            if self.left.iter().all(|it| *it == 0) {
                return None;
            }
        }
        let by_default = [PlacementStrategy::Spread(SpreadField::AvailabilityZone)];
        for strategy in if request.strategies.is_empty() { &by_default } else { request.strategies } {
            match strategy {
                PlacementStrategy::Spread(SpreadField::InstanceId) => self.keep_fewest_tasks(request.counted),
                PlacementStrategy::Spread(field) => self.keep_emptiest_groups(request.counted, field),
                PlacementStrategy::Binpack(Resource::Cpu) => {
                    let need = request.reservation.cpu_units;
                    self.remaining_cpu_units.keep_least(need, &mut self.left, &mut self.other);
                }
                PlacementStrategy::Binpack(Resource::Memory) => {
                    let need = request.reservation.memory_mib;
                    self.remaining_memory_mib.keep_least(need, &mut self.left, &mut self.other);
                }
                PlacementStrategy::Random => {
                    let chosen = nth(&self.left, draw(count(&self.left)));
                    self.left.fill(0);
                    self.left[chosen / 64] = 1 << (chosen % 64);
                }
            }
        }
        self.keep_fewest_tasks(request.counted);
        Some(match (only(&self.left), request.tie_break) {
            (Some(chosen), _) => chosen,
            (None, TieBreak::Lexical) => nth(&self.left, 0),
            (None, TieBreak::Random) => nth(&self.left, draw(count(&self.left))),
        })
    }

    fn note_change(&mut self, id: usize) {
        // Requirements that were not asked for in so many changes are looked at anew.
        if self.changed.len() >= 2 * self.is_registered.len().max(64) {
            let forgotten = self.changed.len() / 2;
            self.changed.drain(..forgotten);
            self.changes_forgotten += forgotten;
        }
        self.changed.push(id);
    }

    /// Asks about the instances that have changed since these requirements were last asked for.
    fn bring_up_to_date(&mut self, requirements: usize, can_take: &mut dyn FnMut(usize) -> bool) {
        if self.able.len() <= requirements {
            self.able.resize_with(requirements + 1, Able::default);
        }
        let able = &mut self.able[requirements];
        able.bits.resize(self.left.len(), 0);
        let instances = self.is_registered.len();
        let seen = able.changes_seen.and_then(|seen| seen.checked_sub(self.changes_forgotten));
        let mut look = |id: usize| able.set(id, self.is_registered[id] && can_take(id));
        match seen {
            Some(seen) if self.changed.len() - seen < instances => self.changed[seen..].iter().for_each(|&it| look(it)),
            _ => (0..instances).for_each(look),
        }
        able.changes_seen = Some(self.changes_forgotten + self.changed.len());
    }

    /// Groups are counted over all instances; only those with an instance that is left can be chosen.
    fn keep_emptiest_groups(&mut self, task_group: usize, field: &SpreadField) {
        let number = self.fields.iter().position(|it| it.field == *field).expect("the index was told of the field");
        let none = Vec::new();
        let tasks = self.task_groups[task_group].in_group.get(number).unwrap_or(&none);
        let mut least = u32::MAX;
        for (group, members) in self.fields[number].members.iter().enumerate() {
            let tasks = tasks.get(group).copied().unwrap_or(0);
            if tasks > least || !members.meets(&self.left) {
                continue;
            }
            if tasks < least {
                least = tasks;
                self.other.fill(0);
            }
            members.add_common(&self.left, &mut self.other);
        }
        std::mem::swap(&mut self.left, &mut self.other);
    }

    fn keep_fewest_tasks(&mut self, task_group: usize) {
        if only(&self.left).is_some() {
            return;
        }
        let by_count = &self.task_groups[task_group].by_count;
        self.other.copy_from_slice(&self.left);
        for holding in by_count {
            holding.take_from(&mut self.other);
        }
        if self.other.iter().any(|it| *it != 0) {
            std::mem::swap(&mut self.left, &mut self.other);
        } else if let Some(fewest) = by_count.iter().find(|it| it.meets(&self.left)) {
            fewest.keep_in(&mut self.left, &mut self.other);
        }
    }

    fn leave_groups(&mut self, id: usize) {
        for (number, field) in self.fields.iter_mut().enumerate() {
            let Some(group) = field.of_instance.get_mut(id).and_then(Option::take) else { continue };
            field.members[group].remove(id);
            for &(task_group, tasks) in &self.hosted[id] {
                *self.task_groups[task_group].in_group(number, group) -= tasks;
            }
        }
    }
}

impl Groups {
    fn group(&mut self, value: &str) -> usize {
        if let Some(&group) = self.numbers.get(value) {
            return group;
        }
        self.members.push(SparseBits::default());
        self.numbers.insert(value.to_owned(), self.members.len() - 1);
        self.members.len() - 1
    }
}

impl GroupTasks {
    fn in_group(&mut self, field: usize, group: usize) -> &mut u32 {
        if self.in_group.len() <= field {
            self.in_group.resize_with(field + 1, Vec::new);
        }
        let groups = &mut self.in_group[field];
        if groups.len() <= group {
            groups.resize(group + 1, 0);
        }
        &mut groups[group]
    }
}

impl Able {
    fn set(&mut self, id: usize, can_take: bool) {
        let word = &mut self.bits[id / 64];
        let could = *word >> (id % 64) & 1 == 1;
        *word = *word & !(1 << (id % 64)) | u64::from(can_take) << (id % 64);
        self.count = self.count + usize::from(can_take) - usize::from(could);
    }
}

impl Amounts {
    fn set(&mut self, id: usize, value: u32) {
        if id >= self.of_instance.len() {
            self.of_instance.resize(id + 1, 0);
        }
        let before = std::mem::replace(&mut self.of_instance[id], value);
        if let Some(same) = self.by_value.get_mut(&before) {
            same.remove(id);
            if same.places.is_empty() {
                self.by_value.remove(&before);
            }
        }
        self.by_value.entry(value).or_default().insert(id);
        let mut differing = before ^ value;
        while differing != 0 {
            let digit = differing.trailing_zeros() as usize;
            differing &= differing - 1;
            if digit >= self.digits.len() {
                self.digits.resize_with(digit + 1, Vec::new);
            }
            let row = &mut self.digits[digit];
            if row.len() <= id / 64 {
                row.resize(id / 64 + 1, 0);
            }
            row[id / 64] ^= 1 << (id % 64);
        }
    }

    /// Keeps the instances that have least left; all of them have at least `need`.
    ///
    /// The least value is nearly always among the first. Where much is left of this resource on instances that are short of
    /// another it may not be: then by the digits, whose number bounds the work.
    fn keep_least(&self, need: u32, left: &mut Vec<u64>, other: &mut Vec<u64>) {
        for same in self.by_value.range(need..).take(VALUES_TRIED).map(|it| it.1) {
            if same.meets(left) {
                same.keep_in(left, other);
                return;
            }
        }
        for row in self.digits.iter().rev() {
            let mut any = 0;
            for (place, word) in left.iter().enumerate() {
                other[place] = word & !row.get(place).copied().unwrap_or(0);
                any |= other[place];
            }
            if any != 0 {
                std::mem::swap(left, other);
            }
        }
    }
}

impl SparseBits {
    fn insert(&mut self, id: usize) {
        let (place, bit) = ((id / 64) as u32, 1 << (id % 64));
        match self.places.binary_search(&place) {
            Ok(at) => self.words[at] |= bit,
            Err(at) => {
                self.places.insert(at, place);
                self.words.insert(at, bit);
            }
        }
    }

    fn remove(&mut self, id: usize) {
        if let Ok(at) = self.places.binary_search(&((id / 64) as u32)) {
            self.words[at] &= !(1 << (id % 64));
            if self.words[at] == 0 {
                self.places.remove(at);
                self.words.remove(at);
            }
        }
    }

    /// The words' places, where none is left out between them: then they can be met one by one.
    fn run(&self) -> Option<Range<usize>> {
        let (first, last) = (*self.places.first()? as usize, *self.places.last()? as usize);
        (last - first + 1 == self.places.len()).then_some(first..last + 1)
    }

    fn entries(&self) -> impl Iterator<Item = (usize, u64)> {
        self.places.iter().zip(&self.words).map(|(place, word)| (*place as usize, *word))
    }

    fn meets(&self, bits: &[u64]) -> bool {
        self.entries().any(|(place, word)| bits[place] & word != 0)
    }

    /// Adds to `sum` what these have in common with `bits`.
    fn add_common(&self, bits: &[u64], sum: &mut [u64]) {
        if let Some(run) = self.run() {
            for ((sum, bits), word) in sum[run.clone()].iter_mut().zip(&bits[run]).zip(&self.words) {
                *sum |= bits & word;
            }
        } else {
            self.entries().for_each(|(place, word)| sum[place] |= bits[place] & word);
        }
    }

    /// Keeps of `bits` what is among these; `other` is room for it.
    fn keep_in(&self, bits: &mut Vec<u64>, other: &mut Vec<u64>) {
        other.fill(0);
        self.add_common(bits, other);
        std::mem::swap(bits, other);
    }

    fn take_from(&self, bits: &mut [u64]) {
        if let Some(run) = self.run() {
            bits[run].iter_mut().zip(&self.words).for_each(|(bits, word)| *bits &= !word);
        } else {
            self.entries().for_each(|(place, word)| bits[place] &= !word);
        }
    }
}

fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}

fn count(bits: &[u64]) -> usize {
    bits.iter().map(|it| it.count_ones() as usize).sum()
}

/// The place of the bit where there is one and no other.
fn only(bits: &[u64]) -> Option<usize> {
    let first = bits.iter().position(|it| *it != 0)?;
    let is_alone = bits[first].is_power_of_two() && bits[first + 1..].iter().all(|it| *it == 0);
    is_alone.then(|| first * 64 + bits[first].trailing_zeros() as usize)
}

/// The place of the bit that has `before` others before it.
fn nth(bits: &[u64], mut before: usize) -> usize {
    for (place, &word) in bits.iter().enumerate() {
        let ones = word.count_ones() as usize;
        if before < ones {
            let rest = (0..before).fold(word, |rest, _| rest & (rest - 1));
            return place * 64 + rest.trailing_zeros() as usize;
        }
        before -= ones;
    }
    unreachable!("a draw is below the number of instances that are left")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::aws::cluster_query::{Expression, InstanceFacts, Version};
    use crate::aws::placement::{PlacementConstraint, choose, failure};
    use crate::aws::task_definition::{CpuArchitecture, Protocol, Reservation};

    static AGENT: LazyLock<Version> = LazyLock::new(|| Version::parse("1.105.1").expect("a version"));
    const GROUPS: [&str; 3] = ["service:a", "service:b", "service:c"];

    /// An instance as the cluster would keep it.
    #[derive(Clone, Debug)]
    struct Host {
        zone: usize,
        attributes: Vec<(String, String)>,
        architecture: CpuArchitecture,
        provider: usize,
        registered: bool,
        active: bool,
        connected: bool,
        cpu: u32,
        memory: u32,
        interfaces: u32,
        gpus: u32,
        ports: BTreeMap<(Protocol, u16), u32>,
        /// Tasks not asked to stop, by service.
        tasks: [u32; 3],
        groups: Vec<&'static str>,
    }

    #[derive(Clone, Debug)]
    struct Service {
        reservation: Reservation,
        architecture: Option<CpuArchitecture>,
        provider: Option<usize>,
        /// The zones of its subnets, where it has some.
        zones: Option<[bool; 3]>,
        strategies: Vec<PlacementStrategy>,
        constraints: Vec<PlacementConstraint>,
    }

    #[derive(Clone, Debug)]
    enum Change {
        Arrive(Host),
        Leave(usize),
        Drain(usize),
        Disconnect(usize),
        Relabel(usize, String),
        Place(usize),
        Stop(usize),
        Release(usize),
    }

    struct Placed {
        service: usize,
        instance: usize,
        is_asked_to_stop: bool,
    }

    fn host() -> impl Strategy<Value = Host> {
        let size = prop_oneof![Just((2048, 4096)), Just((1024, 8192)), (0u32..3000, 0u32..9000)];
        (0usize..3, 0usize..3, 0usize..2, any::<bool>(), size, 0u32..4, 0u32..3).prop_map(
            |(zone, disk, provider, arm, (cpu, memory), interfaces, gpus)| Host {
                zone,
                attributes: (disk < 2)
                    .then(|| ("disk".to_owned(), ["hdd", "ssd"][disk].to_owned()))
                    .into_iter()
                    .collect(),
                architecture: if arm { CpuArchitecture::Arm64 } else { CpuArchitecture::X86_64 },
                provider,
                registered: true,
                active: true,
                connected: true,
                cpu,
                memory,
                interfaces,
                gpus,
                ports: BTreeMap::new(),
                tasks: [0; 3],
                groups: Vec::new(),
            },
        )
    }

    fn strategy() -> impl Strategy<Value = PlacementStrategy> {
        prop_oneof![
            Just(PlacementStrategy::Spread(SpreadField::AvailabilityZone)),
            Just(PlacementStrategy::Spread(SpreadField::InstanceId)),
            Just(PlacementStrategy::Spread(SpreadField::Attribute("disk".to_owned()))),
            Just(PlacementStrategy::Binpack(Resource::Cpu)),
            Just(PlacementStrategy::Binpack(Resource::Memory)),
            Just(PlacementStrategy::Random),
        ]
    }

    fn service() -> impl Strategy<Value = Service> {
        let expression = prop_oneof![
            Just("attribute:disk == ssd"),
            Just("not(task:group == service:b)"),
            Just("task:group == service:a or runningTasksCount < 2"),
            Just("attribute:disk exists"),
        ];
        let constraint = prop_oneof![
            Just(PlacementConstraint::DistinctInstance),
            expression.prop_map(|it| PlacementConstraint::MemberOf(Expression::parse(it).expect(it))),
        ];
        (
            (
                (0u32..600, 1u32..1500, prop::option::weighted(0.2, Just((Protocol::Tcp, 80))), 0u32..2),
                prop_oneof![4 => Just(0u32), 1 => 1u32..3],
                prop::option::weighted(0.2, prop::array::uniform3(any::<bool>())),
            ),
            prop::option::weighted(0.3, Just(CpuArchitecture::Arm64)),
            prop::option::weighted(0.3, 0usize..2),
            prop::collection::vec(strategy(), 0..6),
            prop::collection::vec(constraint, 0..3),
        )
            .prop_map(
                |(
                    ((cpu_units, memory_mib, port, network_interfaces), gpus, zones),
                    architecture,
                    provider,
                    strategies,
                    constraints,
                )| {
                    let ports = port.into_iter().collect();
                    Service {
                        reservation: Reservation {
                            cpu_units,
                            memory_mib,
                            ports,
                            network_interfaces,
                            gpus,
                            neuron_devices: 0,
                        },
                        architecture,
                        provider,
                        zones,
                        strategies,
                        constraints,
                    }
                },
            )
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            2 => host().prop_map(Change::Arrive),
            1 => (0usize..200).prop_map(Change::Leave),
            1 => (0usize..200).prop_map(Change::Drain),
            1 => (0usize..200).prop_map(Change::Disconnect),
            1 => (0usize..200, prop_oneof![Just("ssd"), Just("nvme")])
                .prop_map(|(it, disk)| Change::Relabel(it, disk.to_owned())),
            20 => (0usize..3).prop_map(Change::Place),
            4 => (0usize..200).prop_map(Change::Stop),
            4 => (0usize..200).prop_map(Change::Release),
        ]
    }

    fn candidate<'a>(hosts: &'a [Host], id: usize, number: usize, service: Option<&Service>) -> Candidate<'a> {
        let it = &hosts[id];
        Candidate {
            id,
            availability_zone: it.zone,
            facts: InstanceFacts {
                attributes: &it.attributes,
                ec2_instance_id: "i-1",
                agent_connected: it.connected,
                agent_version: &AGENT,
                agent_configuration: None,
                registered_at_unix_nanos: 0,
                running_tasks_count: it.tasks.iter().sum(),
                task_groups: &it.groups,
            },
            remaining_cpu_units: it.cpu,
            remaining_memory_mib: it.memory,
            registered_cpu_units: 4096,
            registered_memory_mib: 16384,
            registered_network_interfaces: 0,
            registered_gpus: 0,
            registered_neuron_devices: 0,
            reserved_ports: &it.ports,
            remaining_network_interfaces: it.interfaces,
            remaining_gpus: it.gpus,
            remaining_neuron_devices: 0,
            subnet_matches: service.and_then(|of| of.zones).is_none_or(|zones| zones[it.zone]),
            is_active: it.active,
            capacity_provider_matches: service.and_then(|of| of.provider).is_none_or(|wanted| wanted == it.provider),
            // Instances of the first provider lack what tasks with GPUs require.
            has_required_attributes: service.is_none_or(|of| of.reservation.gpus == 0 || it.provider != 0),
            cpu_architecture: it.architecture,
            group_tasks: it.tasks[number],
        }
    }

    fn place_both_ways(
        hosts: &[Host],
        index: &mut Index,
        number: usize,
        service: &Service,
        tie_break: TieBreak,
        draws: u64,
    ) -> (Option<usize>, Option<usize>) {
        let stream = std::cell::RefCell::new(crate::rng::Seed { seed: draws, replication: 0 }.stream("ties", ""));
        let asked = std::cell::RefCell::new(Vec::new());
        let draw = |n: usize| {
            asked.borrow_mut().push(n);
            stream.borrow_mut().below(n)
        };
        let candidates: Vec<Candidate> = (0..hosts.len())
            .filter(|&it| hosts[it].registered)
            .map(|it| candidate(hosts, it, number, Some(service)))
            .collect();
        let constraints: Vec<&PlacementConstraint> = service.constraints.iter().collect();
        let (need, architecture, strategies) = (&service.reservation, service.architecture, &service.strategies);
        let naive = choose(need, architecture, strategies, &constraints, &candidates, tie_break, &mut { draw })
            .ok()
            .map(|it| candidates[it].id);
        let asked_by_naive = asked.take();
        stream.replace(crate::rng::Seed { seed: draws, replication: 0 }.stream("ties", ""));
        let others: Vec<&PlacementConstraint> =
            constraints.into_iter().filter(|it| **it != PlacementConstraint::DistinctInstance).collect();
        let request = Request {
            task_group: number,
            counted: number,
            reservation: need,
            requirements: number,
            strategies,
            is_distinct_instance: others.len() < service.constraints.len(),
            tie_break,
        };
        let mut can_take =
            |it| failure(need, architecture, &others, &candidate(hosts, it, number, Some(service))).is_none();
        let indexed = index.choose(&request, &mut can_take, &mut { draw });
        assert_eq!(asked.take(), asked_by_naive, "the same draws");
        (indexed, naive)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_index_chooses_what_the_scan_chooses(
            first in prop::collection::vec(host(), 0..150),
            services in prop::collection::vec(service(), 3),
            changes in prop::collection::vec(change(), 1..150),
            lexical in any::<bool>(),
        ) {
            let tie_break = if lexical { TieBreak::Lexical } else { TieBreak::Random };
            let mut index = Index::new([SpreadField::Attribute("disk".to_owned())]);
            let mut hosts: Vec<Host> = Vec::new();
            let mut tasks: Vec<Placed> = Vec::new();
            for (number, change) in first.into_iter().map(Change::Arrive).chain(changes).enumerate() {
                let touched = match change {
                    Change::Arrive(host) => {
                        hosts.push(host);
                        hosts.len() - 1
                    }
                    Change::Leave(it) | Change::Drain(it) | Change::Disconnect(it) | Change::Relabel(it, _) if hosts.is_empty() => it,
                    Change::Leave(it) => {
                        let it = it % hosts.len();
                        hosts[it].registered = false;
                        it
                    }
                    Change::Drain(it) => {
                        let it = it % hosts.len();
                        hosts[it].active = !hosts[it].active;
                        it
                    }
                    Change::Disconnect(it) => {
                        let it = it % hosts.len();
                        hosts[it].connected = !hosts[it].connected;
                        it
                    }
                    Change::Relabel(it, disk) => {
                        let it = it % hosts.len();
                        hosts[it].attributes = vec![("disk".to_owned(), disk)];
                        it
                    }
                    Change::Place(service) => {
                        let of = &services[service];
                        let (indexed, naive) =
                            place_both_ways(&hosts, &mut index, service, of, tie_break, number as u64);
                        prop_assert_eq!(indexed, naive);
                        let Some(it) = indexed else { continue };
                        let host = &mut hosts[it];
                        host.cpu -= of.reservation.cpu_units;
                        host.memory -= of.reservation.memory_mib;
                        host.interfaces -= of.reservation.network_interfaces;
                        host.gpus -= of.reservation.gpus;
                        host.ports.extend(of.reservation.ports.iter().map(|port| (*port, 1)));
                        host.tasks[service] += 1;
                        host.groups.push(GROUPS[service]);
                        tasks.push(Placed { service, instance: it, is_asked_to_stop: false });
                        it
                    }
                    Change::Stop(it) | Change::Release(it) if tasks.is_empty() => it,
                    Change::Stop(it) => {
                        let place = it % tasks.len();
                        let task = &mut tasks[place];
                        if !std::mem::replace(&mut task.is_asked_to_stop, true) {
                            hosts[task.instance].tasks[task.service] -= 1;
                        }
                        task.instance
                    }
                    Change::Release(it) => {
                        let task = tasks.swap_remove(it % tasks.len());
                        let (host, of) = (&mut hosts[task.instance], &services[task.service].reservation);
                        host.cpu += of.cpu_units;
                        host.memory += of.memory_mib;
                        host.interfaces += of.network_interfaces;
                        host.gpus += of.gpus;
                        host.ports.retain(|port, _| !of.ports.contains(port));
                        host.tasks[task.service] -= u32::from(!task.is_asked_to_stop);
                        let group = host.groups.iter().position(|it| *it == GROUPS[task.service]).expect("it is there");
                        host.groups.remove(group);
                        task.instance
                    }
                };
                let Some(host) = hosts.get(touched) else { continue };
                if !host.registered {
                    index.deregister(touched);
                    continue;
                }
                index.register(&candidate(&hosts, touched, 0, None));
                for service in 0..3 {
                    index.set_tasks(service, touched, host.tasks[service]);
                }
            }
        }
    }

    fn registered(count: usize, cpu: impl Fn(usize) -> u32, memory: impl Fn(usize) -> u32) -> (Vec<Host>, Index) {
        let host = |id: usize| Host {
            zone: id % 3,
            attributes: Vec::new(),
            architecture: CpuArchitecture::X86_64,
            provider: 0,
            registered: true,
            active: true,
            connected: true,
            cpu: cpu(id),
            memory: memory(id),
            interfaces: 1,
            gpus: 0,
            ports: BTreeMap::new(),
            tasks: [0; 3],
            groups: Vec::new(),
        };
        let hosts: Vec<Host> = (0..count).map(host).collect();
        let mut index = Index::new([]);
        for id in 0..hosts.len() {
            index.register(&candidate(&hosts, id, 0, None));
        }
        (hosts, index)
    }

    #[test]
    fn the_least_memory_is_found_behind_many_that_are_short_of_cpu() {
        let (hosts, mut index) =
            registered(500, |id| if id % 100 == 50 { 256 } else { 0 }, |id| 1000 + (id as u32 * 7) % 500);
        let service = Service {
            reservation: Reservation { cpu_units: 128, memory_mib: 512, ..Reservation::default() },
            architecture: None,
            provider: None,
            zones: None,
            strategies: vec![PlacementStrategy::Binpack(Resource::Memory)],
            constraints: Vec::new(),
        };
        // 50, 150, 250, 350 and 450 have 1350, 1050, 1250, 1450 and 1150 MiB; there are 50 lesser amounts.
        let chosen = place_both_ways(&hosts, &mut index, 0, &service, TieBreak::Lexical, 0);
        assert_eq!(chosen, (Some(150), Some(150)));
    }

    #[test]
    fn nobody_is_asked_twice_where_nothing_has_changed() {
        let (_, mut index) = registered(100, |_| 1024, |_| 1024);
        let reservation = Reservation::default();
        let request = Request {
            task_group: 0,
            counted: 0,
            reservation: &reservation,
            requirements: 0,
            strategies: &[],
            is_distinct_instance: false,
            tie_break: TieBreak::Lexical,
        };
        let mut asked = Vec::new();
        let mut ask = |index: &mut Index, answer: bool| {
            asked.clear();
            let mut can_take = |it: usize| {
                asked.push(it);
                answer
            };
            (index.choose(&request, &mut can_take, &mut |_| 0), asked.len())
        };
        assert_eq!(ask(&mut index, false), (None, 100));
        assert_eq!(ask(&mut index, true), (None, 0), "a refusal is remembered");
        index.change(7, 1024, 1024);
        assert_eq!(ask(&mut index, true), (Some(7), 1), "until something changes");
    }
}
