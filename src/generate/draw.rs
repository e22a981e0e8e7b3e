//! Random draws that are the same on every machine: PCG64 MCG seeded by what is drawn for, and integer arithmetic only.
//! Leaves out what is drawn.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// What a draw is for. Draws of different streams are independent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Waybill = 1,
    HomeResident,
    Resident,
    Merchant,
    Event,
    WaybillNo,
}

/// A sequence of draws for one thing.
pub(super) struct Draw(Pcg64Mcg);

impl Draw {
    /// The draws for thing `index` of `stream`.
    pub(super) fn new(seed: u64, stream: Stream, index: u64) -> Self {
        let high = mix(seed ^ mix(stream as u64));
        let low = mix(high ^ index);
        Self(Pcg64Mcg::new(u128::from(mix(low)) << 64 | u128::from(low)))
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `bound`; the bias of the multiplication is under `bound` in 2^32.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        scale(self.bits() >> 32, bound)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of 100 draws.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, all alike.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// One of `choices` where it stands.
    pub(super) fn pick_ref<T>(&mut self, choices: &'static [T]) -> &'static T {
        &choices[self.below(choices.len() as u32) as usize]
    }

    /// From 0 to 65,535 in a bell shape around the middle: the mean of four draws.
    pub(super) fn bell(&mut self) -> u32 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        (sum / 4) as u32
    }
}

/// Scales 32 random bits to below `bound`.
fn scale(bits: u64, bound: u32) -> u32 {
    ((bits * u64::from(bound)) >> 32) as u32
}

/// The finalizer of SplitMix64: every bit of `value` changes half of the bits of the outcome.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
