//! The rungs that need no broker.

use crate::Rung;
use crate::corpus::Rules;
use daachorse::CharwiseDoubleArrayAhoCorasick;
use jingyou::alert::SubjectKey;
use jingyou::engine::lane::{Lane, Passed};
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

/// The record as a plain typed structure: what parsing alone costs.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
#[allow(dead_code, reason = "parsing them is the point")]
struct Typed<'a> {
    waybill_no: Text<'a>,
    carrier: Text<'a>,
    event: Text<'a>,
    occurred_at: Text<'a>,
    #[serde(default)]
    direction: Text<'a>,
    #[serde(default)]
    site: Site<'a>,
    #[serde(default)]
    sender: Party<'a>,
    #[serde(default)]
    receiver: Party<'a>,
    #[serde(default)]
    item: Item<'a>,
    #[serde(default)]
    real_name: RealName<'a>,
    #[serde(default)]
    inspection: Inspection<'a>,
    #[serde(default)]
    xray: Xray<'a>,
    #[serde(default)]
    payment: Payment<'a>,
    #[serde(default)]
    order: Order<'a>,
}

/// Borrowed where the text has no escapes.
#[derive(Default, Deserialize)]
struct Text<'a>(
    #[allow(dead_code, reason = "parsing it is the point")]
    #[serde(borrow)]
    Cow<'a, str>,
);

macro_rules! part {
    ($name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        #[derive(Default, Deserialize)]
        #[serde(default, bound(deserialize = "'de: 'a"))]
        #[allow(dead_code, reason = "parsing them is the point")]
        struct $name<'a> { $($field: $kind),* }
    };
}

part!(Site { code: Text<'a>, name: Text<'a>, region: Text<'a> });
part!(Party {
    name: Text<'a>, phone: Text<'a>, id_type: Text<'a>, id_no: Text<'a>, org: Text<'a>, address: Text<'a>,
    region: Text<'a>, pickup: Text<'a>,
});
part!(Item {
    name: Text<'a>, category: Text<'a>, quantity: Option<f64>, weight_g: Option<f64>, volume_cm3: Option<f64>,
    declared_value_fen: Option<f64>, remark: Text<'a>,
});
part!(RealName { verified: Option<bool>, method: Text<'a>, name_match: Option<bool> });
part!(Inspection { opened: Option<bool>, result: Text<'a>, officer: Text<'a> });
part!(Xray { machine: Text<'a>, result: Text<'a>, labels: Vec<Text<'a>> });
part!(Payment { method: Text<'a>, cod_fen: Option<f64> });
part!(Order { platform: Text<'a>, shop: Text<'a> });

/// Runs R2, R3 and R4 in turn.
pub fn run(corpus: &[Vec<u8>], rules: &Rules, rounds: usize) -> Vec<Rung> {
    let mut parse = Rung::new("R2", "sonic-rs typed parse only");
    let mut charwise = Rung::new("R3", "daachorse charwise match only, on goods name and remark");
    let mut screen = Rung::new("R4", "full screen in memory: decode, fold, match, rules, watchlist");
    let automaton = CharwiseDoubleArrayAhoCorasick::<u32>::new(&rules.terms).expect("the terms compile");
    let texts = texts(corpus);
    let mut lane = Lane::new(rules.set.clone(), None, SubjectKey::new(b"bench"));
    for _ in 0..=rounds {
        parse.ns.push(time(corpus, |bytes| {
            black_box(sonic_rs::from_slice::<Typed<'_>>(bytes).is_ok());
        }));
        charwise.ns.push(time(&texts, |text| {
            for found in automaton.find_overlapping_iter(text) {
                black_box(found.value());
            }
        }));
        screen.ns.push(time(corpus, |bytes| {
            black_box(matches!(lane.pass(bytes), Passed::Clean));
        }));
    }
    let mut rungs = vec![parse, charwise, screen];
    for rung in &mut rungs {
        // The first round warms the caches and is not counted.
        rung.ns.remove(0);
    }
    rungs
}

fn texts(corpus: &[Vec<u8>]) -> Vec<String> {
    let text = |bytes: &Vec<u8>| {
        let waybill: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        let field = |name: &str| waybill["item"][name].as_str().unwrap_or_default().to_lowercase();
        format!("{}\u{0}{}", field("name"), field("remark"))
    };
    corpus.iter().map(text).collect()
}

/// Nanoseconds an item.
fn time<T>(items: &[T], mut each: impl FnMut(&T)) -> f64 {
    let started = Instant::now();
    items.iter().for_each(&mut each);
    started.elapsed().as_nanos() as f64 / items.len() as f64
}
