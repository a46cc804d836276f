//! Numbers of events within one part: a sorted list while they are few, a bit for each event when they are many.

/// Which events of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Ascending.
    Sorted(Vec<u32>),
    /// Bit `n % 64` of word `n / 64`.
    Bits(Vec<u64>),
}

impl Set {
    /// None of `count` events, with room for any of them.
    #[must_use]
    pub fn none_of(count: usize) -> Self {
        Self::Bits(vec![0; count.div_ceil(64)])
    }

    /// These of `count` events, in whichever form is smaller.
    #[must_use]
    pub fn of(list: &[u32], count: u32) -> Self {
        if list.len() * 32 <= count as usize {
            return Self::Sorted(list.to_vec());
        }
        let mut set = Self::none_of(count as usize);
        set.add_list(list);
        set
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Sorted(list) => list.len(),
            Self::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Sorted(list) => list.is_empty(),
            Self::Bits(words) => words.iter().all(|word| *word == 0),
        }
    }

    /// Whether this event is one of them.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        match self {
            Self::Sorted(list) => list.binary_search(&number).is_ok(),
            Self::Bits(words) => words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1),
        }
    }

    /// Adds the events of another set; this one has a bit for each event.
    pub fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Bits(words), Self::Bits(others)) => {
                words.iter_mut().zip(others).for_each(|(word, other)| *word |= other);
            }
            (_, Self::Sorted(list)) => self.add_list(list),
            (Self::Sorted(_), Self::Bits(_)) => {}
        }
    }

    /// Adds these events; this set has a bit for each event.
    pub fn add_list(&mut self, list: &[u32]) {
        let Self::Bits(words) = self else { return };
        for number in list {
            if let Some(word) = words.get_mut(*number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        }
    }

    /// The first of them at or after `from`.
    #[must_use]
    pub fn next(&self, from: u32) -> Option<u32> {
        match self {
            Self::Sorted(list) => list.get(list.partition_point(|number| *number < from)).copied(),
            Self::Bits(words) => {
                let first = from as usize / 64;
                let masked = words.get(first)? & (u64::MAX << (from % 64));
                let later = words.iter().enumerate().skip(first + 1).map(|(at, word)| (at, *word));
                let (at, word) = std::iter::once((first, masked)).chain(later).find(|(_, word)| *word != 0)?;
                u32::try_from(at * 64 + word.trailing_zeros() as usize).ok()
            }
        }
    }

    /// The last of them at or before `from`.
    #[must_use]
    pub fn previous(&self, from: u32) -> Option<u32> {
        match self {
            Self::Sorted(list) => list.get(list.partition_point(|number| *number <= from).checked_sub(1)?).copied(),
            Self::Bits(words) => {
                let last = from as usize / 64;
                let masked = words.get(last).map_or(0, |word| word & (u64::MAX >> (63 - from % 64)));
                let earlier = words.iter().enumerate().take(last).rev().map(|(at, word)| (at, *word));
                let (at, word) = std::iter::once((last, masked)).chain(earlier).find(|(_, word)| *word != 0)?;
                u32::try_from(at * 64 + 63 - word.leading_zeros() as usize).ok()
            }
        }
    }
}
