//! Sums of floats.

/// A sum of floats without any loss before its end, so that nobody can tell who added what (Shewchuk 1997, "Adaptive precision floating-point
/// arithmetic", section 2.4).
#[derive(Clone, Debug, Default)]
pub struct Floats {
    /// Their sum is exact; ascending, and no two of them overlap.
    parts: Vec<f64>,
    /// What left the range of floats: infinite, or no number. Otherwise 0.
    beyond: f64,
    /// Whether there was a value so large that sums may leave the range on their way.
    large: bool,
}

impl Floats {
    /// 2^64 values below this make no infinite sum.
    const LARGE: f64 = f64::from_bits((1023 + 959) << 52);

    /// Adds one.
    pub fn add(&mut self, value: f64) {
        self.large |= value.abs() >= Self::LARGE;
        let (mut sum, mut kept) = (value, 0);
        for at in 0..self.parts.len() {
            let Some(part) = self.parts.get(at).copied() else { break };
            let (larger, smaller) = if sum.abs() < part.abs() { (part, sum) } else { (sum, part) };
            sum = larger + smaller;
            let lost = smaller - (sum - larger);
            if let (true, Some(part)) = (lost != 0.0, self.parts.get_mut(kept)) {
                *part = lost;
                kept += 1;
            }
        }
        if sum.is_finite() {
            self.parts.truncate(kept);
            self.parts.push(sum);
        } else {
            self.beyond += sum;
            self.parts.clear();
        }
    }

    /// Adds an integer.
    #[expect(clippy::cast_precision_loss, reason = "each piece fits into the 53 bits of a float")]
    pub fn add_int(&mut self, value: i128) {
        const BITS: u32 = 48;
        const MASK: i128 = (1 << BITS) - 1;
        let scale = (1_u64 << BITS) as f64;
        for (piece, scale) in [(value & MASK, 1.0), (value >> BITS & MASK, scale), (value >> (2 * BITS), scale * scale)]
        {
            self.add(piece as f64 * scale);
        }
    }

    /// Whether the sum of both cannot depend on which of them was added to which.
    pub fn can_add(&self, behind: &Self) -> bool {
        !self.large && !behind.large
    }

    /// Adds another sum.
    pub fn add_all(&mut self, behind: &Self) {
        behind.parts.iter().for_each(|part| self.add(*part));
        self.beyond += behind.beyond;
    }

    /// The sum, rounded once.
    pub fn finish(&self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let mut parts = self.parts.iter().rev().copied();
        let (mut sum, mut lost) = (parts.next().unwrap_or(0.0), 0.0);
        for part in parts.by_ref() {
            let before = sum;
            sum = before + part;
            lost = part - (sum - before);
            if lost != 0.0 {
                break;
            }
        }
        // Half of the last place rounds to even, unless what is left leans to one side.
        let leaning = parts.next().is_some_and(|next| (lost < 0.0) == (next < 0.0));
        let away = sum + lost * 2.0;
        if leaning && lost != 0.0 && away - sum - lost * 2.0 == 0.0 { away } else { sum }
    }
}
