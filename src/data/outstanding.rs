//! How many requests each target has outstanding, and which has the fewest, at each load balancer node.

/// The requests that a load balancer's nodes wait for, over the targets of a rotation.
///
/// A node knows its own requests only. Of the targets with the fewest it takes the first at or after its turn.
#[derive(Clone, Debug)]
pub struct Outstanding {
    targets: usize,
    /// By node and target.
    counts: Vec<u32>,
    /// Words of a row, and rows of a node.
    words: usize,
    rows: usize,
    /// A row of bits for each node and count, a bit for each target.
    members: Vec<u64>,
    /// A bit for each word of a row that is not zero; where a row has more words than there are bits, one for all.
    filled: Vec<Filled>,
    /// The least count, by node.
    lowest: Vec<u32>,
    /// When requests end, in lists by buckets of time; within a bucket in no order, since counts fall by one whoever
    /// goes first. A bucket serves again a whole round later.
    entries: Vec<Entry>,
    heads: Vec<u32>,
    /// The first entry that is free, and how many are not.
    free: u32,
    len: usize,
    /// Buckets in a nanosecond.
    speed: f64,
    /// The bucket that time stands in.
    now: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: f64,
    next: u32,
    target: u16,
    node: u16,
}

const NONE: u32 = u32::MAX;

type Filled = u64;

/// The bit that tells whether a word, of so many in its row, is not zero.
#[inline(always)]
fn bit_of(word: usize, words: usize) -> usize {
    if words <= Filled::BITS as usize { word } else { 0 }
}

/// The number of an instant's bucket: whole, rounded to the nearest, and the later the greater.
#[inline(always)]
fn bucket(at: f64, speed: f64) -> u64 {
    // Where the floats are whole numbers apart, their bits count them.
    const WHOLE: f64 = (1u64 << 52) as f64;
    (at * speed + WHOLE).to_bits()
}

impl Outstanding {
    /// Nothing is outstanding at so many nodes, each with the same targets.
    pub fn new(nodes: usize, targets: usize) -> Outstanding {
        let words = targets.div_ceil(64).max(1);
        // Buckets of a millisecond, until more is known.
        let speed = 1e-6;
        let mut outstanding = Outstanding {
            targets,
            counts: vec![0; nodes * targets],
            words,
            rows: 0,
            members: Vec::new(),
            filled: Vec::new(),
            lowest: vec![0; nodes],
            entries: Vec::new(),
            heads: vec![NONE; 64],
            free: NONE,
            len: 0,
            speed,
            now: bucket(0.0, speed),
        };
        outstanding.make_rows(8);
        outstanding
    }

    /// Makes ready for so many more requests, which come so many nanoseconds apart in the mean.
    pub fn expect(&mut self, requests: usize, gap: f64) {
        // Nobody is raised above the greatest count but from a least one, and that is at most the mean.
        let more = requests.div_ceil(self.targets.max(1)) + 2;
        let highest =
            self.filled.chunks(self.rows).filter_map(|it| it.iter().rposition(|it| *it > 0)).max().unwrap_or(0);
        if highest + more > self.rows {
            self.make_rows((highest + more).next_power_of_two());
        }
        let speed = 1.0 / gap.max(1.0);
        let is_off = speed > 2.0 * self.speed || speed < 0.5 * self.speed;
        if self.len * 2 > self.heads.len() || is_off {
            let buckets = (4 * self.len).next_power_of_two().max(self.heads.len());
            self.rebuild(buckets, if is_off { speed } else { self.speed });
        }
        let wanted = self.len + requests;
        while self.entries.len() < wanted {
            self.add_entry();
        }
    }

    fn make_rows(&mut self, rows: usize) {
        self.rows = rows;
        let nodes = self.lowest.len();
        self.members = vec![0; nodes * rows * self.words];
        self.filled = vec![0; nodes * rows];
        for node in 0..nodes {
            for target in 0..self.targets {
                let row = node * rows + self.counts[node * self.targets + target] as usize;
                self.members[row * self.words + target / 64] |= 1 << (target % 64);
                self.filled[row] |= 1 << bit_of(target / 64, self.words);
            }
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
        // An instant within the present bucket; what ends before it is found in the new present one.
        let now = (self.now - bucket(0.0, 1.0)) as f64 / self.speed;
        self.now = bucket(now, speed);
        self.speed = speed;
        self.heads = vec![NONE; buckets];
        self.entries.clear();
        for (place, it) in left.into_iter().enumerate() {
            let head = &mut self.heads[bucket(it.at, speed).max(self.now) as usize & (buckets - 1)];
            self.entries.push(Entry { next: *head, ..it });
            *head = place as u32;
        }
        self.free = NONE;
    }

    /// A request is outstanding that was sent before these targets stood together.
    pub fn add(&mut self, node: usize, target: usize, end: f64) {
        self.send(node, target, end);
        let row = node * self.rows;
        let lowest = self.filled[row..row + self.rows].iter().position(|it| *it > 0);
        self.lowest[node] = lowest.unwrap_or(0) as u32;
    }

    /// A node sends a request to a target, whether or not that is the one with the fewest, and waits for it until `end`,
    /// nanoseconds; where that is infinite, until it is [lowered](Lower).
    pub fn send(&mut self, node: usize, target: usize, end: f64) {
        // A session or a surge queue may raise one target alone, beyond what was expected of all.
        if self.counts[node * self.targets + target] as usize + 1 >= self.rows {
            self.make_rows(2 * self.rows);
        }
        if end == f64::INFINITY {
            self.deal(Raise { node, target });
            return;
        }
        if self.free == NONE {
            self.add_entry();
        }
        self.deal(Send { node, target, end });
    }

    fn add_entry(&mut self) {
        self.entries.push(Entry { at: 0.0, next: self.free, target: 0, node: 0 });
        self.free = self.entries.len() as u32 - 1;
    }

    /// Lends all of it to a loop that deals requests for which [`expect`](Outstanding::expect) made room.
    #[inline(always)]
    pub fn deal<W: Work>(&mut self, work: W) -> W::Result {
        let Outstanding { targets, words, rows, speed, free, len, now, .. } = *self;
        let mut ends = Ends { speed, free, len, now, entries: &mut self.entries, heads: &mut self.heads };
        let result = if self.lowest.len() == 1 && targets <= PLAIN && rows <= PLAIN && W::IS_LONG {
            let mut plain = Plain { counts: [0; PLAIN], members: [0; PLAIN], lowest: self.lowest[0] as usize % PLAIN };
            plain.counts[..targets].copy_from_slice(&self.counts);
            plain.members[..rows].copy_from_slice(&self.members);
            let result = work.run(&mut plain, &mut ends);
            self.counts.copy_from_slice(&plain.counts[..targets]);
            self.members.copy_from_slice(&plain.members[..rows]);
            self.lowest[0] = plain.lowest as u32;
            for (filled, members) in self.filled.iter_mut().zip(&self.members) {
                *filled = Filled::from(*members != 0);
            }
            result
        } else if self.lowest.len() == 1 && targets <= WIDE && rows <= PLAIN && W::IS_LONG {
            let mut wide = Wide {
                counts: [0; WIDE],
                members: [0; PLAIN * WIDE_WORDS],
                filled: [0; PLAIN],
                lowest: self.lowest[0] as usize,
            };
            wide.counts[..targets].copy_from_slice(&self.counts);
            let copied = wide.members.chunks_exact_mut(WIDE_WORDS).zip(self.members.chunks_exact(words));
            copied.for_each(|(close, row)| close[..words].copy_from_slice(row));
            wide.filled[..rows].copy_from_slice(&self.filled);
            let result = work.run(&mut wide, &mut ends);
            self.counts.copy_from_slice(&wide.counts[..targets]);
            let copied = wide.members.chunks_exact(WIDE_WORDS).zip(self.members.chunks_exact_mut(words));
            copied.for_each(|(close, row)| row.copy_from_slice(&close[..words]));
            self.filled.copy_from_slice(&wide.filled[..rows]);
            self.lowest[0] = wide.lowest as u32;
            result
        } else {
            let mut levels = Levels {
                targets,
                words,
                rows,
                counts: &mut self.counts,
                members: &mut self.members,
                filled: &mut self.filled,
                lowest: &mut self.lowest,
            };
            work.run(&mut levels, &mut ends)
        };
        let Ends { free, len, now, .. } = ends;
        (self.free, self.len, self.now) = (free, len, now);
        result
    }
}

/// Something that deals requests, however they are counted.
pub trait Work {
    /// What comes of it.
    type Result;
    /// Whether it deals so many that it is worth bringing the counts close.
    const IS_LONG: bool;
    /// Deals.
    fn run(self, counts: &mut impl Counts, ends: &mut Ends) -> Self::Result;
}

/// The target with the fewest of a node's requests at `now`, the first at or after `turn`.
pub struct Fewest {
    /// Node.
    pub node: usize,
    /// The target that is looked at first.
    pub turn: usize,
    /// When, nanoseconds.
    pub now: f64,
}

impl Work for Fewest {
    type Result = usize;
    const IS_LONG: bool = false;
    fn run(self, counts: &mut impl Counts, ends: &mut Ends) -> usize {
        ends.pass(counts, self.now);
        counts.fewest(self.node, self.turn)
    }
}

struct Send {
    node: usize,
    target: usize,
    end: f64,
}

impl Work for Send {
    type Result = ();
    const IS_LONG: bool = false;
    fn run(self, counts: &mut impl Counts, ends: &mut Ends) {
        counts.raise(self.node, self.target);
        ends.put(self.end, self.node, self.target);
    }
}

struct Raise {
    node: usize,
    target: usize,
}

impl Work for Raise {
    type Result = ();
    const IS_LONG: bool = false;
    fn run(self, counts: &mut impl Counts, _: &mut Ends) {
        counts.raise(self.node, self.target);
    }
}

/// A request without a known end has ended.
pub struct Lower {
    /// Node.
    pub node: usize,
    /// Target.
    pub target: usize,
}

impl Work for Lower {
    type Result = ();
    const IS_LONG: bool = false;
    fn run(self, counts: &mut impl Counts, _: &mut Ends) {
        counts.lower(self.node, self.target);
    }
}

/// Counts of targets, and for each count who has it.
pub trait Counts {
    /// The first target at or after `turn` that has the least count at a node.
    fn fewest(&self, node: usize, turn: usize) -> usize;
    /// One more.
    fn raise(&mut self, node: usize, target: usize);
    /// One less.
    fn lower(&mut self, node: usize, target: usize);
}

/// Most targets and rows that are kept close.
const PLAIN: usize = 64;

/// The counts of few targets at one node.
struct Plain {
    counts: [u32; PLAIN],
    members: [u64; PLAIN],
    lowest: usize,
}

impl Counts for Plain {
    #[inline(always)]
    fn fewest(&self, _: usize, turn: usize) -> usize {
        // The bits behind the last target are zero, so that going round them changes nothing.
        let from_turn = self.members[self.lowest % PLAIN].rotate_right(turn as u32);
        (turn + from_turn.trailing_zeros() as usize) % PLAIN
    }

    #[inline(always)]
    fn raise(&mut self, _: usize, target: usize) {
        let count = &mut self.counts[target % PLAIN];
        let from = *count as usize;
        *count += 1;
        self.members[from % PLAIN] ^= 1 << (target % PLAIN);
        self.members[(from + 1) % PLAIN] ^= 1 << (target % PLAIN);
        self.lowest += usize::from(self.members[self.lowest % PLAIN] == 0);
    }

    #[inline(always)]
    fn lower(&mut self, _: usize, target: usize) {
        let count = &mut self.counts[target % PLAIN];
        *count -= 1;
        let to = *count as usize;
        self.members[(to + 1) % PLAIN] ^= 1 << (target % PLAIN);
        self.members[to % PLAIN] ^= 1 << (target % PLAIN);
        self.lowest = if to < self.lowest { to } else { self.lowest };
    }
}

/// Most targets of those that are kept less close, and words and rows for them.
const WIDE: usize = 1024;
const WIDE_WORDS: usize = WIDE / 64;

/// The counts of up to [`WIDE`] targets at one node.
struct Wide {
    counts: [u32; WIDE],
    members: [u64; PLAIN * WIDE_WORDS],
    filled: [Filled; PLAIN],
    lowest: usize,
}

impl Counts for Wide {
    #[inline(always)]
    fn fewest(&self, _: usize, turn: usize) -> usize {
        let lowest = self.lowest % PLAIN;
        let row = &self.members[lowest * WIDE_WORDS..][..WIDE_WORDS];
        first_after(row, self.filled[lowest], turn % WIDE)
    }

    #[inline(always)]
    fn raise(&mut self, _: usize, target: usize) {
        let count = &mut self.counts[target % WIDE];
        let from = *count as usize;
        *count += 1;
        self.moves(target, from, from + 1);
        self.lowest += usize::from(self.filled[self.lowest % PLAIN] == 0);
    }

    #[inline(always)]
    fn lower(&mut self, _: usize, target: usize) {
        let count = &mut self.counts[target % WIDE];
        *count -= 1;
        let to = *count as usize;
        self.moves(target, to + 1, to);
        self.lowest = if to < self.lowest { to } else { self.lowest };
    }
}

impl Wide {
    #[inline(always)]
    fn moves(&mut self, target: usize, from: usize, to: usize) {
        let (from, to) = (from % PLAIN, to % PLAIN);
        let (word, bit) = (target % WIDE / 64, 1 << (target % 64));
        let left = &mut self.members[from * WIDE_WORDS + word];
        *left ^= bit;
        self.filled[from] ^= Filled::from(*left == 0) << word;
        self.members[to * WIDE_WORDS + word] |= bit;
        self.filled[to] |= 1 << word;
    }
}

/// The first bit of a row at or after `turn`, or else the first one of all.
#[inline(always)]
fn first_after(row: &[u64], filled: Filled, turn: usize) -> usize {
    let first = turn / 64;
    let here = row[first] & (u64::MAX << (turn % 64));
    // The words after the first one; where all are empty, from the front. Chosen, not jumped to: nobody can foresee it.
    let after = filled & (Filled::MAX << first << 1);
    let chosen = if after != 0 { after } else { filled };
    let word = if here != 0 { first } else { chosen.trailing_zeros() as usize % Filled::BITS as usize };
    let bits = if here != 0 { here } else { row[word] };
    word * 64 + bits.trailing_zeros() as usize
}

/// The counts of many targets, or at several nodes, as slices whose places a loop can keep at hand.
struct Levels<'a> {
    targets: usize,
    words: usize,
    rows: usize,
    counts: &'a mut [u32],
    members: &'a mut [u64],
    filled: &'a mut [Filled],
    lowest: &'a mut [u32],
}

impl Counts for Levels<'_> {
    #[inline(always)]
    fn fewest(&self, node: usize, turn: usize) -> usize {
        let row = node * self.rows + self.lowest[node] as usize;
        let filled = self.filled[row];
        let row = &self.members[row * self.words..][..self.words];
        if self.words <= Filled::BITS as usize {
            return first_after(row, filled, turn);
        }
        let after = row[turn / 64] & (u64::MAX << (turn % 64));
        if after != 0 {
            return turn / 64 * 64 + after.trailing_zeros() as usize;
        }
        let word = (turn / 64 + 1..row.len()).chain(0..=turn / 64).find(|it| row[*it] != 0).unwrap_or(0);
        word * 64 + row[word].trailing_zeros() as usize
    }

    #[inline(always)]
    fn raise(&mut self, node: usize, target: usize) {
        let count = &mut self.counts[node * self.targets + target];
        let from = node * self.rows + *count as usize;
        *count += 1;
        self.moves(target, from, from + 1);
        let lowest = node * self.rows + self.lowest[node] as usize;
        self.lowest[node] += u32::from(self.filled[lowest] == 0);
    }

    #[inline(always)]
    fn lower(&mut self, node: usize, target: usize) {
        let count = &mut self.counts[node * self.targets + target];
        let from = node * self.rows + *count as usize;
        *count -= 1;
        let to = *count;
        self.moves(target, from, from - 1);
        let lowest = &mut self.lowest[node];
        *lowest = if to < *lowest { to } else { *lowest };
    }
}

impl Levels<'_> {
    #[inline(always)]
    fn moves(&mut self, target: usize, from: usize, to: usize) {
        let (word, bit) = (target / 64, 1 << (target % 64));
        let place = bit_of(word, self.words);
        let row = &mut self.members[from * self.words..][..self.words];
        row[word] ^= bit;
        let is_empty = row[word] == 0 && (self.words <= Filled::BITS as usize || row.iter().all(|it| *it == 0));
        self.filled[from] ^= Filled::from(is_empty) << place;
        self.members[to * self.words + word] |= bit;
        self.filled[to] |= 1 << place;
    }
}

/// When requests end.
pub struct Ends<'a> {
    speed: f64,
    free: u32,
    len: usize,
    now: u64,
    entries: &'a mut [Entry],
    heads: &'a mut [u32],
}

impl Ends<'_> {
    /// One more that ends at `at`.
    #[inline(always)]
    pub fn put(&mut self, at: f64, node: usize, target: usize) {
        // What ends in a bucket that time has reached is looked for in the present one.
        let bucket = bucket(at, self.speed).max(self.now) as usize & (self.heads.len() - 1);
        let place = self.free as usize;
        let entry = &mut self.entries[place];
        self.free = entry.next;
        *entry = Entry { at, next: self.heads[bucket], target: target as u16, node: node as u16 };
        self.heads[bucket] = place as u32;
        self.len += 1;
    }

    /// Counts those that end by `now` as ended.
    #[inline(always)]
    pub fn pass(&mut self, counts: &mut impl Counts, now: f64) {
        // Widths that have changed may have put the present bucket a little ahead of time.
        let last = bucket(now, self.speed).max(self.now);
        let mask = self.heads.len() - 1;
        if last - self.now > mask as u64 {
            // A long silence: every bucket once is enough.
            self.now = last - mask as u64 - 1;
        }
        loop {
            let bucket = self.now as usize & mask;
            let mut place = self.heads[bucket];
            let mut kept = NONE;
            while place != NONE {
                let entry = &mut self.entries[place as usize];
                let next = entry.next;
                if entry.at <= now {
                    let (node, target) = (entry.node as usize, entry.target as usize);
                    entry.next = self.free;
                    self.free = place;
                    self.len -= 1;
                    counts.lower(node, target);
                } else {
                    entry.next = kept;
                    kept = place;
                }
                place = next;
            }
            self.heads[bucket] = kept;
            if self.now == last {
                return;
            }
            self.now += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    /// Counts and ends kept plainly.
    #[test]
    fn the_fewest_are_the_fewest() {
        for (targets, nodes, seed) in
            [(1, 1, 0), (5, 2, 1), (64, 1, 2), (65, 3, 3), (300, 1, 4), (1100, 2, 5), (4200, 1, 6)]
        {
            let mut stream = Seed { seed, replication: 0 }.stream("test", "outstanding");
            let mut kernel = Outstanding::new(nodes, targets);
            let mut counts = vec![vec![0u32; targets]; nodes];
            let mut ends: Vec<(f64, usize, usize)> = Vec::new();
            let mut turns = vec![0; nodes];
            let mut now = 0.0;
            for number in 0..20_000 {
                now += if stream.below(1000) == 0 { 1e9 } else { stream.below(2_000_000) as f64 };
                if number % 1000 == 0 {
                    kernel.expect(1000, 1e3 * (1 + stream.below(10_000)) as f64);
                }
                ends.retain(|&(end, node, target)| {
                    let stays = end > now;
                    counts[node][target] -= u32::from(!stays);
                    stays
                });
                let node = stream.below(nodes);
                let turn = turns[node];
                let least = counts[node].iter().min().copied().expect("there are targets");
                let expected = (turn..targets).chain(0..turn).find(|it| counts[node][*it] == least);
                let target = kernel.deal(Fewest { node, turn, now });
                assert_eq!(Some(target), expected, "{targets} targets, request {number}");
                // Some hundred requests and more, or as many as leave some rows without anyone.
                let end = now + stream.below(100_000_000.max(2_000_000 * targets)) as f64;
                kernel.send(node, target, end);
                counts[node][target] += 1;
                ends.push((end, node, target));
                turns[node] = (target + 1) % targets;
            }
        }
    }

    /// What a session or a surge queue does: nobody has foreseen it.
    #[test]
    fn one_target_may_be_sent_all() {
        for (targets, nodes) in [(3, 2), (100, 1)] {
            let mut kernel = Outstanding::new(nodes, targets);
            let ends = (0..500).map(|it| if it % 2 == 0 { f64::INFINITY } else { 1e9 + it as f64 });
            ends.for_each(|end| kernel.send(nodes - 1, 1, end));
            assert_eq!(kernel.deal(Fewest { node: nodes - 1, turn: 1, now: 0.0 }), 2);
            // Half of them end, and the others are said to.
            assert_eq!(kernel.deal(Fewest { node: nodes - 1, turn: 1, now: 2e9 }), 2);
            (0..250).for_each(|_| kernel.deal(Lower { node: nodes - 1, target: 1 }));
            assert_eq!(kernel.deal(Fewest { node: nodes - 1, turn: 1, now: 2e9 }), 1);
        }
    }
}
