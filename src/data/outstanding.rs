//! How many requests each target has outstanding, and which has the fewest, at each load balancer node.

/// The requests that a load balancer's nodes wait for, over the targets of a rotation.
///
/// A node knows its own requests only. Of the targets with the fewest it takes the first at or after its turn.
#[derive(Clone, Debug)]
pub struct Outstanding {
    nodes: Vec<Levels>,
    ends: Calendar,
}

impl Outstanding {
    /// Nothing is outstanding.
    pub fn new(nodes: usize, targets: usize) -> Outstanding {
        Outstanding { nodes: vec![Levels::new(targets); nodes], ends: Calendar::new() }
    }

    /// Forgets those that end by `now`.
    #[inline(always)]
    pub fn pass(&mut self, now: f64) {
        let Outstanding { nodes, ends } = self;
        ends.take_until(now, |node, target| nodes[node].lower(target));
    }

    /// The target with the fewest of a node's requests, the first at or after `turn`.
    #[inline(always)]
    pub fn fewest(&self, node: usize, turn: usize) -> usize {
        self.nodes[node].first_of_lowest(turn)
    }

    /// A node sends a request to a target, and waits for it until `end`.
    #[inline(always)]
    pub fn send(&mut self, node: usize, target: usize, end: f64) {
        self.nodes[node].raise(target);
        self.ends.put(end, node, target);
    }

    /// Makes ready for requests that come so many nanoseconds apart, in the mean.
    pub fn expect(&mut self, gap: f64) {
        self.ends.expect(gap);
    }
}

/// Counts of targets, and for each count who has it.
#[derive(Clone, Debug)]
struct Levels {
    counts: Vec<u32>,
    /// Words of a row.
    words: usize,
    /// A row of bits for each count, a bit for each target.
    members: Vec<u64>,
    /// How many have each count.
    sizes: Vec<u32>,
    lowest: usize,
}

impl Levels {
    fn new(targets: usize) -> Levels {
        let words = targets.div_ceil(64).max(1);
        let mut levels =
            Levels { counts: vec![0; targets], words, members: vec![0; 8 * words], sizes: vec![0; 8], lowest: 0 };
        (0..targets).for_each(|it| levels.members[it / 64] |= 1 << (it % 64));
        levels.sizes[0] = targets as u32;
        levels
    }

    #[inline(always)]
    fn first_of_lowest(&self, turn: usize) -> usize {
        let row = &self.members[self.lowest * self.words..(self.lowest + 1) * self.words];
        if let [word] = row {
            let after = word >> turn;
            return if after == 0 { word.trailing_zeros() as usize } else { turn + after.trailing_zeros() as usize };
        }
        let (first, inside) = (turn / 64, turn % 64);
        let after = (row[first] >> inside) << inside;
        if after != 0 {
            return first * 64 + after.trailing_zeros() as usize;
        }
        let found = (first + 1..self.words).chain(0..=first).find(|it| row[*it] != 0);
        let word = found.unwrap_or(0);
        word * 64 + row[word].trailing_zeros() as usize
    }

    #[inline(always)]
    fn raise(&mut self, target: usize) {
        let count = self.counts[target] as usize;
        if count + 1 == self.sizes.len() {
            self.grow();
        }
        self.counts[target] += 1;
        self.moves(target, count, count + 1);
        if self.sizes[self.lowest] == 0 {
            self.lowest += 1;
        }
    }

    #[inline(always)]
    fn lower(&mut self, target: usize) {
        let count = self.counts[target] as usize;
        self.counts[target] -= 1;
        self.moves(target, count, count - 1);
        self.lowest = self.lowest.min(count - 1);
    }

    #[inline(always)]
    fn moves(&mut self, target: usize, from: usize, to: usize) {
        let (word, bit) = (target / 64, 1 << (target % 64));
        self.members[from * self.words + word] ^= bit;
        self.members[to * self.words + word] ^= bit;
        self.sizes[from] -= 1;
        self.sizes[to] += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let rows = 2 * self.sizes.len();
        self.members.resize(rows * self.words, 0);
        self.sizes.resize(rows, 0);
    }
}

const NONE: u32 = u32::MAX;

/// When requests end, in buckets of time; within a bucket in no order, since counts fall by one whoever goes first.
#[derive(Clone, Debug)]
struct Calendar {
    entries: Vec<Entry>,
    /// The first entry that is free.
    free: u32,
    /// The first entry of each bucket; a bucket serves again a whole round later.
    heads: Vec<u32>,
    len: usize,
    /// Buckets in a nanosecond.
    speed: f64,
    /// The number of the bucket that time stands in, counted from the start of the run.
    now: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: f64,
    node: u16,
    next: u32,
    target: u32,
}

impl Calendar {
    fn new() -> Calendar {
        // Buckets of a millisecond, until more is known.
        Calendar { entries: Vec::new(), free: NONE, heads: vec![NONE; 64], len: 0, speed: 1e-6, now: 0 }
    }

    #[inline(always)]
    fn bucket(&self, at: f64) -> u64 {
        (at * self.speed) as u64
    }

    #[inline(always)]
    fn put(&mut self, at: f64, node: usize, target: usize) {
        if self.len * 4 > self.heads.len() {
            self.rebuild(self.heads.len() * 8, self.speed);
        }
        self.len += 1;
        // What ends in a bucket that time has reached is looked for in the present one.
        let bucket = self.bucket(at).max(self.now) as usize & (self.heads.len() - 1);
        let entry = Entry { at, node: node as u16, next: self.heads[bucket], target: target as u32 };
        let place = self.free;
        if place == NONE {
            self.heads[bucket] = self.entries.len() as u32;
            self.entries.push(entry);
        } else {
            self.heads[bucket] = place;
            self.free = self.entries[place as usize].next;
            self.entries[place as usize] = entry;
        }
    }

    #[inline(always)]
    fn take_until(&mut self, now: f64, mut ended: impl FnMut(usize, usize)) {
        let last = self.bucket(now);
        let rounds = self.heads.len() as u64;
        if last - self.now > rounds {
            // A long silence: every bucket once is enough.
            self.now = last - rounds;
        }
        loop {
            let bucket = self.now as usize & (self.heads.len() - 1);
            let mut before = NONE;
            let mut place = self.heads[bucket];
            while place != NONE {
                let Entry { at, node, next, target } = self.entries[place as usize];
                if at <= now {
                    ended(node as usize, target as usize);
                    self.len -= 1;
                    if before == NONE {
                        self.heads[bucket] = next;
                    } else {
                        self.entries[before as usize].next = next;
                    }
                    self.entries[place as usize].next = self.free;
                    self.free = place;
                } else {
                    before = place;
                }
                place = next;
            }
            if self.now == last {
                return;
            }
            self.now += 1;
        }
    }

    fn expect(&mut self, gap: f64) {
        let wanted = 1.0 / gap.max(1.0);
        if wanted > 2.0 * self.speed || wanted < 0.5 * self.speed {
            self.rebuild(self.heads.len(), wanted);
        }
    }

    #[cold]
    fn rebuild(&mut self, buckets: usize, speed: f64) {
        let mut left: Vec<Entry> = Vec::with_capacity(self.len);
        for &head in &self.heads {
            let mut place = head;
            while place != NONE {
                left.push(self.entries[place as usize]);
                place = self.entries[place as usize].next;
            }
        }
        // The instant at which the present bucket begins, in buckets of the new width.
        let now = (self.now as f64 / self.speed * speed) as u64;
        *self = Calendar { entries: Vec::new(), free: NONE, heads: vec![NONE; buckets], len: 0, speed, now };
        self.entries.reserve(left.len() * 2);
        left.into_iter().for_each(|it| self.put(it.at, it.node as usize, it.target as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Counts and ends kept plainly.
    #[test]
    fn the_fewest_are_the_fewest() {
        for (targets, nodes, seed) in [(1, 1, 0), (5, 2, 1), (64, 1, 2), (65, 3, 3), (300, 1, 4)] {
            let mut stream = Seed { seed, replication: 0 }.stream("test", "outstanding");
            let mut kernel = Outstanding::new(nodes, targets);
            let mut counts = vec![vec![0u32; targets]; nodes];
            let mut ends: Vec<(f64, usize, usize)> = Vec::new();
            let mut turns = vec![0; nodes];
            let mut now = 0.0;
            for number in 0..20_000 {
                now += if stream.below(1000) == 0 { 1e9 } else { stream.below(2_000_000) as f64 };
                if number % 1000 == 0 {
                    kernel.expect(1e3 * (1 + stream.below(10_000)) as f64);
                }
                kernel.pass(now);
                ends.retain(|&(end, node, target)| {
                    let stays = end > now;
                    counts[node][target] -= u32::from(!stays);
                    stays
                });
                let node = stream.below(nodes);
                let turn = turns[node];
                let least = counts[node].iter().min().copied().expect("there are targets");
                let expected = (turn..targets).chain(0..turn).find(|it| counts[node][*it] == least);
                let target = kernel.fewest(node, turn);
                assert_eq!(Some(target), expected, "{targets} targets, request {number}");
                let end = now + stream.below(100_000_000) as f64;
                kernel.send(node, target, end);
                counts[node][target] += 1;
                ends.push((end, node, target));
                turns[node] = (target + 1) % targets;
            }
        }
    }
}
