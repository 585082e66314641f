//! Who is awake of many who mostly rest: what is done for those who are costs nothing for the others.

/// Numbers from 0, some of which are awake.
#[derive(Debug, Default)]
pub(super) struct Awake {
    is_awake: Vec<bool>,
    /// Those who are, and some who have been.
    some: Vec<usize>,
}

impl Awake {
    /// So many, all of whom are.
    pub fn all(count: usize) -> Awake {
        Awake { is_awake: vec![true; count], some: (0..count).collect() }
    }

    /// Whether one is.
    pub fn contains(&self, number: usize) -> bool {
        self.is_awake[number]
    }

    /// One is from now on, who may be new.
    pub fn wake(&mut self, number: usize) {
        if self.is_awake.len() <= number {
            self.is_awake.resize(number + 1, false);
        }
        if !std::mem::replace(&mut self.is_awake[number], true) {
            self.some.push(number);
        }
    }

    /// One rests from now on.
    pub fn rests(&mut self, number: usize) {
        self.is_awake[number] = false;
    }

    /// All who are awake, in order; they have to be given back.
    pub fn take(&mut self) -> Vec<usize> {
        let mut all = std::mem::take(&mut self.some);
        all.retain(|it| self.is_awake[*it]);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Gives back what was taken; some may have been woken since, and some may rest.
    pub fn give_back(&mut self, mut taken: Vec<usize>) {
        taken.append(&mut self.some);
        self.some = taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_woken_twice_or_while_others_are_looked_at_is_there_once() {
        let mut awake = Awake::all(3);
        assert_eq!(awake.take(), [0, 1, 2]);
        awake.rests(1);
        awake.wake(5);
        awake.give_back(vec![0, 1, 2]);
        awake.wake(1);
        awake.wake(1);
        awake.rests(0);
        assert!(awake.contains(1) && !awake.contains(0) && !awake.contains(4));
        assert_eq!(awake.take(), [1, 2, 5]);
    }
}
