//! Sums of floats that are exact until they are rounded once, so that nobody can tell who added what, nor in which order.

/// Floats whose sum is exact: ascending, and no two of them overlap (Shewchuk 1997, "Adaptive precision floating-point arithmetic", section 2.4).
#[derive(Clone, Debug, Default)]
struct Parts(Vec<f64>);

impl Parts {
    /// Adds one that is finite, as is every sum on the way.
    fn add(&mut self, value: f64) {
        let (mut sum, mut kept) = (value, 0);
        for at in 0..self.0.len() {
            let Some(part) = self.0.get(at).copied() else { break };
            let (larger, smaller) = if sum.abs() < part.abs() { (part, sum) } else { (sum, part) };
            sum = larger + smaller;
            let lost = smaller - (sum - larger);
            if let (true, Some(part)) = (lost != 0.0, self.0.get_mut(kept)) {
                *part = lost;
                kept += 1;
            }
        }
        self.0.truncate(kept);
        if sum != 0.0 {
            self.0.push(sum);
        }
    }

    /// The sum, rounded once.
    fn rounded(&self) -> f64 {
        let mut parts = self.0.iter().rev().copied();
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

/// A power of two.
const fn power(exponent: u64) -> f64 {
    f64::from_bits((1023 + exponent) << 52)
}

/// A sum of floats.
#[derive(Clone, Debug, Default)]
pub struct Floats {
    /// Of those below `LARGE`.
    small: Parts,
    /// Of the others, divided by `SCALE`.
    large: Parts,
    /// What was infinite, or no number. Otherwise 0.
    beyond: f64,
}

impl Floats {
    /// 2^63 values below this make no infinite sum, and neither do as many larger ones that were divided.
    const LARGE: f64 = power(960);
    const SCALE: f64 = power(128);

    /// Adds one.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.beyond += value;
        } else if value.abs() < Self::LARGE {
            self.small.add(value);
        } else {
            // Nothing is lost: the last bit of a large float is far above the smallest float.
            self.large.add(value / Self::SCALE);
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

    /// Adds another sum.
    pub fn add_all(&mut self, other: &Self) {
        other.small.0.iter().for_each(|part| self.small.add(*part));
        other.large.0.iter().for_each(|part| self.large.add(*part));
        self.beyond += other.beyond;
    }

    /// The sum, rounded once; infinite if it leaves the range of floats.
    pub fn rounded(&self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let Some(largest) = self.large.0.last() else { return self.small.rounded() };
        if largest.abs() < power(1022) / Self::SCALE {
            let mut all = self.small.clone();
            self.large.0.iter().for_each(|part| all.add(part * Self::SCALE));
            return all.rounded();
        }
        let mut all = self.large.clone();
        for part in &self.small.0 {
            let divided = part / Self::SCALE;
            // What is too small for that still says to which side the sum leans.
            all.add(if divided == 0.0 { f64::from_bits(1).copysign(*part) } else { divided });
        }
        all.rounded() * Self::SCALE
    }
}
